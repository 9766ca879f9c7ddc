"""What becomes of an ask whose loop hangs, ends or forks, or which is given up."""

import asyncio
import gc
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from okx_async import NotSentError
from okx_async.stores import RedisLimiter
from okx_async.stores._redis.address import read_address
from okx_async.stores._redis.direct import Direct
from okx_async.stores._redis.link import Link
from tests.stores._redis.test_loops import OTHER, Loops, all_told, asks, has_one, in_flight, out
from tests.stores._redis.test_loops import scene as scene  # noqa: PLC0414 - a fixture
from tests.stores._redis.test_worker import KEY, QUOTA, use
from tests.stores.proxies import Proxy
from tests.stores.servers import wait_for


@pytest.mark.parametrize("answered", [True, False])
async def test_an_ask_that_is_given_up_leaves_nothing_behind(scene: Loops, *, answered: bool) -> None:
    limiter = await scene.asking()
    assert scene.server.process is not None
    entering = asyncio.create_task(limiter.slot(KEY).__aenter__())
    if not answered:
        os.kill(scene.server.process.pid, signal.SIGSTOP)
    await asyncio.sleep(0)
    assert scene.asked == {True: 1}
    entering.cancel()
    await asyncio.wait([entering])
    os.kill(scene.server.process.pid, signal.SIGCONT)
    await asyncio.sleep(0.005)
    await all_told(limiter)
    assert await in_flight(scene) == 0


@pytest.mark.parametrize("in_this_program", [True, False])
async def test_what_a_loop_that_hangs_asked_for_is_given_to_others(scene: Loops, *, in_this_program: bool) -> None:
    limiter = await scene.asking()
    other = limiter if in_this_program else await scene.ready()
    taken = [limiter.slot(KEY) for _ in range(QUOTA.limit - 1)]
    for slot in taken:
        await slot.__aenter__()
    scene.asked.clear()
    entering = asyncio.create_task(limiter.slot(KEY).__aenter__())
    await asyncio.sleep(0)
    assert scene.asked == {True: 1}
    found: list[float] = []

    async def elsewhere() -> None:
        begun = time.monotonic()
        async with other.slot(KEY):
            found.append(time.monotonic() - begun)

    thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
    thread.start()
    thread.join(5.0)  # this loop hangs meanwhile
    assert found[0] < 2.0
    await asyncio.sleep(0.02)
    assert not entering.done()  # the answer came, and all slots are out
    for slot in taken:
        slot.settle()
    async with asyncio.timeout(5.0):
        (await entering).settle()


async def test_an_ask_whose_answer_is_lost_is_given_up(scene: Loops) -> None:
    proxy = Proxy(scene.server.port)
    limiter = await scene.asking(proxy.url)
    await all_told(limiter)
    proxy.drops = 1
    async with limiter.slot(KEY):
        assert scene.asked == {True: 1}
        await all_told(limiter)
        assert await in_flight(scene) == 1
    proxy.close()


async def test_what_a_loop_asked_for_before_it_was_closed_comes_back(
    scene: Loops, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("_redis.direct", "_agent.handover"):  # nothing else ends the wait for an answer
        monkeypatch.setattr(f"okx_async.stores.{module}.PATIENCE", 60.0)
    proxy = Proxy(scene.server.port)
    limiter = await scene.ready(proxy.url)

    async def elsewhere() -> None:
        await connected(limiter)
        await all_told(limiter)
        scene.asked.clear()
        proxy.mute = True
        asking = asyncio.create_task(limiter.slot(KEY).__aenter__())
        await asyncio.sleep(0)
        assert scene.asked == {True: 1}
        wait_for(lambda: out(scene))  # else it could come after word that it was given up
        asking.cancel()

    await asyncio.to_thread(lambda: asyncio.run(elsewhere()))
    proxy.mute = False
    await all_told(limiter)
    assert await in_flight(scene) == 0
    proxy.close()


async def test_the_end_of_the_limiter_ends_an_ask(scene: Loops) -> None:
    limiter = await scene.asking()
    assert scene.server.process is not None
    os.kill(scene.server.process.pid, signal.SIGSTOP)
    entering = asyncio.create_task(limiter.slot(KEY).__aenter__())
    await asyncio.sleep(0)
    closing = asyncio.create_task(limiter.aclose())
    try:
        with pytest.raises(NotSentError, match="the limiter was closed, nothing was sent"):
            await entering
    finally:
        os.kill(scene.server.process.pid, signal.SIGCONT)
    await closing
    assert not has_one(limiter)


async def test_what_a_loop_asked_for_comes_back_with_the_end_of_the_limiter_though_it_hangs(
    scene: Loops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("okx_async.stores._agent.handover.PATIENCE", 60.0)
    limiter = await scene.asking()
    asking = asyncio.create_task(limiter.slot(KEY).__aenter__())
    await asyncio.sleep(0)
    wait_for(lambda: out(scene))
    closing = threading.Thread(target=limiter._agent.close, args=(5.0,))
    closing.start()
    closing.join(10.0)  # this loop hangs meanwhile
    assert out(scene) == 0
    with pytest.raises(NotSentError, match="the limiter was closed"):
        await asking


def forked(act: Callable[[], Awaitable[object]]) -> int:
    """Fork this process, run in the child what is asked for in a loop of its own, and return the child's id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        asyncio.events._set_running_loop(None)
        asyncio.run(asyncio.wait_for(act(), 5.0))
        code = 0
    finally:
        os._exit(code)


@pytest.mark.parametrize("in_the_loop", [True, False])
async def test_a_forked_child_asks_by_connections_of_its_own(scene: Loops, *, in_the_loop: bool) -> None:
    limiter = await scene.asking()
    entering = asyncio.create_task(limiter.slot(KEY).__aenter__())
    await asyncio.sleep(0)
    assert scene.asked == {True: 1}  # its answer is on its way
    child = forked(lambda: use(limiter)) if in_the_loop else await asyncio.to_thread(forked, lambda: use(limiter))
    slot = await entering
    slot.settle()
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    assert status == 0
    assert has_one(limiter) is not in_the_loop
    await use(limiter)


async def test_a_loop_that_was_closed_leaves_no_connection(scene: Loops) -> None:
    limiter = await scene.ready()

    def connections() -> int:
        return len(scene.server.lines("CLIENT", "LIST"))

    before = await asyncio.to_thread(connections)
    await asyncio.to_thread(lambda: asyncio.run(connected(limiter)))
    await asyncio.to_thread(wait_for, lambda: connections() <= before)
    worker: Any = limiter._agent.worker
    assert [loop for loop, _ in worker._loops._living()] == [asyncio.get_running_loop()]


async def test_a_loop_keeps_one_connection_of_two_that_were_opened_for_it(scene: Loops) -> None:
    limiter = await scene.asking()
    kept = asks(limiter).direct
    assert kept is not None
    second = Link(read_address(scene.server.url))
    asks(limiter)._take_over(second)
    assert asks(limiter).direct is kept
    assert second.socket() is None


async def test_the_end_of_the_limiter_closes_the_connection_of_a_loop_that_does_not_run(scene: Loops) -> None:
    limiter, loop = await scene.ready(), asyncio.new_event_loop()
    direct = await asyncio.to_thread(lambda: loop.run_until_complete(connected(limiter)))
    assert not direct.ended
    await limiter.aclose()
    assert direct.ended
    loop.close()


async def test_a_loop_that_was_closed_in_the_midst_of_an_ask_lives_no_longer_than_until_the_next_one(
    scene: Loops,
) -> None:
    proxy = Proxy(scene.server.port)
    limiter = await scene.ready(proxy.url)

    async def ended() -> None:
        await connected(limiter)
        proxy.mute = True
        asking = asyncio.create_task(limiter.slot(KEY).__aenter__())
        await asyncio.sleep(0)
        assert not asking.done()

    await asyncio.to_thread(lambda: asyncio.run(ended()))
    proxy.mute = False
    await asyncio.to_thread(lambda: asyncio.run(use(limiter)))
    worker: Any = limiter._agent.worker

    def living() -> list[asyncio.AbstractEventLoop]:
        gc.collect()
        return [loop for loop, _ in worker._loops._living()]

    wait_for(lambda: len(living()) == 1)  # the thread may hold the last waiter for a moment
    assert living() == [asyncio.get_running_loop()]
    proxy.close()


async def test_a_loop_that_was_closed_in_the_midst_of_an_ask_keeps_no_limiter_from_its_end(scene: Loops) -> None:
    proxy = Proxy(scene.server.port)
    limiter = await scene.ready(proxy.url)

    def closed() -> "asyncio.Task[Any]":
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda *_: None)  # of the task that nothing ends any more
        loop.run_until_complete(connected(limiter))
        proxy.mute = True
        asking = loop.create_task(limiter.slot(KEY).__aenter__())
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        return asking

    asking = await asyncio.to_thread(closed)
    proxy.mute = False
    await limiter.aclose()
    worker: Any = limiter._agent.worker
    await asyncio.to_thread(wait_for, lambda: not worker._inbox.lives())
    assert not asking.done()  # nothing runs it any more
    proxy.close()


async def connected(limiter: RedisLimiter) -> Direct:
    """Return the connection of this loop."""
    async with asyncio.timeout(5.0):
        while not has_one(limiter):
            async with limiter.slot(OTHER) as slot:
                slot.refund()
            await asyncio.sleep(0.002)
    found = asks(limiter).direct
    assert found is not None
    return found
