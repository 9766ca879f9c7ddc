"""What proves that a leg is flat, its state when the time is over, and newcomers."""

import pytest

from okx_async import FlattenState, Outcome, OutcomeUnknownError
from okx_async._errors import AuthenticationError, NotSentError
from okx_async._flatten.guard import Reading
from okx_async._flatten.leg import PROOF_GAP, SHORT_PROOF_GAP, Leg, Move, newcomers
from tests._flatten.legs import close, read, state
from tests._flatten.one_position import BEFORE, position


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
