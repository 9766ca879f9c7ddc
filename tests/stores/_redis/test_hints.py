"""Waiters that are told that they can be served earlier."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator

import pytest

from okx_async import Quota
from okx_async.stores import RedisLimiter
from tests.stores.servers import Server, vouch

KEY = ("live", "1", "BTC-USDT-SWAP")
QUOTA = Quota(3, 3.0)
"""A window so long that a waiter that heard nothing is told apart from one that did."""


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    await asyncio.to_thread(vouch, made.url)
    yield made
    made.close()


async def until(server: Server, count: int) -> None:
    """Wait until so many processes listen."""
    while server.said("PUBSUB", "CHANNELS", "okx-async:hints:*") != b"*%d" % count:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.01)


async def waits(server: Server, *, listens: bool = True, url: str = "") -> float:
    """Return how long a program waits for a slot that another one gives back unused."""
    holder, waiter = RedisLimiter(server.url, QUOTA), RedisLimiter(url or server.url, QUOTA)
    try:
        slots = [holder.slot(KEY) for _ in range(QUOTA.limit)]
        for slot in slots:
            await slot.__aenter__()

        async def want() -> float:
            async with waiter.slot(KEY):
                return time.monotonic()

        task = asyncio.create_task(want())
        if listens:
            await until(server, 1)
        else:
            await asyncio.sleep(0.3)
        begun = time.monotonic()
        slots.pop().refund()
        return await task - begun
    finally:
        await holder.aclose()
        await waiter.aclose()


async def test_a_slot_that_another_process_gives_back_is_had_at_once(server: Server) -> None:
    assert await waits(server) < 1.0


async def test_without_hints_it_is_had_at_the_next_look(server: Server) -> None:
    words = "~okx-async:* +evalsha +eval +info +mget +set +del +time"
    assert server.said("ACL", "SETUSER", "deaf", "on", ">pass", *words.split()) == b"+OK"
    assert 1.0 < await waits(server, listens=False, url=f"redis://deaf:pass@127.0.0.1:{server.port}") < 4.0


async def test_a_waiter_before_that_goes_away_is_told_of(server: Server) -> None:
    one, other = RedisLimiter(server.url, QUOTA), RedisLimiter(server.url, QUOTA)
    begun = time.monotonic()
    for _ in range(QUOTA.limit):  # the slots come back one after another
        async with one.slot(KEY):
            await asyncio.sleep(0.5)
    first = [asyncio.create_task(one.slot(KEY).__aenter__()) for _ in range(2)]
    await until(server, 1)
    second = asyncio.create_task(other.slot(KEY).__aenter__())
    await until(server, 2)
    for task in first:
        task.cancel()
    await second
    assert 3.4 < time.monotonic() - begun < 4.2  # of the first slot, and not of the third
    for limiter in (one, other):
        await limiter.aclose()


async def test_a_connection_that_ends_is_opened_again_while_something_waits(server: Server) -> None:
    holder, waiter = RedisLimiter(server.url, QUOTA), RedisLimiter(server.url, QUOTA)
    async with holder.slot(KEY), holder.slot(KEY), holder.slot(KEY):
        task = asyncio.create_task(waiter.slot(KEY).__aenter__())
        await until(server, 1)
        assert server.said("CLIENT", "KILL", "TYPE", "pubsub") == b":1"
        await until(server, 0)
        await until(server, 1)
        task.cancel()
    for limiter in (holder, waiter):
        await limiter.aclose()


async def test_nothing_is_listened_to_before_something_waits_nor_after_the_end(server: Server) -> None:
    limiter = RedisLimiter(server.url, QUOTA)
    async with limiter.slot(KEY) as slot:
        slot.refund()
    assert server.said("PUBSUB", "CHANNELS") == b"*0"
    async with limiter.slot(KEY), limiter.slot(KEY), limiter.slot(KEY):
        task = asyncio.create_task(limiter.slot(KEY).__aenter__())
        await until(server, 1)
        task.cancel()
    await limiter.aclose()
    await until(server, 0)


async def test_no_ping_is_sent(server: Server) -> None:
    assert server.said("CONFIG", "RESETSTAT") == b"+OK"
    await waits(server)
    pings = [line for line in server.lines("INFO", "commandstats") if line.startswith(b"cmdstat_ping")]
    assert not pings


async def test_where_no_thread_can_begin_it_is_had_at_the_next_look(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "okx_async hints":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert await waits(server, listens=False) > 1.0
