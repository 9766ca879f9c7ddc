"""Clients of one loop share a limiter; two running loops, or a process and its fork, may not."""

import asyncio
import os
import subprocess
import sys
import textwrap

import pytest

from okx_async import Client, ClosePosition, CloseResult, NotSentError
from okx_async.simulator import SimulatedExchange
from tests.sockets.conftest import most_in_a_window

CLOSE = "/api/v5/trade/close-position"
LEGS = [ClosePosition(f"BTC-USD-260327-{60000 + n}-C", "cross") for n in range(13)]


def arrivals(exchange: SimulatedExchange) -> list[float]:
    return [row.at for row in exchange.journal if row.path == CLOSE]


async def test_two_clients_of_one_user_keep_one_window_by_default(exchange: SimulatedExchange) -> None:
    for leg in LEGS:
        exchange.open_position(leg.inst_id, 1)
    keys = exchange.credentials, exchange.add_key()
    async with Client(keys[0], base_url=exchange.base_url) as one, Client(keys[1], base_url=exchange.base_url) as two:
        assert one.limiter is two.limiter
        batches = await asyncio.gather(one.close_positions(LEGS), two.close_positions(LEGS))
        assert one.limiter_key(LEGS[0].inst_id) == two.limiter_key(LEGS[0].inst_id)
    assert len(arrivals(exchange)) == 26
    assert most_in_a_window(arrivals(exchange)) <= 20
    assert exchange.rejections == []
    for ok in zip(*[[result.ok for result in batch] for batch in batches], strict=True):
        assert sorted(ok) == [False, True]  # one of the two was first, the other found nothing to close


def closes_in_a_loop_of_its_own(exchange: SimulatedExchange, legs: list[ClosePosition]) -> list[CloseResult]:
    base_url, user_id = exchange.base_url, exchange.user_id

    async def run() -> list[CloseResult]:
        async with Client(exchange.credentials, base_url=base_url, user_id=user_id) as client:
            return await client.close_positions(legs)

    return asyncio.run(run())


async def test_a_second_running_loop_is_refused_with_advice(exchange: SimulatedExchange) -> None:
    legs = LEGS[:1]
    async with Client(exchange.credentials, base_url=exchange.base_url, user_id=exchange.user_id) as client:
        await client.close_positions(legs)
        [result] = await asyncio.to_thread(closes_in_a_loop_of_its_own, exchange, legs)
        assert isinstance(result.error, NotSentError)
        assert "in use by another event loop: give each its own Limiter" in str(result.error)
    assert len(arrivals(exchange)) == 1


async def test_slots_that_a_closed_loop_used_are_not_forgotten(exchange: SimulatedExchange) -> None:
    first = await asyncio.to_thread(closes_in_a_loop_of_its_own, exchange, LEGS)
    second = await asyncio.to_thread(closes_in_a_loop_of_its_own, exchange, LEGS)
    assert len(arrivals(exchange)) == 26
    assert most_in_a_window(arrivals(exchange)) <= 20
    waited = [attempt.waited for result in first + second for attempt in (result.closed or result.error).attempts]  # type: ignore[union-attr]
    assert sum(seconds > 1.0 for seconds in waited) == 6  # twenty at once, whichever loop they came from


SCRIPT = """
    import asyncio, os, sys
    import okx_async as okx

    credentials = okx.Credentials("k", "s", "p")

    async def close():
        async with okx.Client(credentials, base_url="http://127.0.0.1:1", user_id="123") as client:
            await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0)

    async def take():
        async with okx.Client(credentials).limiter.slot(("http://127.0.0.1:1", "123", "BTC-USDT-SWAP")):
            pass

    asyncio.run(take())
    child = os.fork()
    if not child:
        try:
            asyncio.run(close())
        except BaseException as error:
            print(type(error).__name__, error, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    try:
        asyncio.run(close())
    except okx.NotSentError:
        print("the parent goes on")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_is_refused_with_advice() -> None:
    # In an interpreter of its own: a fork of this one would run pytest twice.
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(SCRIPT)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    child, parent = done.stdout.splitlines()
    assert child.startswith("NotSentError")
    assert "('http://127.0.0.1:1', '123', 'BTC-USDT-SWAP') was in use when" in child
    assert "limiter=okx.Limiter(" in child
    assert parent == "the parent goes on"
    assert done.stderr == ""
