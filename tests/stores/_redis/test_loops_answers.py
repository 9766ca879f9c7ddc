"""What a loop does with the answer to an ask of its own, without a server."""

import asyncio
from collections.abc import Callable
from math import inf
from types import SimpleNamespace
from typing import Any

import pytest

from okx_async.stores._agent.handover import Handover
from okx_async.stores._agent.waiters import LocalKey, Note, Waiter
from okx_async.stores._redis import loops as redis_loops
from okx_async.stores._redis.loops import LoopAsks
from okx_async.stores._redis.loops import Loops as AllLoops
from okx_async.stores._redis.messages import NEVER, TAGS, Frame, terms_of
from okx_async.stores.lease import Lease, Terms
from okx_async.stores.line import Answer
from tests.stores._redis.test_loops import scene as scene  # noqa: PLC0414 - a fixture
from tests.stores._redis.test_worker import KEY, QUOTA


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

    def look_again(self, _: object) -> None:
        self.did.append("look")

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


async def test_a_token_that_the_thread_got_meanwhile_is_not_lost_by_a_late_answer() -> None:
    desk = Desk()
    waiter = desk.waiter("1")
    assert desk.asks.ask(waiter)
    desk.handover.take_back(1001.0, {})
    desk.handover.come_back(waiter.loop)  # called by another of the loop's that was taken back
    waiter.token, waiter.lease = "another", Lease(1001.0, 5001.0, 8.0)
    assert desk.handover.give(waiter.loop, [(waiter, None)], 1001.0) == []
    desk.done(None)
    assert desk.did == ["again 1", "refund"]
    assert waiter.token == "another"
    await asyncio.sleep(0)
    assert waiter.future.done()


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


@pytest.mark.parametrize("reply", [[b"ok", 1, 7, b"damaged"], [b"late", 1], [], [b"ok"], 7, None])
async def test_whatever_the_answer_is_the_thread_asks_again_in_order(reply: object) -> None:
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
    assert desk.did == (["book 1", "join 2", "look"] if used else ["refund", "join 1", "join 2", "look"])
    assert first.future.done() is used


async def test_an_answer_that_is_none_is_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    waiter = desk.waiter("1")
    assert desk.asks.ask(waiter)
    monkeypatch.setattr(redis_loops, "read_seen", lambda *_: SimpleNamespace(since=7, answers=[]))
    desk.done([b"ok"])
    assert desk.did == ["refund", "join 1"]


async def test_none_waits_behind_an_ask_that_was_broken_off() -> None:
    desk = Desk()

    def interrupted(*_: object) -> object:
        raise KeyboardInterrupt

    desk.direct.ask = interrupted
    broken, first, second = (desk.waiter(f"{number}") for number in range(3))
    with pytest.raises(KeyboardInterrupt):
        desk.asks.ask(broken)
    broken.future.cancel()
    desk.direct.ask = desk.ask
    assert desk.asks.ask(first)
    desk.asks._read = interrupted
    with pytest.raises(KeyboardInterrupt):
        desk.done(None)
    first.future.cancel()
    desk.direct.free = False
    assert not desk.asks.ask(second)  # the thread is to


async def test_a_crowd_behind_an_ask_holds_its_loop_for_one_message() -> None:
    posted: list[Any] = []
    desk: Any = Desk()
    waiters = [desk.waiter(f"{number}") for number in range(1000)]
    assert all(desk.asks.ask(each) for each in waiters)
    desk.loops.thread.post = posted.append
    desk.done(None)
    assert len(posted) == 1
    posted[0]()
    assert desk.did == ["refund", *(f"join {number}" for number in range(1000))]
