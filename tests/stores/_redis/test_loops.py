"""Event loops that ask a server by themselves, as far as nothing is as it should not be."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from math import inf
from typing import Any

import pytest

from okx_async import NotSentError, Priority, SlotTimeoutError
from okx_async.stores import RedisLimiter
from okx_async.stores._agent.waiters import Waiter
from okx_async.stores._redis.loops import MANY, LoopAsks, Order
from okx_async.stores._redis.reports import report_server
from tests.stores._redis.test_worker import KEY, QUOTA, Scene, use, use_through
from tests.stores.proxies import Proxy
from tests.stores.servers import Server

OTHER = ("live", "1", "ETH-USDT-SWAP")


class Loops(Scene):
    """A server, limiters whose loops ask by themselves, and how often which of them did."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.asked: Counter[bool] = Counter()

    async def asking(self, url: str = "", **options: Any) -> RedisLimiter:
        """Return a limiter whose loop has a connection."""
        limiter = await self.ready(url, **options)
        async with asyncio.timeout(5.0):
            while not has_one(limiter):
                async with limiter.slot(("warm", "1", "up")) as slot:
                    slot.refund()
                await asyncio.sleep(0.002)
        self.asked.clear()
        return limiter


def asks(limiter: RedisLimiter) -> LoopAsks:
    """Return what this loop asks of it."""
    worker: Any = limiter._agent.worker
    found: LoopAsks = worker._loops._asks[asyncio.get_running_loop()]
    return found


def has_one(limiter: RedisLimiter) -> bool:
    worker: Any = limiter._agent.worker
    found = worker._loops._asks.get(asyncio.get_running_loop())
    return found is not None and found.direct is not None and not found.direct.ended


def out(scene: Scene) -> int:
    """Return how many slots are out by the server's account."""
    return sum(key.in_flight for key in report_server(scene.server.url).keys)


async def in_flight(scene: Scene) -> int:
    return await asyncio.to_thread(out, scene)


async def all_told(limiter: RedisLimiter) -> None:
    """Wait until the store knows all that the program has told so far."""
    assert await limiter.recall("nothing") is None


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Loops]:
    made = Loops(Server())
    real = LoopAsks.ask

    def ask(self: LoopAsks, waiter: Any) -> bool:
        by_itself = real(self, waiter)
        made.asked[by_itself] += 1
        return by_itself

    monkeypatch.setattr(LoopAsks, "ask", ask)
    yield made
    for limiter in made.made:
        await limiter.aclose()
    made.server.close()


async def test_a_loop_that_goes_on_asking_asks_by_itself_and_keeps_the_limit(scene: Loops) -> None:
    limiter = await scene.asking()
    at = []
    for _ in range(2 * QUOTA.limit + 1):
        async with limiter.slot(KEY) as slot:
            at.append(time.monotonic())
            slot.check(0.1)
            if len(at) == 1:
                shown = limiter.statistics(KEY)
                assert (shown.in_flight, shown.free) == (1, QUOTA.limit - 1)
                assert KEY in list(limiter.keys())
    assert all(later - first > QUOTA.per for first, later in zip(at, at[QUOTA.limit :], strict=False))
    assert scene.asked[True] >= QUOTA.limit


async def test_the_first_slots_of_a_program_open_no_second_connection(scene: Loops) -> None:
    limiter = await scene.ready()
    assert asks(limiter).direct is None
    assert scene.asked == {False: 1}


async def test_those_that_wait_are_served_in_their_order(scene: Loops) -> None:
    limiter, order = await scene.asking(), []

    async def work(number: int) -> None:
        async with limiter.slot(KEY):
            order.append(number)

    await asyncio.gather(*(work(number) for number in range(3 * QUOTA.limit)))
    assert order == list(range(3 * QUOTA.limit))
    assert scene.asked[True]


async def test_who_asked_first_is_served_first_though_its_loop_asked_for_it_in_vain(scene: Loops) -> None:
    limiter, other, order = await scene.asking(), await scene.ready(), []
    slots = [other.slot(KEY) for _ in range(QUOTA.limit)]
    for slot in slots:
        await slot.__aenter__()

    async def work(number: int) -> None:
        async with limiter.slot(KEY) as slot:
            order.append(number)
            slot.refund()

    scene.asked.clear()
    tasks = [asyncio.create_task(work(number)) for number in range(6)]
    await asyncio.sleep(0)
    assert scene.asked == {True: 6}  # the first one, behind whom the others are
    await asyncio.sleep(0.02)
    for slot in slots:
        slot.refund()
        await asyncio.sleep(0.01)
    await asyncio.gather(*tasks)
    assert order == list(range(6))


async def test_panic_is_not_behind_an_ask_of_others(scene: Loops) -> None:
    limiter = await scene.asking()
    asking = asyncio.create_task(use(limiter))
    urgent = asyncio.create_task(use(limiter, Priority.PANIC))
    await asyncio.sleep(0)
    assert scene.asked == {True: 1, False: 1}
    await asyncio.gather(asking, urgent)


async def test_one_asks_at_a_time_and_a_crowd_is_the_threads(scene: Loops) -> None:
    limiter = await scene.asking()

    async def work(number: int) -> None:
        async with limiter.slot(("k", str(number))):
            pass

    await asyncio.gather(*(work(number) for number in range(20)))
    assert scene.asked == {True: 1, False: 19}


async def test_a_slot_that_is_not_free_is_waited_for_by_the_thread(scene: Loops) -> None:
    limiter, other = await scene.asking(), await scene.ready()
    slots = [other.slot(OTHER) for _ in range(QUOTA.limit)]
    for slot in slots:
        await slot.__aenter__()
    scene.asked.clear()
    with pytest.raises(SlotTimeoutError):
        async with limiter.slot(OTHER, max_wait=0):
            pass
    assert scene.asked == {True: 1}
    for slot in slots:
        slot.refund()
    async with limiter.slot(OTHER, max_wait=2.0):
        pass


async def test_a_block_holds_at_once(scene: Loops) -> None:
    limiter = await scene.asking()
    await limiter.block(KEY, 0.5)
    begun = time.monotonic()
    async with limiter.slot(KEY):
        assert time.monotonic() - begun > 0.45
    assert scene.asked[True] == 0


async def test_a_silent_server_is_the_threads(scene: Loops) -> None:
    limiter = await scene.asking()
    assert scene.server.process is not None
    os.kill(scene.server.process.pid, signal.SIGSTOP)
    try:
        assert await use(limiter, Priority.PANIC) < 0.5
        assert scene.asked == {True: 1}
    finally:
        os.kill(scene.server.process.pid, signal.SIGCONT)
    assert not has_one(limiter)
    await use(limiter, max_wait=5.0)


async def test_a_server_that_was_killed_is_reported_and_asked_again_when_it_is_back(scene: Loops) -> None:
    limiter = await scene.asking()
    scene.server.kill()
    with pytest.raises(NotSentError, match="the limits cannot be kept, nothing was sent"):
        await use(limiter)
    scene.server.start()
    async with asyncio.timeout(10.0):
        while not has_one(limiter):  # it is found again, pauses, and a loop that goes on asking gets a connection
            with suppress(NotSentError):
                await use(limiter, max_wait=2.0)
            await asyncio.sleep(0.005)
    scene.asked.clear()
    await use(limiter)
    assert scene.asked == {True: 1}


async def test_a_server_that_forgot_grants_a_loop_nothing_before_its_pause_is_over(scene: Loops) -> None:
    limiter = await scene.asking()
    async with limiter.slot(KEY), limiter.slot(KEY):
        scene.server.said("FLUSHALL")
        with pytest.raises(SlotTimeoutError):
            await use(limiter, max_wait=0)
        assert await use(limiter, Priority.PANIC) < 0.5
        await limiter.vouch()  # by then all that was told is there
        assert await in_flight(scene) == 2


async def test_a_server_that_is_far_away_is_the_threads(scene: Loops) -> None:
    await scene.ready()
    proxy = Proxy(scene.server.port)
    proxy.delay = 0.008
    limiter = await scene.ready(proxy.url)
    for number in range(4):
        async with limiter.slot(("k", str(number))):
            pass
    worker: Any = limiter._agent.worker
    assert worker._way > 0.005
    assert asks(limiter)._grants == 0
    proxy.close()


async def test_two_limiters_keep_one_limit_while_answers_are_late_lost_and_doubled(scene: Loops) -> None:
    proxy = Proxy(scene.server.port)
    limiters = [await scene.asking(proxy.url), await scene.asking()]
    at = await use_through(proxy, limiters, tasks=2, pause=0.1, delay=0.06, times=6, seconds=2.0)
    assert scene.asked[True]
    assert all(later - first > QUOTA.per for first, later in zip(at, at[QUOTA.limit :], strict=False))


def waiters(count: int, keys: int = 1) -> list[Waiter]:
    loop = asyncio.get_running_loop()
    found = []
    for number in range(count):
        future: asyncio.Future[Any] = loop.create_future()
        key = (f"{number % keys}",)
        found.append(Waiter(f"{number}", key, QUOTA, panic=False, deadline=inf, stays=True, loop=loop, future=future))
    return found


async def test_none_is_first_at_a_key_while_any_earlier_one_waits() -> None:
    order, (first, second, third, fourth) = Order(), waiters(4)
    assert order.is_first(first)
    assert not order.is_first(second)
    second.future.cancel()
    assert not order.is_first(third)
    first.future.cancel()
    third.future.cancel()
    assert order.is_first(fourth)


async def test_the_order_of_many_keys_is_looked_through_seldom_and_keeps_what_waits() -> None:
    order, many = Order(), waiters(4 * MANY, 4 * MANY)
    assert all(order.is_first(each) for each in many)
    assert len(order._waiting) == 4 * MANY
    assert order._many == 4 * MANY
    for each in many[1:]:
        each.future.cancel()
    last = waiters(4 * MANY + 1, 4 * MANY + 1)[-1]
    assert order.is_first(last)
    assert {*order._waiting} == {many[0].key, last.key}
