"""The small run: some seconds of what `make cluster` does for minutes."""

import pytest

from tests.cluster.run import Outcome, play, verdict


@pytest.mark.long
async def test_processes_that_are_killed_at_random_keep_one_limit() -> None:
    outcome = await play(processes=4, seconds=7.0, kills=1.5)
    assert not verdict(outcome, 7.0), outcome
    assert outcome.killed >= 1


@pytest.mark.long
async def test_they_keep_it_by_a_server_that_is_lost() -> None:
    outcome = await play(processes=3, seconds=6.0, kills=2.0, losses=4.0, seed=2)
    assert (outcome.worst <= 20, outcome.refused) == (True, 0), outcome
    assert outcome.arrived >= 6
    assert outcome.lost >= 1


@pytest.mark.parametrize(
    ("outcome", "wrong"),
    [
        (Outcome(20, 0, 300, 5, 1), []),
        (Outcome(21, 3, 20, 5, 1), ["21 requests in 2 s", "3 refused for rate", "only 20 arrived in 30 s"]),
    ],
)
def test_the_judge_says_what_is_wrong(outcome: Outcome, wrong: list[str]) -> None:
    assert verdict(outcome, 30.0) == wrong
