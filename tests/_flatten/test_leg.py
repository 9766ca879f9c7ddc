"""The next move of a leg: after closes and readings, and after any order of them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from okx_async import FlattenState, Outcome, Position
from okx_async._flatten.leg import MAX_MISSED, MAX_UNCHANGED, READ_PAUSES, WITHHELD_PAUSE, Leg, Move
from tests._flatten.legs import attempt, close, read, state
from tests._flatten.one_position import BEFORE, position


def test_it_is_closed_at_once_then_positions_are_read() -> None:
    leg = Leg(BEFORE, 5.0)
    assert leg.step(5.0) == (Move.SEND, 5.0)
    assert leg.may_send_blind
    close(leg, Outcome.ACCEPTED, 5.1)
    assert not leg.may_send_blind
    assert leg.step(5.1) == (Move.READ, 5.1)
    read(leg, 5.2)
    assert leg.step(5.2).move is Move.DONE


def test_readings_become_rarer_and_the_one_that_shows_it_stood_still_is_in_time() -> None:
    leg = Leg(BEFORE, 0.0)
    close(leg, Outcome.ACCEPTED, 0.0)
    ats, now = [], 0.0
    while (step := leg.step(now)).move is Move.READ:
        now = step.at
        ats.append(now)
        read(leg, now, BEFORE)
    assert ats == pytest.approx([0.0, 0.1, 0.3, 0.7, 1.5, 2.0])
    assert step == (Move.SEND, 2.0)


def test_a_refusal_at_the_moment_of_the_reading_is_followed_by_a_pause() -> None:
    leg = Leg(BEFORE, 0.0)
    close(leg, Outcome.ACCEPTED, 0.0)
    read(leg, 0.0, BEFORE)
    read(leg, 2.0, BEFORE)
    close(leg, Outcome.RATE, 2.0)
    assert leg.step(2.0) == (Move.READ, 2.0)
    leg.schedule_read(2.0)  # the reading of this moment was made before the answer
    assert leg.step(2.0) == (Move.READ, 2.0 + READ_PAUSES[0])


def test_a_refusal_that_passes_is_answered_by_a_close_and_growing_pauses() -> None:
    leg = Leg(BEFORE, 0.0)
    pauses = []
    for _ in range(5):
        close(leg, Outcome.LATER, 10.0)
        move, at = leg.step(10.0)
        assert move is Move.SEND
        pauses.append(at - 10.0)
    assert pauses == pytest.approx([0.25, 1.0, 3.0, 7.0, 15.0])
    close(leg, Outcome.LATER, 10.0)
    assert leg.step(10.0).move is Move.DONE  # six closes are sent at most


def test_after_a_refusal_for_rate_the_limiter_is_the_pause() -> None:
    leg = Leg(BEFORE, 0.0)
    close(leg, Outcome.RATE, 10.0)
    assert leg.step(10.0) == (Move.SEND, 10.0)
    assert leg.may_send_until() is None  # but not without a reading


def test_a_withheld_close_is_tried_again_after_a_moment() -> None:
    leg = Leg(BEFORE, 0.0)
    leg.close_started()
    leg.withheld(3.0, (attempt(Outcome.NOT_SENT),))
    assert leg.attempts == (attempt(Outcome.NOT_SENT),)
    assert leg.step(3.0) == (Move.SEND, 3.0 + WITHHELD_PAUSE)
    assert leg.may_send_until() == 1.0  # nothing was sent


def test_a_close_of_another_client_is_waited_for_however_long_the_position_stands_still() -> None:
    leg = Leg(BEFORE, 0.0)
    close(leg, Outcome.WAIT, 1.0, code="51032")
    read(leg, 1.0, BEFORE)
    read(leg, 9.0, BEFORE)
    assert leg.guard.stood_still
    assert leg.step(9.0).move is Move.READ


def test_a_reading_that_fails_is_followed_by_another() -> None:
    leg = Leg(BEFORE, 0.0)
    close(leg, Outcome.UNKNOWN, 1.0)
    leg.schedule_read(1.5)
    assert leg.step(1.5) == (Move.READ, 1.5 + READ_PAUSES[0])
    for now in range(2, 20):
        leg.schedule_read(float(now))
    assert leg.step(19.0) == (Move.READ, 19.0 + READ_PAUSES[-1])


@pytest.mark.parametrize(
    ("outcome", "code", "expected"),
    [
        (Outcome.NEEDS, "51108", FlattenState.REFUSED),
        (Outcome.FATAL, "51000", FlattenState.REFUSED),
        (Outcome.NEEDS, "51120", FlattenState.DUST),
        (Outcome.NEEDS, "51020_2", FlattenState.DUST),
    ],
)
def test_some_refusals_end_a_leg(outcome: Outcome, code: str, expected: FlattenState) -> None:
    leg = Leg(BEFORE, 0.0)
    close(leg, outcome, 1.0, code=code)
    assert leg.step(1.0).move is Move.DONE
    read(leg, 2.0, BEFORE)
    assert (leg.step(2.0).move, leg.may_send_until(), state(leg)) == (Move.DONE, None, expected)


def test_a_timestamp_is_refused_once_and_no_such_position_said_three_times() -> None:
    leg = Leg(BEFORE, 0.0)
    close(leg, Outcome.CLOCK, 1.0)
    assert leg.step(1.0) == (Move.SEND, 1.0)
    close(leg, Outcome.CLOCK, 2.0)
    assert leg.step(2.0).move is Move.DONE
    leg = Leg(BEFORE, 0.0)
    for number in range(MAX_MISSED):
        assert leg.step(10.0 * number).move is Move.SEND
        close(leg, Outcome.FLAT, 10.0 * number)
        read(leg, 10.0 * number, BEFORE)
        read(leg, 10.0 * number + 9, BEFORE)
    assert (leg.step(40.0).move, state(leg)) == (Move.DONE, FlattenState.REFUSED)


def test_closes_that_are_taken_and_change_nothing_come_to_an_end_and_others_do_not() -> None:
    sizes = ["9", "5", "5", "3", "3", "3"]
    leg = Leg(position(pos="9"), 0.0)
    moves = []
    for number, size in enumerate(sizes, 1):
        close(leg, Outcome.ACCEPTED, 10.0 * number)
        after = sizes[number] if number < len(sizes) else "3"
        for at in (0.0, 2.0):
            read(leg, 10.0 * number + at, position(pos=after, uTime=str(1000 + int(size != after) + number)))
        moves.append(leg.step(10.0 * number + 2.0).move)
    assert MAX_UNCHANGED == 3
    assert moves == [Move.SEND] * 5 + [Move.DONE]
    assert state(leg) is FlattenState.PARTIAL


def test_another_position_ends_it() -> None:
    leg = Leg(BEFORE, 0.0)
    close(leg, Outcome.RATE, 1.0)
    read(leg, 2.0, position(cTime="1500", uTime="1500"))
    assert (leg.step(2.0).move, leg.may_send_until(), leg.may_send_blind) == (Move.DONE, None, False)
    assert state(leg) is FlattenState.SUPERSEDED
    assert state(leg, wanted=False) is FlattenState.ALREADY_FLAT  # what stands there now is not in the filter
    assert leg.row(FlattenState.SUPERSEDED, 1.0).after is not None


@settings(max_examples=settings().max_examples * 3 // 2)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("close"), st.sampled_from(list(Outcome))),
            st.tuples(st.just("read"), st.sampled_from([0, 0, 0, 1, 2, 3])),
            st.tuples(st.just("pause"), st.sampled_from([0.1, 1.0, 2.0])),
        ),
        max_size=30,
    )
)
def test_no_step_asks_for_what_must_not_be_and_every_leg_has_a_state(events: list[tuple[str, Any]]) -> None:
    listings: list[list[Position]] = [[BEFORE], [position(pos="1", uTime="2000")], [], [position(cTime="9000")]]
    leg, now = Leg(BEFORE, 0.0), 0.0
    for kind, what in events:
        now += 0.01
        step = leg.step(now)
        assert step.at >= now
        if kind == "close":
            # The driver sends where the step says so and the guard allows it.
            until = leg.may_send_until()
            if step.move is Move.SEND and step.at <= now and until is not None and until >= now:
                close(leg, what, now)
        elif kind == "read":
            read(leg, now, *listings[what])
        else:
            now += what
        found = state(leg)
        if found in {FlattenState.CLOSED, FlattenState.ALREADY_FLAT}:
            assert leg.proven
            assert leg.guard.gone_since is not None
            assert leg.guard.observed_at > leg.guard.gone_since
        if leg.step(now).move is Move.DONE:
            assert leg.may_send_until() is None or leg.guard.stood_still
