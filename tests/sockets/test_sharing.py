"""Clients of one process share a limiter, whatever loops and threads they are in; a forked child has its own."""

import asyncio
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from okx_async import Client, ClosePosition, CloseResult, NotSentError
from okx_async._limiter.registry import FORKED
from okx_async.simulator import SimulatedExchange
from tests._limiter.scenes import Elsewhere, in_a_new_loop
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


async def test_two_running_loops_keep_one_window(exchange: SimulatedExchange) -> None:
    async with Client(exchange.credentials, base_url=exchange.base_url, user_id=exchange.user_id) as client:
        other = asyncio.to_thread(closes_in_a_loop_of_its_own, exchange, LEGS)
        results = [result for batch in await asyncio.gather(client.close_positions(LEGS), other) for result in batch]
    assert len(arrivals(exchange)) == len(results) == 26
    assert most_in_a_window(arrivals(exchange)) <= 20
    assert exchange.rejections == []
    assert not any(isinstance(result.error, NotSentError) for result in results)


@contextmanager
def exchange_elsewhere() -> Iterator[tuple[Elsewhere, SimulatedExchange]]:
    """Run an exchange in a thread, so that it answers while the loop of the test stands still."""
    with Elsewhere() as its:
        exchange = SimulatedExchange(seed=1)
        its.run(exchange.__aenter__())
        try:
            yield its, exchange
        finally:
            its.run(exchange.__aexit__(None, None, None))


async def flat(exchange: SimulatedExchange) -> bool | None:
    async with Client(exchange.credentials, base_url=exchange.base_url, user_id=exchange.user_id) as client:
        return (await client.flatten(deadline=20.0)).flat


@pytest.mark.parametrize("how", ["hangs", "is stopped"])
def test_a_thread_flattens_while_the_main_loop_does_not_answer(how: str) -> None:
    with exchange_elsewhere() as (its, exchange), Elsewhere() as main:

        async def begin() -> Client:
            client = Client(exchange.credentials, base_url=exchange.base_url, user_id=exchange.user_id)
            await client.positions()
            for _ in range(2):  # so that closes and readings have been asked for in that loop
                await client.close_positions(LEGS[:1])
            return client

        async def open_one() -> None:
            exchange.open_position(LEGS[0].inst_id, 1)

        client = main.run(begin())
        its.run(open_one())
        waiting = main.begin(client.close_positions(LEGS[:1] * 30))  # some on the wire, some in line
        its.run(asyncio.sleep(0.2))
        goes_on = main.hang() if how == "hangs" else None
        if goes_on is None:
            main.stop()
        assert in_a_new_loop(flat(exchange)) is True
        if goes_on is not None:
            goes_on.set()
            results = waiting.result(20)
            main.run(client.aclose())
        else:
            results = main.go_on(asyncio.wait_for(asyncio.wrap_future(waiting, loop=main.loop), 20))
            main.go_on(client.aclose())
        assert len(results) == 30
        assert most_in_a_window(arrivals(exchange)) <= 20
        assert exchange.rejections == []


async def test_a_client_used_in_a_second_loop_says_so(exchange: SimulatedExchange) -> None:
    async with Client(exchange.credentials, base_url=exchange.base_url, user_id=exchange.user_id) as client:
        with pytest.raises(RuntimeError, match="another event loop: make one for each, they share their limits"):
            await asyncio.to_thread(in_a_new_loop, client.positions())


async def test_slots_that_a_closed_loop_used_are_not_forgotten(exchange: SimulatedExchange) -> None:
    first = await asyncio.to_thread(closes_in_a_loop_of_its_own, exchange, LEGS)
    second = await asyncio.to_thread(closes_in_a_loop_of_its_own, exchange, LEGS)
    assert len(arrivals(exchange)) == 26
    assert most_in_a_window(arrivals(exchange)) <= 20
    waited = [attempt.waited for result in first + second for attempt in (result.closed or result.error).attempts]  # type: ignore[union-attr]
    assert sum(seconds > 1.0 for seconds in waited) == 6  # twenty at once, whichever loop they came from


SCRIPT = """
    import asyncio, logging, os, sys
    import okx_async as okx

    credentials = okx.Credentials("k", "s", "p")

    async def close(max_wait=0):
        async with okx.Client(credentials, base_url="http://127.0.0.1:1", user_id="123") as client:
            await client.close_position("BTC-USDT-SWAP", "cross", max_wait=max_wait)

    async def take():
        async with okx.Client(credentials).limiter.slot(("http://127.0.0.1:1", "123", "BTC-USDT-SWAP")):
            pass

    async def fill():
        for _ in range(20):
            await take()

    logging.basicConfig(format="%(message)s")
    asyncio.run(fill())
    child = os.fork()
    if not child:
        try:
            asyncio.run(close())
        except BaseException as error:
            print(type(error).__name__, error, flush=True)
        try:
            asyncio.run(close(3.0))
        except BaseException as error:
            print(type(error).__name__, error, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    try:
        asyncio.run(close(3.0))
    except okx.NotSentError:
        print("the parent goes on")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_waits_for_what_its_parent_had_out_and_is_told_of_the_remedy() -> None:
    # In an interpreter of its own: a fork of this one would run pytest twice.
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(SCRIPT)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    full, unreachable, parent = done.stdout.splitlines()
    assert full.startswith("SlotTimeoutError")
    assert unreachable.startswith("NotSentError")
    assert "nothing was sent" in unreachable
    assert parent == "the parent goes on"
    assert [line for line in done.stderr.splitlines() if "OKX_LIMITS" in line] == [FORKED]
