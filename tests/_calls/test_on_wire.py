"""The turns of closes of one position: which may overlap, and what those that follow the position are told."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest

from okx_async import ClosePosition, NotSentError, Outcome, SlotTimeoutError
from okx_async._calls.on_wire import ClosesOnWire, CloseTurn, address_named
from tests.odd_values import ODD, SHOWN

pytestmark = pytest.mark.virtual
BTC = ClosePosition("BTC-USDT-SWAP", "cross")
ISOLATED = ClosePosition("BTC-USDT-SWAP", "isolated")
FLATTEN = "a flatten"


def turns(closes: ClosesOnWire, *, first: object, second: object) -> tuple[CloseTurn, CloseTurn]:
    return CloseTurn(closes, BTC, first), CloseTurn(closes, BTC, second)


@pytest.mark.parametrize(
    ("request_", "address"),
    [
        (BTC, ("BTC-USDT-SWAP", "cross", "net", "")),
        (ClosePosition("BTC-USDT-SWAP", "cross", pos_side="net"), ("BTC-USDT-SWAP", "cross", "net", "")),
        (ClosePosition("BTC-USDT-SWAP", "cross", pos_side="long"), ("BTC-USDT-SWAP", "cross", "long", "")),
        (ClosePosition("BTC-USDT", "cross", ccy="USDT"), ("BTC-USDT", "cross", "net", "USDT")),
    ],
)
def test_an_address_is_what_a_close_names(request_: ClosePosition, address: tuple[str, ...]) -> None:
    assert address_named(request_) == address


@pytest.mark.parametrize(
    ("first", "second", "overlap"),
    [(None, None, True), (FLATTEN, None, False), (None, FLATTEN, False), (FLATTEN, "another", False)],
)
async def test_only_plain_closes_of_a_position_overlap(first: object, second: object, *, overlap: bool) -> None:
    one, other = turns(ClosesOnWire(), first=first, second=second)
    assert one.write()
    assert other.write() is overlap
    assert other.on_wire is other.was_written is overlap
    one.ended(Outcome.ACCEPTED)
    assert overlap or other.write()


async def test_closes_of_different_positions_overlap() -> None:
    closes = ClosesOnWire()
    assert CloseTurn(closes, BTC, FLATTEN).write()
    assert CloseTurn(closes, ISOLATED, FLATTEN).write()


@pytest.mark.parametrize("outcome", [Outcome.ACCEPTED, Outcome.UNKNOWN])
async def test_a_turn_waits_until_the_other_is_answered(outcome: Outcome) -> None:
    closes = ClosesOnWire()
    one, other = turns(closes, first=FLATTEN, second=None)
    one.write()
    loop = asyncio.get_running_loop()
    loop.call_later(0.5, one.ended, outcome)
    assert await other.permit()
    assert loop.time() == pytest.approx(0.5)
    assert other.write()


async def test_a_turn_waits_no_longer_than_its_patience() -> None:
    closes = ClosesOnWire()
    one, other = turns(closes, first=FLATTEN, second=None)
    one.write()
    other.patience = 0.3
    with pytest.raises(SlotTimeoutError, match="another close of the position"):
        await other.permit()
    assert asyncio.get_running_loop().time() == pytest.approx(0.3)
    one.ended(Outcome.ACCEPTED)
    other.by = 7.0
    assert await other.permit() == 7.0  # out of patience, and there is nothing to wait for


async def test_all_that_wait_are_woken_and_one_goes_first() -> None:
    closes = ClosesOnWire()
    one, other = turns(closes, first=FLATTEN, second="another")
    third = CloseTurn(closes, BTC, "a third")
    one.write()
    loop = asyncio.get_running_loop()
    written = []

    async def go(turn: CloseTurn) -> None:
        await closes.idle(turn)
        written.append((loop.time(), turn.write()))
        loop.call_later(1.0, turn.ended, Outcome.ACCEPTED)

    waiting = [asyncio.ensure_future(go(turn)) for turn in (other, third)]
    loop.call_later(1.0, one.ended, Outcome.ACCEPTED)
    await asyncio.wait(waiting)
    assert written == [(1.0, True), (2.0, True)]
    await asyncio.sleep(1.0)


async def test_a_wait_ends_at_its_time() -> None:
    closes = ClosesOnWire()
    one, other = turns(closes, first=FLATTEN, second=None)
    one.write()
    assert not await closes.idle(other, by=0.3)
    assert asyncio.get_running_loop().time() == pytest.approx(0.3)
    assert not await closes.idle(other, by=0.0)
    one.ended(Outcome.ACCEPTED)
    assert await closes.idle(other, by=0.0)


async def test_a_cancelled_wait_leaves_the_others_waiting() -> None:
    closes = ClosesOnWire()
    one, other = turns(closes, first=FLATTEN, second=None)
    one.write()
    hasty, patient = (asyncio.ensure_future(closes.idle(turn)) for turn in (other, CloseTurn(closes, BTC)))
    await asyncio.sleep(0.1)
    hasty.cancel()
    await asyncio.wait({hasty})
    assert hasty.cancelled()
    assert not patient.done()
    one.ended(Outcome.ACCEPTED)
    assert await patient


async def test_those_that_follow_a_position_hear_of_closes_by_others() -> None:
    closes = ClosesOnWire()
    heard: dict[str, list[Outcome]] = {"mine": [], "theirs": [], "elsewhere": []}
    hooks: dict[str, Callable[[Outcome], object]] = {name: told.append for name, told in heard.items()}
    closes.follow(address_named(BTC), "mine", hooks["mine"])
    closes.follow(address_named(BTC), "theirs", hooks["theirs"])
    closes.follow(address_named(ISOLATED), "elsewhere", hooks["elsewhere"])
    assert closes.guarded
    turn = CloseTurn(closes, BTC, "mine")
    turn.write()
    turn.ended(Outcome.UNKNOWN)
    assert heard == {"mine": [], "theirs": [Outcome.UNKNOWN], "elsewhere": []}
    for name, address in (("mine", BTC), ("theirs", BTC), ("elsewhere", ISOLATED)):
        assert closes.guarded
        closes.unfollow(address_named(address), name)
        closes.unfollow(address_named(address), name)
    assert not closes.guarded
    turn.write()
    turn.ended(Outcome.ACCEPTED)
    assert heard["theirs"] == [Outcome.UNKNOWN]


async def test_the_end_of_an_attempt_that_was_not_written_is_nothing() -> None:
    closes = ClosesOnWire()
    heard: list[Outcome] = []
    closes.follow(address_named(BTC), FLATTEN, heard.append)
    turn = CloseTurn(closes, BTC)
    turn.ended(Outcome.NOT_SENT)
    assert heard == []
    assert not turn.was_written


async def test_the_turn_of_a_whole_call_is_told_that_a_close_of_it_was_written() -> None:
    closes = ClosesOnWire()
    whole = CloseTurn(closes, BTC)
    one = CloseTurn(closes, BTC, FLATTEN, whole)
    one.write()
    assert whole.was_written
    assert not whole.on_wire
    one.ended(Outcome.ACCEPTED)
    assert (one.on_wire, one.was_written) == (False, True)


async def test_a_turn_keeps_the_last_failure() -> None:
    turn, failure = CloseTurn(ClosesOnWire(), BTC), NotSentError("no connection")
    turn.failed(NotSentError("another"))
    turn.failed(failure)
    assert turn.failure is failure


async def test_the_work_for_a_close_does_not_grow_with_those_on_the_wire() -> None:
    closes = ClosesOnWire()

    def work() -> int:
        called = 0

        def count(*_: object) -> None:
            nonlocal called
            called += 1

        turn = CloseTurn(closes, BTC)
        sys.setprofile(count)
        try:
            turn.write()
        finally:
            sys.setprofile(None)
        return called

    alone, *_, last = (work() for _ in range(1000))
    assert last <= alone


@pytest.mark.parametrize("value", ODD, ids=SHOWN)
def test_an_address_can_be_named_before_it_is_checked(value: Any) -> None:
    address = address_named(ClosePosition("BTC-USDT-SWAP", value, pos_side=value, ccy=value))
    assert [part is value for part in address] == [False, True, True, True]
