"""The table of trials."""

from okx_async.rehearsal.assumptions import BY_ID
from okx_async.rehearsal.trials.table import TRIALS


def test_each_assumption_has_a_trial_and_each_trial_an_assumption() -> None:
    assert set(TRIALS) == set(BY_ID)
