"""Tokens that a loop takes in, and those of a loop that does not run."""

import asyncio
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from typing import Any

import pytest

from okx_async import NotSentError, Quota
from okx_async.stores._agent.handover import PATIENCE, Handover
from okx_async.stores._agent.waiters import LocalKey, Waiter
from okx_async.stores._agent.worker import Worker
from okx_async.stores._sqlite.transactions import Database
from okx_async.stores.lease import Lease, Terms

KEY = ("k",)
QUOTA = Quota(1, 2.0)


class Loops:
    """Two loops, of which nothing runs by itself."""

    def __init__(self) -> None:
        self.hung, self.other = asyncio.new_event_loop(), asyncio.new_event_loop()
        self.numbers = 0

    def waiter(self, loop: asyncio.AbstractEventLoop, deadline: float = inf) -> Waiter:
        self.numbers += 1
        future: Any = loop.create_future()
        ident = f"h.{self.numbers:012}"
        return Waiter(ident, KEY, QUOTA, panic=False, deadline=deadline, stays=True, loop=loop, future=future)

    def granted(self, loop: asyncio.AbstractEventLoop) -> Waiter:
        waiter = self.waiter(loop)
        waiter.token, waiter.lease = "token", Lease(0.0, 0.0, 8.0)
        return waiter

    @staticmethod
    def run(loop: asyncio.AbstractEventLoop) -> None:
        """Let it run what it has to run."""
        loop.call_soon(loop.stop)
        loop.run_forever()


@pytest.fixture
def loops() -> Iterator[Loops]:
    made = Loops()
    yield made
    made.hung.close()
    made.other.close()


@pytest.fixture
def joined() -> list[Waiter]:
    return []


@pytest.fixture
def handover(joined: list[Waiter]) -> Handover:
    def post(act: Callable[[], object]) -> None:
        act()

    return Handover(post, joined.append)


def test_a_loop_that_runs_takes_its_token_in(loops: Loops, handover: Handover, joined: list[Waiter]) -> None:
    waiter = loops.granted(loops.hung)
    assert handover.due() == inf
    assert handover.give(loops.hung, [(waiter, None)], 10.0) == []
    assert handover.due() == 10.0 + PATIENCE
    loops.run(loops.hung)
    assert waiter.future.result() is None
    assert handover.take_back(99.0, {}) == []
    assert handover.due() == inf
    assert joined == []


def test_a_token_that_no_loop_takes_in_is_taken_back(loops: Loops, handover: Handover, joined: list[Waiter]) -> None:
    waiter = loops.granted(loops.hung)
    handover.give(loops.hung, [(waiter, None)], 10.0)
    assert handover.take_back(10.0 + PATIENCE - 0.01, {}) == []
    assert handover.take_back(10.0 + PATIENCE, {}) == [(waiter, "token")]
    assert waiter.lease is None
    loops.run(loops.hung)
    assert not waiter.future.done()
    assert joined == [waiter]


def test_a_waiter_loses_a_token_once(loops: Loops, handover: Handover) -> None:
    waiter = loops.granted(loops.hung)
    handover.give(loops.hung, [(waiter, None)], 10.0)
    handover.take_back(11.0, {})
    loops.run(loops.hung)
    handover.give(loops.hung, [(waiter, None)], 12.0)
    assert handover.take_back(99.0, {}) == []
    loops.run(loops.hung)
    assert waiter.future.done()


def test_the_waiters_of_a_loop_that_hangs_stand_aside(loops: Loops, handover: Handover, joined: list[Waiter]) -> None:
    first, second, gone, ended, other = (loops.waiter(loop) for loop in [*[loops.hung] * 4, loops.other])
    local = LocalKey(KEY, QUOTA)
    local.waiters = {each.ident: each for each in (second, gone, ended, other)}, {}
    handover.give(loops.hung, [(first, None)], 10.0)
    handover.take_back(11.0, {KEY: local})
    assert list(local.in_order()) == [other]
    gone.left = True
    ended.future.cancel()
    loops.run(loops.hung)
    assert joined == [first, second]


def test_what_stands_aside_can_be_called_back(loops: Loops, handover: Handover, joined: list[Waiter]) -> None:
    waiter = loops.granted(loops.hung)
    handover.give(loops.hung, [(waiter, None)], 10.0)
    handover.take_back(11.0, {})
    handover.return_all()
    assert joined == [waiter]


def test_what_a_loop_asked_for_by_itself_is_its_own_or_was_taken_back(
    loops: Loops, handover: Handover, joined: list[Waiter]
) -> None:
    waiter = loops.waiter(loops.hung)
    waiter.token = "asked"
    handover.expect(waiter, 10.0)
    assert handover.due() == 10.0 + PATIENCE
    assert handover.taken(waiter)
    assert not handover.taken(waiter)
    handover.expect(waiter, 10.0)
    assert handover.take_back(11.0, {}) == [(waiter, "asked")]
    assert not handover.taken(waiter)
    assert waiter.token == ""
    handover.come_back(loops.hung)
    assert joined == [waiter]
    handover.expect(waiter, 12.0)
    assert handover.due() == inf  # once is enough
    handover.give(loops.other, [(loops.granted(loops.other), None)], 12.0)
    assert handover.expected() == [waiter]
    assert handover.expected() == []


def test_a_closed_loop_has_lost_what_it_is_given(loops: Loops, handover: Handover) -> None:
    loops.hung.close()
    waiter, refused = loops.granted(loops.hung), loops.waiter(loops.hung)
    assert handover.give(loops.hung, [(waiter, None), (refused, NotSentError("no"))], 10.0) == [waiter]
    handover.forget(waiter)
    assert handover.due() == inf


def test_a_loop_that_is_closed_before_it_takes_its_token_in_loses_it_at_once(loops: Loops, handover: Handover) -> None:
    again, asks = loops.granted(loops.hung), loops.waiter(loops.hung)
    again.lost = True
    handover.give(loops.hung, [(again, None)], 10.0)
    assert handover.take_back(99.0, {}) == []
    asks.token = "asked"
    handover.expect(asks, 99.0)
    loops.hung.close()
    assert handover.due() <= 99.0
    assert handover.take_back(99.0, {}) == [(again, "token")]
    assert handover.due() == 99.0 + PATIENCE  # it may be on its way: word that it is given up could pass it


def test_nothing_stands_aside_for_a_loop_that_was_closed(loops: Loops, handover: Handover) -> None:
    first, second, other = loops.granted(loops.hung), loops.waiter(loops.hung), loops.granted(loops.other)
    local = LocalKey(KEY, QUOTA)
    local.waiters = {second.ident: second}, {}
    handover.give(loops.hung, [(first, None)], 10.0)
    handover.give(loops.other, [(other, None)], 12.0)
    loops.hung.close()
    assert handover.take_back(11.0, {KEY: local}) == [(first, "token")]
    assert handover._aside == {}
    assert local.waiting() == 0
    handover.take_back(13.0, {})
    assert list(handover._aside) == [loops.other]


def test_another_loop_has_the_token_of_one_that_hangs(loops: Loops, tmp_path: Path) -> None:
    now = 1000.0
    database = Database(tmp_path / "limits.sqlite3", Terms(), clock=lambda: now, boot=lambda: "boot")
    again: list[Callable[[], object]] = []

    class WithoutThread(Worker):
        def post(self, act: Callable[[], object]) -> bool:
            again.append(act)
            return True

    worker = WithoutThread(database, QUOTA, lambda: now, lambda: now)
    hung, other = loops.waiter(loops.hung), loops.waiter(loops.other)

    def turns() -> None:
        worker._look_at_due(now)
        while worker._hot:
            worker._turn(worker._next_chunk())

    worker.join(hung)
    turns()
    worker.join(other)
    turns()
    loops.run(loops.other)
    assert not other.future.done()
    now += PATIENCE
    turns()
    loops.run(loops.other)
    assert other.future.result() is None
    loops.run(loops.hung)
    for act in again:
        act()
    turns()
    assert list(worker.keys[KEY].in_order()) == [hung]
    database.close()
