from __future__ import annotations

import asyncio

import pytest

from okx_async import ClosePosition, Outcome
from okx_async._calls.attempt import Flight
from okx_async._http.timeouts import Patience
from okx_async._rest.responses import parse

pytestmark = pytest.mark.virtual

REQUEST = ClosePosition("BTC-USDT-SWAP", "cross")


def flight(timeout: float = 5.0) -> Flight:
    return Flight(Patience(asyncio.get_running_loop()), timeout=timeout, wall_clock=lambda: 1_768_519_672.5)


async def lasts(one: Flight) -> float:
    """Return how long a flight is left alone, at most 100 s."""
    try:
        with one:
            await asyncio.sleep(100)
    except TimeoutError:
        pass
    return asyncio.get_running_loop().time()


async def test_in_line_it_has_all_the_time_there_is() -> None:
    assert await lasts(flight()) == 100


async def test_each_stage_has_a_time_of_its_own() -> None:
    one = flight(5.0)
    loop = asyncio.get_running_loop()
    loop.call_later(10, one.connect, 2.0)
    loop.call_later(11, one.mark, None)  # connected: the answer has five seconds
    assert await lasts(one) == 16


async def test_it_is_ended_from_outside() -> None:
    one = flight()
    asyncio.get_running_loop().call_later(3, one.end)
    assert await lasts(one) == 3


async def test_an_end_is_not_moved_by_a_request_that_is_not_sent() -> None:
    one = flight()

    def ends() -> None:
        one.end()
        one.limit(2.0)  # it had its slot in this very step
        one.limit(None)

    asyncio.get_running_loop().call_later(3, ends)
    assert await lasts(one) == 3


async def test_one_that_was_sent_in_the_step_of_its_end_has_its_time() -> None:
    one = flight(5.0)

    def ends() -> None:
        one.end()
        one.mark(None)

    asyncio.get_running_loop().call_later(3, ends)
    assert await lasts(one) == 8


async def test_once_expired_no_limit_is_an_error() -> None:
    one = flight()

    async def ends_late() -> None:
        with one:
            one.limit(1.0)
            try:
                await asyncio.sleep(100)
            finally:
                one.limit(5.0)
                one.end()

    with pytest.raises(TimeoutError):
        await ends_late()


async def test_its_record_before_it_had_a_slot_after_the_mark_and_after_the_answer() -> None:
    one = flight()
    one.key = ("live", "123", "BTC-USDT-SWAP")
    one.begun = asyncio.get_running_loop().time()
    with one:
        await asyncio.sleep(0.25)
        one.start()
        attempt = one.attempt(REQUEST)
        assert (attempt.waited, attempt.sent, attempt.settled) == (0.25, None, None)
        assert (attempt.outcome, attempt.token, attempt.code, attempt.status) == (
            Outcome.NOT_SENT,
            "refunded",
            "",
            None,
        )

        one.mark(None)
        attempt = one.attempt(REQUEST)
        assert (attempt.outcome, attempt.sent, attempt.settled) == (Outcome.UNKNOWN, 1_768_519_672.5, None)

        one.land(parse(200, b'{"code":"51023","data":[],"msg":""}'), Outcome.FLAT, "3")
        attempt = one.attempt(REQUEST)
        assert (attempt.outcome, attempt.code, attempt.status) == (Outcome.FLAT, "51023", 200)
        assert attempt.settled == 1_768_519_672.5
        assert one.retry_after == "3"


async def test_what_failed_while_connecting_was_not_sent() -> None:
    one = flight()
    with one:
        one.mark(None)
        one.unmark()
    attempt = one.attempt(REQUEST)
    assert (one.marked, attempt.outcome, attempt.sent) == (False, Outcome.NOT_SENT, None)


async def test_an_answer_without_a_mark_is_one_all_the_same() -> None:
    """A user's mock takes the place of the connector: what has an answer was sent."""
    one = flight()
    with one:
        one.answered(None)
    assert (one.marked, one.outcome) == (True, Outcome.UNKNOWN)


async def test_it_keeps_the_last_transport_that_could_be_reached() -> None:
    first, second = asyncio.Transport(), asyncio.Transport()
    one = flight()
    with one:
        one.mark(first)
        one.answered(None)
        assert one.transport is first
        one.answered(second)
        assert one.transport is second
