"""What becomes of an ask whose loop hangs, ends or forks, or which is given up."""

import asyncio
import gc
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from math import inf
from types import SimpleNamespace
from typing import Any

import pytest

from okx_async import NotSentError
from okx_async.stores import RedisLimiter
from okx_async.stores.handover import Handover
from okx_async.stores.lease import Terms
from okx_async.stores.line import Answer
from okx_async.stores.redis_address import read_address
from okx_async.stores.redis_direct import Direct
from okx_async.stores.redis_link import Link
from okx_async.stores.redis_loops import LoopAsks
from okx_async.stores.redis_loops import Loops as AllLoops
from okx_async.stores.redis_messages import NEVER, TAGS, Frame, terms_of
from okx_async.stores.waiters import LocalKey, Note, Waiter
from tests.stores.proxies import Proxy
from tests.stores.servers import wait_for
from tests.stores.test_redis_loops import OTHER, Loops, all_told, asks, has_one, in_flight, out
from tests.stores.test_redis_loops import scene as scene  # noqa: PLC0414 - a fixture
from tests.stores.test_redis_worker import KEY, QUOTA, use


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
    for module in ("redis_direct", "handover"):  # nothing else ends the wait for an answer
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


async def test_what_a_loop_asked_for_comes_back_with_the_end_of_the_limiter_though_it_hangs(scene: Loops) -> None:
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


class Desk:
    """Stands for the thread of an agent: what it is asked for, and its store."""

    holder = "h"
    prefix = "okx-async"
    terms = Terms()

    def __init__(self) -> None:
        self.did: list[str] = []
        self.eras: dict[int, int] = dict.fromkeys(range(TAGS), 7)
        self.handover = Handover(self.post, lambda waiter: self.did.append(f"again {waiter.ident}"))
        store: Any = self
        self.loops = AllLoops(store, store, self.handover, lambda: 1000.0, lambda: 5000.0)
        asks: Any = LoopAsks(self.loops, asyncio.get_running_loop())
        self.asks = asks
        self.direct: Any = SimpleNamespace(label="r", run="1", ended=False, patience=0.05, free=True, ask=self.ask)
        self.asks.direct = self.direct
        self.done: Callable[[Any], object] = print

    def post(self, act: Callable[[], object]) -> bool:
        act()
        return True

    def join(self, waiter: Waiter) -> None:
        self.did.append(f"join {waiter.ident}")

    def tell(self, _: object, note: Note) -> None:
        self.did.append(note.kind)

    def unmarked(self, _: object) -> bool:
        return True

    def book(self, waiter: Waiter, _: object) -> None:
        self.did.append(f"book {waiter.ident}")

    def look_by(self, _: float) -> None:
        """Nothing is due."""

    def ready(self, _: int) -> object:
        return self.direct

    def frame(self, *_: object, patience: float) -> Frame:
        return Frame("1", NEVER, terms_of(self.terms), self.holder, int(patience * 1e6))

    def ask(self, _: object, done: Callable[[Any], object]) -> bool:
        self.done, self.direct.free = done, False
        return True

    def waiter(self, ident: str) -> Waiter:
        loop = asyncio.get_running_loop()
        return Waiter(ident, KEY, QUOTA, panic=False, deadline=inf, stays=True, loop=loop, future=loop.create_future())


async def test_a_loop_asks_for_none_while_an_earlier_one_waits_for_the_thread() -> None:
    desk = Desk()
    first, second, third = (desk.waiter(f"{number}") for number in range(3))
    desk.direct.free = False
    assert not desk.asks.ask(first)
    desk.direct.free = True
    assert not desk.asks.ask(second)
    for each in (first, second):
        each.future.cancel()
    assert desk.asks.ask(third)


async def test_those_that_stand_aside_are_called_back_though_who_asked_was_cancelled_meanwhile() -> None:
    desk = Desk()
    first, second = desk.waiter("1"), desk.waiter("2")
    local = LocalKey(KEY, QUOTA, ({"2": second}, {}))
    assert desk.asks.ask(first)
    desk.handover.take_back(1001.0, {KEY: local})
    first.future.cancel()
    desk.done(None)
    assert desk.did == ["refund", "again 2"]


async def test_an_answer_that_comes_while_the_limiter_is_closed_ends_the_waits() -> None:
    desk = Desk()
    first, second = desk.waiter("1"), desk.waiter("2")
    assert desk.asks.ask(first)
    assert desk.asks.ask(second)
    desk.loops.closed = True  # by another thread, and the agent's thread has ended
    desk.done(None)
    assert desk.did == ["refund", "join 1", "join 2"]
    for each in (first, second):
        assert "the limiter was closed" in str(each.future.result())


@pytest.mark.parametrize("reply", [[b"ok", 1, 7, b"damaged"], [b"late", 1], None])
async def test_whatever_the_answer_is_the_thread_asks_again_in_order(reply: list[Any] | None) -> None:
    desk = Desk()
    waiters = [desk.waiter(f"{number}") for number in range(4)]
    assert all(desk.asks.ask(each) for each in waiters)
    waiters[2].future.cancel()
    desk.done(reply)
    assert desk.did == ["refund", "join 0", "join 1", "join 3"]
    assert waiters[0].token == ""


@pytest.mark.parametrize(("known", "said", "used"), [(7, 7, True), (8, 8, False), (7, 8, False), (8, 7, False)])
async def test_a_slot_of_another_epoch_than_that_of_the_ask_is_given_back(known: int, said: int, *, used: bool) -> None:
    desk = Desk()
    first, second = desk.waiter("1"), desk.waiter("2")
    assert desk.asks.ask(first)
    assert desk.asks.ask(second)
    desk.eras = dict.fromkeys(desk.eras, known)  # the thread was told of another one meanwhile, as after a vouch
    desk.asks._read = lambda _: SimpleNamespace(since=said, answers=[Answer(1000.0)])
    desk.done([])
    assert desk.did == (["book 1", "join 2"] if used else ["refund", "join 1", "join 2"])
    assert first.future.done() is used


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
    gc.collect()
    worker: Any = limiter._agent.worker
    assert [loop for loop, _ in worker._loops._living()] == [asyncio.get_running_loop()]
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
