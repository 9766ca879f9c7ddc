from dataclasses import replace

import pytest

from okx_async.torture import Plan, happen
from okx_async.torture.plan import AccountOptions, Part
from okx_async.torture.strategies import STRATEGIES

# What each comes to on a calm network, with something to close whatever was closed: who is told what.
TOLD = {
    "steady": {"accepted", "refused"},
    "crowd": {"accepted", "refused"},
    "waves": {"accepted", "not sent", "refused"},
    "batch": {"accepted", "cancelled", "not sent", "refused"},
    "hasty": {"accepted", "cancelled", "refused"},
    "impatient": {"accepted", "not sent", "refused"},
    "panic": {"accepted", "not sent", "refused"},
    "siege": {"accepted", "refused"},
    "spite": {"accepted", "cancelled", "refused"},
    "idle": {"accepted", "refused"},
}


@pytest.mark.share(2)
@pytest.mark.parametrize("kind", STRATEGIES)
def test_each_strategy_comes_to_its_end_and_breaks_nothing(kind: str, calm: Plan) -> None:
    parts = tuple(Part(kind, 0, 0.1 * number, f"{kind} {number}") for number in range(3))
    plan = replace(calm, parts=parts, accounts=(AccountOptions(two_sided=False, foreign=True),))
    history = happen(plan)
    assert history.broken == ()
    assert set(history.told) <= TOLD.get(kind, set())
    assert bool(history.told) is (kind in TOLD)


def test_strategies_sit_in_both_position_modes(calm: Plan) -> None:
    history = happen(replace(calm, accounts=(AccountOptions(two_sided=True, foreign=False),)))
    assert history.told["accepted"] > 10


def test_another_program_is_only_where_the_plan_has_one(calm: Plan) -> None:
    parts = (Part("foreign", 0, 0.0, "foreign"),)
    assert happen(replace(calm, parts=parts)).requests == 0
    assert happen(replace(calm, parts=parts, accounts=(AccountOptions(two_sided=False, foreign=True),))).requests > 0
