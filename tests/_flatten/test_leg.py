from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from okx_async import (
    Attempt,
    ClosePosition,
    FlattenState,
    OkxError,
    Outcome,
    OutcomeUnknownError,
    Position,
    RejectedError,
)
from okx_async._errors import AuthenticationError, NotSentError
from okx_async._flatten.guard import Reading
from okx_async._flatten.leg import (
    MAX_MISSED,
    MAX_UNCHANGED,
    PROOF_GAP,
    READ_PAUSES,
    SHORT_PROOF_GAP,
    WITHHELD_PAUSE,
    Leg,
    Move,
    newcomers,
)
from okx_async._rest.records import positions
from okx_async._rest.responses import Answer


def position(**fields: Any) -> Position:
    record = {"instType": "SWAP", "instId": "BTC-USDT-SWAP", "mgnMode": "cross", "posSide": "net", "posId": "7"}
    record |= {"pos": "3", "cTime": "1000", "uTime": "1000"} | fields
    return positions(Answer(200, "0", data=[record], listed=True, envelope=True)).positions[0]


BEFORE = position()


def attempt(outcome: Outcome) -> Attempt:
    return Attempt(ClosePosition("BTC-USDT-SWAP", "cross"), None, 0.0, 1.0, 2.0, "", 200, outcome, "settled")


def close(leg: Leg, outcome: Outcome, now: float, *, code: str = "", draw: float = 1.0) -> None:
    """Send a close that ends with this outcome."""
    error: OkxError | None = None if outcome is Outcome.ACCEPTED else RejectedError(code, code=code)
    leg.close_started()
    leg.answered(outcome, error, (attempt(outcome),), now, draw)


def read(leg: Leg, at: float, *listed: Position) -> bool:
    return leg.observe(Reading(at, listed), at)


def state(leg: Leg, *, wanted: bool = True) -> FlattenState:
    return leg.state(lambda _: wanted)


# --- the next move ---


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


# --- proof ---


@pytest.mark.parametrize(
    ("outcomes", "apart"),
    [
        ([Outcome.ACCEPTED], SHORT_PROOF_GAP),
        ([Outcome.RATE, Outcome.ACCEPTED], SHORT_PROOF_GAP),
        ([Outcome.UNKNOWN], PROOF_GAP),
        ([Outcome.UNKNOWN, Outcome.ACCEPTED], PROOF_GAP),
        ([Outcome.FLAT], PROOF_GAP),
        ([Outcome.WAIT], PROOF_GAP),
        ([Outcome.FROZEN], PROOF_GAP),
        ([Outcome.FLAT, Outcome.ACCEPTED], PROOF_GAP),
        ([Outcome.WAIT, Outcome.ACCEPTED], PROOF_GAP),
        ([Outcome.FROZEN, Outcome.ACCEPTED], PROOF_GAP),
        ([], PROOF_GAP),
    ],
)
def test_gone_is_what_two_readings_do_not_list(outcomes: list[Outcome], apart: float) -> None:
    leg = Leg(BEFORE, 0.0)
    for outcome in outcomes:
        close(leg, outcome, 1.0)
    assert leg.proof_at is None
    read(leg, 2.0)
    assert not leg.proven
    assert state(leg) is FlattenState.UNKNOWN
    assert leg.proof_at == 2.0 + apart
    read(leg, 2.0 + apart / 2)
    assert not leg.proven
    read(leg, 2.0 + apart + 0.001)
    assert leg.proven
    taken = {Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.WAIT} & set(outcomes)
    assert state(leg) is (FlattenState.CLOSED if taken else FlattenState.ALREADY_FLAT)
    assert leg.row(state(leg), 1.0).after is None


def test_a_reading_that_lists_it_again_undoes_the_proof() -> None:
    leg = Leg(BEFORE, 0.0)
    close(leg, Outcome.ACCEPTED, 1.0)
    read(leg, 2.0)
    read(leg, 2.1, BEFORE)
    assert (leg.proof_at, leg.proven, leg.pending) == (None, False, True)
    assert leg.step(2.1).move is Move.READ
    read(leg, 3.0)
    read(leg, 3.1)
    assert (leg.proven, leg.pending) == (True, False)


@pytest.mark.parametrize(
    ("outcome", "listed", "expected"),
    [
        (Outcome.ACCEPTED, "3", FlattenState.IN_PROGRESS),
        (Outcome.WAIT, "3", FlattenState.IN_PROGRESS),
        (Outcome.ACCEPTED, "1", FlattenState.PARTIAL),
        (Outcome.UNKNOWN, "1", FlattenState.PARTIAL),
        (Outcome.UNKNOWN, "3", FlattenState.UNKNOWN),
        (Outcome.RATE, "3", FlattenState.DEADLINE),
        (Outcome.RATE, "1", FlattenState.DEADLINE),  # not by us
        (Outcome.FLAT, "3", FlattenState.DEADLINE),
        (Outcome.ACCEPTED, None, FlattenState.UNKNOWN),
        (Outcome.UNKNOWN, None, FlattenState.UNKNOWN),
        (Outcome.RATE, None, FlattenState.DEADLINE),
        (Outcome.NOT_SENT, None, FlattenState.DEADLINE),
    ],
)
def test_the_state_when_the_time_is_over(outcome: Outcome, listed: str | None, expected: FlattenState) -> None:
    leg = Leg(BEFORE, 0.0)
    close(leg, outcome, 1.0)
    if listed:
        read(leg, 2.0, position(pos=listed))
    assert state(leg) is expected


@pytest.mark.parametrize(("listed", "expected"), [("-1", FlattenState.PARTIAL), ("-3", FlattenState.IN_PROGRESS)])
def test_a_short_position_is_partly_closed_when_it_is_nearer_to_zero(listed: str, expected: FlattenState) -> None:
    leg = Leg(position(pos="-3"), 0.0)
    close(leg, Outcome.ACCEPTED, 1.0)
    read(leg, 2.0, position(pos=listed))
    assert state(leg) is expected


def test_a_row_tells_that_a_close_went_out_without_a_reading() -> None:
    for blind in (False, True):
        leg = Leg(BEFORE, 0.0)
        leg.close_started(blind=blind)
        leg.close_started()
        assert leg.row(FlattenState.UNKNOWN, 1.0).unread is blind


def test_a_repeat_that_could_not_be_sent_does_not_change_the_state() -> None:
    leg = Leg(BEFORE, 0.0)
    close(leg, Outcome.WAIT, 1.0, code="51032")
    leg.close_started()
    leg.answered(Outcome.NOT_SENT, NotSentError("no slot"), (), 2.0, 1.0)
    read(leg, 3.0, BEFORE)
    assert state(leg) is FlattenState.IN_PROGRESS
    assert leg.error is not None
    assert leg.error.code == "51032"


def test_stopped_it_sends_nothing_more() -> None:
    refused, closing = Leg(BEFORE, 0.0), Leg(BEFORE, 0.0)
    refused.halt(AuthenticationError("50119"))
    closing.halt(NotSentError("closed"))
    for leg in (refused, closing):
        leg.halt(OutcomeUnknownError("later"))
        assert (leg.step(0.0).move, leg.may_send_until(), leg.may_send_blind) == (Move.DONE, None, False)
    assert (state(refused), state(closing)) == (FlattenState.REFUSED, FlattenState.CLIENT_CLOSED)
    assert str(refused.error) == "50119"


def test_newcomers_are_positions_that_no_leg_has_at_its_address() -> None:
    leg = Leg(BEFORE, 0.0)
    other, reopened = position(instId="ETH-USDT-SWAP", posId="9"), position(cTime="2000", uTime="2000")
    flat = position(instId="SOL-USDT-SWAP", pos="0")
    reading = Reading(1.0, [reopened, other, flat])
    leg.observe(reading, 1.0)
    assert newcomers(reading, [leg], lambda _: True) == [other]
    assert newcomers(reading, [leg], lambda _: False) == []
    assert newcomers(reading, [], lambda _: True) == [reopened, other]
    stale = position(uTime="900")  # what a leg did not count is its own all the same
    assert newcomers(Reading(2.0, [stale]), [leg], lambda _: True) == []


def test_newcomers_are_told_apart_by_address_and_pos_id() -> None:
    leg = Leg(BEFORE, 0.0)
    beside, elsewhere = position(posId="8"), position(instId="ETH-USDT-SWAP")
    reading = Reading(1.0, [BEFORE, beside, elsewhere])
    leg.observe(reading, 1.0)
    assert newcomers(reading, [leg], lambda _: True) == [beside, elsewhere]


def test_what_a_leg_reports_at_its_address_is_no_newcomer() -> None:
    leg = Leg(BEFORE, 0.0)
    reading = Reading(1.0, [position(posId="8")])
    leg.observe(reading, 1.0)
    assert state(leg) is FlattenState.SUPERSEDED
    assert newcomers(reading, [leg], lambda _: True) == []


# --- any order of events ---


@settings(max_examples=150)
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
