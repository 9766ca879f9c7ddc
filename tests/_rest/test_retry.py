"""What may be repeated, said once more by hand: design, section 5."""

from __future__ import annotations

import pytest

from okx_async import Outcome
from okx_async._rest.retry import Repeats

NEVER = {Outcome.ACCEPTED, Outcome.FROZEN, Outcome.FLAT, Outcome.NEEDS, Outcome.FATAL}
TO_READ_ONLY = {Outcome.UNKNOWN, Outcome.WAIT}


@pytest.mark.parametrize("outcome", Outcome)
def test_a_close_is_repeated_only_where_nothing_was_executed_for_sure(outcome: Outcome) -> None:
    repeated = Repeats(changes=True).pause(outcome, 0.5) is not None
    assert repeated == (outcome in {Outcome.RATE, Outcome.LATER, Outcome.CLOCK, Outcome.NOT_SENT})


@pytest.mark.parametrize("outcome", Outcome)
def test_a_reading_is_repeated_in_doubt_too(outcome: Outcome) -> None:
    repeated = Repeats(changes=False).pause(outcome, 0.5) is not None
    assert repeated == (outcome not in NEVER)
    assert (outcome not in NEVER) or outcome not in TO_READ_ONLY or repeated


def test_pauses_double_up_to_a_cap_and_are_drawn_from_the_whole_range() -> None:
    assert [Repeats(changes=True).pause(Outcome.LATER, draw) for draw in (0.0, 0.5, 1.0)] == [0.0, 0.125, 0.25]
    repeats = Repeats(changes=True)
    assert [repeats.pause(Outcome.LATER, 1.0) for _ in range(6)] == [0.25, 0.5, 1.0, 2.0, 4.0, None]


def test_a_throttled_key_is_blocked_and_needs_no_pause_of_its_own() -> None:
    repeats = Repeats(changes=True)
    assert [repeats.pause(Outcome.RATE, 1.0) for _ in range(6)] == [0.0] * 5 + [None]


def test_what_mostly_does_not_pass_is_repeated_less() -> None:
    repeats = Repeats(changes=True)
    assert repeats.pause(Outcome.RATE, 0.0) == 0.0
    assert [repeats.pause(Outcome.LATER, 0.0, 2) for _ in range(3)] == [0.0, 0.0, None]


def test_the_clock_is_asked_once() -> None:
    repeats = Repeats(changes=True)
    assert repeats.pause(Outcome.CLOCK, 1.0) == 0.0
    assert repeats.pause(Outcome.CLOCK, 1.0) is None


def test_all_kinds_share_one_bound() -> None:
    repeats = Repeats(changes=True)
    kinds = [Outcome.RATE, Outcome.LATER, Outcome.CLOCK, Outcome.NOT_SENT, Outcome.RATE, Outcome.LATER]
    assert [repeats.pause(kind, 0.0) is not None for kind in kinds] == [True] * 5 + [False]
