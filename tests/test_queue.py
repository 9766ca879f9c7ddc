"""Waiters of one key, by a clock of ours: what the timer does, and what a waiter costs."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from itertools import chain, repeat
from typing import TYPE_CHECKING

import pytest

from okx_async import Limiter, Priority, Quota
from okx_async._bucket import Bucket, Rule
from okx_async._queue import Queue, Verdict, Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

pytestmark = pytest.mark.virtual

NORMAL, PANIC = Priority.NORMAL, Priority.PANIC


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def queue(clock: Clock, limit: int = 1) -> Queue:
    rule = Rule(Quota(limit, 2.0), guard=0.0)
    return Queue("k", Bucket(rule), asyncio.get_running_loop(), clock)


async def test_a_timer_that_fires_early_grants_nothing_and_is_armed_again() -> None:
    clock = Clock()
    subject = queue(clock)
    assert subject.take(NORMAL)
    subject.settle()
    waiter = subject.join(NORMAL, None)
    await asyncio.sleep(2.5)  # the loop's time passes, the limiter's clock does not
    assert not waiter.done()
    assert subject._timer is not None
    clock.now += 2.0
    await asyncio.sleep(2.5)
    assert waiter.result() is Verdict.GRANTED
    assert subject._timer is None


async def test_a_token_that_comes_free_between_two_looks_at_the_clock_is_not_a_newcomers() -> None:
    clock = Clock()
    subject = queue(clock)
    assert subject.take(NORMAL)
    subject.settle()  # back at 102
    waiter = subject.join(NORMAL, None)
    looks = chain([101.9], repeat(102.1))
    subject._clock = lambda: next(looks)
    assert not subject.take(NORMAL)
    subject.grant()
    assert waiter.result() is Verdict.GRANTED


async def test_a_queue_with_nobody_in_it_has_no_lanes_and_no_timer() -> None:
    subject = queue(Clock())
    assert subject.take(NORMAL)
    waiter = subject.join(NORMAL, 9.0)
    subject.settle()
    assert subject._timer is not None
    waiter.cancel()
    subject.leave(NORMAL, waiter)
    assert subject.lanes is None
    assert subject._timer is None
    assert not subject._deadlines


async def test_the_timer_is_left_alone_while_its_moment_stays() -> None:
    subject = queue(Clock())
    assert subject.take(NORMAL)
    waiters = [subject.join(NORMAL, None)]
    subject.settle()
    armed = subject._timer
    waiters += [subject.join(NORMAL, None) for _ in range(5)]
    assert subject._timer is armed
    subject.close()
    assert all(waiter.done() for waiter in waiters)


async def test_equal_deadlines_end_in_order_of_arrival() -> None:
    clock = Clock()
    subject = queue(clock)
    assert subject.take(NORMAL)
    order: list[Waiter] = []
    waiters = [subject.join(NORMAL, 1.0) for _ in range(20)]
    for waiter in waiters:
        waiter.add_done_callback(order.append)
    clock.now += 1.0
    subject.grant()
    await asyncio.sleep(0)
    assert order == waiters
    assert {waiter.result() for waiter in waiters} == {Verdict.EXPIRED}


async def test_close_ends_every_wait() -> None:
    subject = queue(Clock())
    assert subject.take(NORMAL)
    waiters = [subject.join(NORMAL, None), subject.join(PANIC, 3.0)]
    subject.close()
    assert [waiter.result() for waiter in waiters] == [Verdict.CLOSED] * 2
    assert subject.waiting() == 0


async def test_a_closed_loop_does_not_break_giving_back() -> None:
    loop = asyncio.new_event_loop()
    subject = Queue("k", Bucket(Rule(Quota(1, 2.0))), loop, Clock())
    assert subject.take(NORMAL)
    waiter = subject.join(NORMAL, None)
    loop.close()
    subject.settle()  # as a coroutine does that is collected after its loop
    assert subject._timer is None
    assert not waiter.done()


async def bytes_each(waits: Callable[[], Coroutine[object, object, object]]) -> float:
    """Measure what a waiting task costs."""
    tracemalloc.start()
    try:
        tasks = [asyncio.ensure_future(waits()) for _ in range(5_000)]
        await asyncio.sleep(0)
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return size / 5_000


async def test_a_waiter_costs_little() -> None:
    """At most 600 bytes beyond its own task."""
    loop = asyncio.get_running_loop()
    limiter = Limiter(Quota(1, 2.0), clock=loop.time)

    async def bare() -> None:
        await loop.create_future()

    async def slot() -> None:
        async with limiter.slot("k"):
            pass

    async with limiter.slot("k"):
        await bytes_each(bare)  # asyncio's own tables grow once
        assert await bytes_each(slot) - await bytes_each(bare) < 600
