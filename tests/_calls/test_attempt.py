import asyncio

import pytest

from okx_async import ClosePosition, NotSentError, Outcome, RejectedError
from okx_async._calls.attempt import AttemptState
from okx_async._http.inflight import InFlight
from okx_async._http.timeouts import TimeoutGroup
from okx_async._rest.responses import parse

pytestmark = pytest.mark.virtual

REQUEST = ClosePosition("BTC-USDT-SWAP", "cross")


def new() -> AttemptState:
    group = TimeoutGroup(asyncio.get_running_loop())
    return AttemptState(InFlight(group, timeout=5.0, wall_clock=lambda: 1_768_519_672.5))


async def test_its_record_before_the_slot_after_the_connection_and_after_the_answer() -> None:
    one = new()
    one.key = ("live", "123", "BTC-USDT-SWAP")
    one.begun = asyncio.get_running_loop().time()
    with one.wire:
        await asyncio.sleep(0.25)
        one.start()
        record = one.record(REQUEST)
        assert (record.waited, record.sent, record.settled) == (0.25, None, None)
        assert (record.outcome, record.token, record.code, record.status) == (Outcome.NOT_SENT, "refunded", "", None)

        one.wire.connected(None)
        record = one.record(REQUEST)
        assert (record.outcome, record.sent, record.settled) == (Outcome.UNKNOWN, 1_768_519_672.5, None)

        one.answer, one.classified = parse(200, b'{"code":"51023","data":[],"msg":""}'), Outcome.FLAT
        one.settled = 1_768_519_673.0
        record = one.record(REQUEST)
        assert (record.outcome, record.code, record.status) == (Outcome.FLAT, "51023", 200)
        assert record.settled == 1_768_519_673.0


async def test_what_failed_while_connecting_was_not_sent() -> None:
    one = new()
    with one.wire:
        one.wire.connected(None)
        one.wire.not_connected()
    record = one.record(REQUEST)
    assert (one.wire.may_have_left, record.outcome, record.sent) == (False, Outcome.NOT_SENT, None)


async def test_the_last_that_had_its_time_to_connect_tells_why_nothing_left() -> None:
    one, loop = new(), asyncio.get_running_loop()
    assert one.tells_more_than(NotSentError("the one before it"))
    assert not one.tells_more_than(RejectedError("was answered"))
    one.limit(loop.time() + 0.25)
    with pytest.raises(TimeoutError), one.wire:  # noqa: PT012 - the time runs inside
        one.wire.connecting(2.0)
        await asyncio.sleep(9)
    assert not one.tells_more_than(NotSentError("the one before it"))
    one.wire.may_have_left = True
    assert one.tells_more_than(RejectedError("was answered"))
