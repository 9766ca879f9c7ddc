"""What a record of a position says, and each rule of what may be sent after a reading, by itself."""

import pytest

from okx_async import Outcome
from okx_async._flatten.guard import FRESH, STILL, Guard, Observation, address_of, is_flat, side_of
from tests._flatten.one_position import BEFORE, position, reading

PAIR = {"instType": "MARGIN", "instId": "BTC-USDT", "posCcy": "BTC"}


@pytest.mark.parametrize("pos", ["0", "0.0", "-0", "0e3"])
def test_zero_is_flat_however_it_is_written(pos: str) -> None:
    assert is_flat(position(pos=pos))


@pytest.mark.parametrize(
    ("fields", "flat"),
    [
        ({"pos": ""}, False),
        ({"pos": "many"}, False),
        ({**PAIR, "pos": ""}, False),
        ({**PAIR, "pos": "", "posCcy": ""}, True),
        ({**PAIR, "pos": "many", "posCcy": ""}, False),
        ({**PAIR, "pos": "2", "posCcy": ""}, False),
    ],
)
def test_what_is_no_number_is_flat_for_a_pair_without_a_side_only(fields: dict[str, str], flat: bool) -> None:  # noqa: FBT001 - expected
    assert is_flat(position(**fields)) is flat


def test_an_address_is_instrument_mode_and_side_and_a_pairs_currency() -> None:
    assert address_of(position(ccy="USDT")) == address_of(position(ccy="BTC", posId="8", pos="-1", cTime="5"))
    assert address_of(position(**PAIR, ccy="USDT")) != address_of(position(**PAIR, ccy="BTC"))
    for other in ({"instId": "ETH-USDT-SWAP"}, {"mgnMode": "isolated"}, {"posSide": "long"}):
        assert address_of(position(**other)) != address_of(BEFORE)


def test_the_side_is_the_sign_and_a_pairs_currency() -> None:
    assert side_of(position(pos="-3")) == side_of(position(pos="-1")) != side_of(BEFORE)
    assert side_of(position(**PAIR, pos="2")) != side_of(position(**{**PAIR, "posCcy": "USDT"}, pos="2"))


def after(*outcomes: Outcome, at: float = 10.0) -> Guard:
    """Return the guard of a position after closes with these outcomes, the last answered at `at`."""
    guard = Guard(BEFORE, 0.0)
    for outcome in outcomes:
        guard.close_started()
        guard.answered(outcome, at)
    return guard


def test_gone_before_a_close_is_no_proof_after_it() -> None:
    guard = Guard(BEFORE, 0.0)
    guard.observe(reading(1.0))
    guard.close_started()
    guard.answered(Outcome.UNKNOWN, 2.0)
    assert guard.gone_since is None
    guard.observe(reading(3.0))
    assert guard.gone_since == 3.0


def test_the_first_close_relies_on_the_first_reading_for_a_second() -> None:
    assert Guard(BEFORE, 5.0).may_send_until() == 5.0 + FRESH


@pytest.mark.parametrize("on_wire", [True, False])
@pytest.mark.parametrize(
    ("listed", "gone"),
    [
        ({"pos": "-3", "uTime": "2000"}, True),  # turned, and its cTime kept
        ({"cTime": "2000", "uTime": "2000"}, True),
        ({"pos": "-3", "cTime": "500", "uTime": "500"}, False),  # an older one, from books that lag
        ({"pos": "-3", "uTime": "999"}, False),
        ({"pos": "2", "uTime": "2000"}, False),
        ({"pos": "0"}, False),
    ],
)
def test_another_position_is_seen_by_a_reading_that_allows_nothing_too(
    listed: dict[str, str], *, gone: bool, on_wire: bool
) -> None:
    guard = Guard(BEFORE, 0.0)
    guard.close_started()
    if not on_wire:
        guard.answered(Outcome.NEEDS, 5.0)
    assert not guard.observe(reading(4.0, position(**listed)))
    if on_wire:
        guard.answered(Outcome.NEEDS, 5.0)
    assert guard.superseded is gone
    assert guard.observe(reading(6.0, position(uTime="3000")))  # as before, or turned once more
    assert (guard.may_send_until() is None) is gone


@pytest.mark.parametrize("outcome", [Outcome.RATE, Outcome.LATER, Outcome.CLOCK, Outcome.NEEDS])
def test_after_a_refusal_it_takes_a_reading_begun_after_it(outcome: Outcome) -> None:
    guard = after(outcome)
    assert guard.may_send_until() is None
    assert not guard.observe(reading(9.9, BEFORE))
    assert guard.may_send_until() is None
    assert guard.observe(reading(10.0, BEFORE))
    assert guard.may_send_until() == 10.0 + FRESH


def test_what_was_never_sent_needs_no_other_reading() -> None:
    assert after(Outcome.NOT_SENT).may_send_until() == FRESH


def test_what_is_read_while_a_close_is_on_its_way_does_not_count() -> None:
    guard = Guard(BEFORE, 0.0)
    guard.close_started()
    assert guard.may_send_until() is None
    assert not guard.observe(reading(1.0, BEFORE))
    guard.answered(Outcome.RATE, 2.0)
    assert not guard.observe(reading(1.5, BEFORE))
    assert guard.may_send_until() is None


@pytest.mark.parametrize("outcome", [Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.FLAT, Outcome.FROZEN])
def test_after_what_may_have_been_executed_it_must_stand_still(outcome: Outcome) -> None:
    guard = after(outcome)
    for at in (10.0, 11.0, 11.999):
        guard.observe(reading(at, BEFORE))
        assert guard.may_send_until() is None
    assert guard.still_at == 10.0 + STILL
    guard.observe(reading(12.0, BEFORE))
    assert guard.may_send_until() == 12.0 + FRESH


@pytest.mark.parametrize("change", [{"pos": "2"}, {"uTime": "1001"}])
def test_every_change_begins_the_standing_still_anew(change: dict[str, str]) -> None:
    guard = after(Outcome.ACCEPTED)
    guard.observe(reading(10.0, BEFORE))
    changed = position(**change)
    guard.observe(reading(11.9, changed))
    guard.observe(reading(12.1, changed))
    assert guard.may_send_until() is None
    guard.observe(reading(13.9, changed))
    assert guard.may_send_until() == 13.9 + FRESH


def test_it_goes_on_standing_still_through_a_refusal() -> None:
    guard = after(Outcome.UNKNOWN)
    guard.observe(reading(10.0, BEFORE))
    guard.observe(reading(12.0, BEFORE))
    guard.close_started()
    guard.answered(Outcome.RATE, 12.5)
    assert guard.may_send_until() is None
    guard.observe(reading(14.6, BEFORE))
    assert guard.may_send_until() == 14.6 + FRESH


def test_a_reading_in_between_that_does_not_list_it_begins_the_standing_still_anew() -> None:
    guard = after(Outcome.ACCEPTED)
    guard.observe(reading(10.0, BEFORE))
    guard.observe(reading(11.0))
    assert (guard.observation, guard.gone_since) == (Observation.GONE, 11.0)
    guard.observe(reading(12.0, BEFORE))
    assert (guard.may_send_until(), guard.gone_since) == (None, None)
    guard.observe(reading(14.0, BEFORE))
    assert guard.may_send_until() == 14.0 + FRESH


def test_so_does_one_that_does_not_count_since_another_close_was_answered_during_it() -> None:
    guard = after(Outcome.ACCEPTED)
    guard.observe(reading(10.0, BEFORE))
    guard.answered(Outcome.FATAL, 11.1)  # another one at the same address
    assert not guard.observe(reading(11.0))
    guard.observe(reading(12.0, BEFORE))
    assert guard.may_send_until() is None
    guard.observe(reading(14.0, BEFORE))
    assert guard.may_send_until() == 14.0 + FRESH


def test_a_close_that_runs_already_must_have_been_seen_to_act() -> None:
    guard = after(Outcome.WAIT)
    for at in range(10, 60):
        guard.observe(reading(float(at), BEFORE))
        assert guard.may_send_until() is None
    rest = position(pos="1", uTime="2000")
    guard.observe(reading(60.0, rest))
    assert guard.may_send_until() is None
    guard.observe(reading(62.0, rest))
    assert guard.may_send_until() == 62.0 + FRESH


@pytest.mark.parametrize(
    "other",
    [
        {"cTime": "1001", "uTime": "1001"},
        {"posId": "8"},
        {"pos": "-3", "uTime": "1001"},
    ],
    ids=["opened anew", "another posId", "turned"],
)
def test_another_position_is_left_alone_for_ever(other: dict[str, str]) -> None:
    guard = after(Outcome.RATE)
    guard.observe(reading(10.0, position(**other)))
    assert (guard.observation, guard.superseded, guard.may_send_until()) == (Observation.OTHER, True, None)
    guard.observe(reading(11.0, position(uTime="5000")))
    assert guard.may_send_until() is None


@pytest.mark.parametrize("fields", [{"pos": ""}, {"cTime": ""}])
def test_what_cannot_be_told_apart_allows_nothing(fields: dict[str, str]) -> None:
    guard = after(Outcome.RATE)
    guard.observe(reading(10.0, position(**fields)))
    assert (guard.observation, guard.may_send_until()) == (Observation.UNCLEAR, None)
    guard = Guard(position(**fields), 0.0)
    guard.close_started()
    guard.answered(Outcome.RATE, 1.0)
    guard.observe(reading(2.0, position(**fields)))
    assert (guard.observation, guard.may_send_until()) == (Observation.UNCLEAR, None)


def test_two_records_of_one_address_are_told_apart_by_pos_id_or_not_at_all() -> None:
    guard = after(Outcome.RATE)
    for at, expected, records in (
        (10.0, Observation.SAME, [position(posId="8"), BEFORE]),
        (11.0, Observation.UNCLEAR, [position(posId="8"), position(posId="9")]),
    ):
        guard.observe(reading(at, *records))
        assert guard.observation is expected


@pytest.mark.parametrize("fields", [{"uTime": "999"}, {"cTime": "999"}, {"pos": "0", "uTime": "900"}])
def test_a_reading_older_than_an_earlier_one_does_not_count(fields: dict[str, str]) -> None:
    guard = after(Outcome.ACCEPTED)
    guard.observe(reading(10.0, BEFORE))
    assert not guard.observe(reading(11.0, position(**fields)))
    assert guard.observation is Observation.SAME
    assert guard.still_at is None


def test_a_reading_of_other_instruments_or_begun_before_the_last_does_not_count() -> None:
    guard = after(Outcome.ACCEPTED)
    assert not guard.observe(reading(11.0, inst_ids=["ETH-USDT-SWAP"]))
    assert guard.observe(reading(12.0, BEFORE, inst_ids=["ETH-USDT-SWAP", "BTC-USDT-SWAP"]))
    assert not guard.observe(reading(11.5))
