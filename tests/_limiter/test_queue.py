"""The waiters of one key on a clock that tests set: the timer, and the cost of a waiter."""

import asyncio
import gc
import math
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Coroutine
from itertools import chain, repeat
from threading import RLock

import pytest

from okx_async import Limiter, Quota
from okx_async._limiter.bucket import Bucket, Rule
from okx_async._limiter.queue import Queue
from okx_async._limiter.waiters import Verdict, Waiter
from tests._limiter.scenes import NORMAL, PANIC, Clock

pytestmark = pytest.mark.virtual


def queue(clock: Clock, limit: int = 1) -> Queue:
    rule = Rule(Quota(limit, 2.0), guard=0.0)
    return Queue("k", Bucket(rule), asyncio.get_running_loop(), clock, RLock())


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


async def test_a_token_that_comes_free_between_two_readings_of_the_clock_goes_to_the_waiter() -> None:
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


async def test_an_empty_queue_has_no_lanes_and_no_timer() -> None:
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


async def test_the_timer_waits_for_the_token_that_the_lane_may_take() -> None:
    clock = Clock()
    subject = Queue("k", Bucket(Rule(Quota(2, 2.0, 1), guard=0.0)), asyncio.get_running_loop(), clock, RLock())
    assert subject.take(NORMAL)
    assert subject.take(PANIC)
    subject.settle()
    clock.now += 1.0
    subject.settle()
    normal = subject.join(NORMAL, None)
    assert subject.looks_at == 103.0  # the one that is back at 102 is the reserve
    panic = subject.join(PANIC, None)
    assert subject.looks_at == 102.0
    clock.now += 1.0
    subject.grant()
    assert (panic.done(), normal.done(), subject.looks_at) == (True, False, math.inf)
    subject.close()


def calls_of_a_grant(waiting: int) -> int:
    """Return how many calls, of Python or C, handing one token to the first of so many waiters makes."""
    clock = Clock()
    subject = queue(clock)
    assert subject.take(NORMAL)
    waiters = [subject.join(NORMAL, 1e6 if i % 2 else None) for i in range(waiting)]
    subject.settle()
    clock.now += 2.0
    calls: Counter[str] = Counter()
    sys.setprofile(lambda _frame, event, _value: calls.update([event]))
    try:
        subject.grant()
    finally:
        sys.setprofile(None)
    assert [waiter.done() for waiter in waiters] == [True] + [False] * (waiting - 1)
    subject.close()
    return calls["call"] + calls["c_call"]


async def test_a_grant_does_as_much_before_a_long_line_as_before_a_short_one() -> None:
    asyncio.get_running_loop().set_debug(False)
    assert calls_of_a_grant(1_000) == calls_of_a_grant(10)


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
    subject = Queue("k", Bucket(Rule(Quota(1, 2.0))), loop, Clock(), RLock())
    assert subject.take(NORMAL)
    waiter = subject.join(NORMAL, None)
    waiter.add_done_callback(lambda _: None)  # as a task has that waits for it
    loop.close()
    subject.refund()  # as a coroutine does that is collected after its loop
    assert subject.take(PANIC)
    subject.settle()
    assert subject._timer is None
    assert not waiter.done()


async def test_waiters_that_are_collected_after_their_loop_hand_on_nothing() -> None:
    loop = asyncio.new_event_loop()
    clock = Clock()
    subject = Queue("k", Bucket(Rule(Quota(1, 2.0))), loop, clock, RLock())
    assert subject.take(NORMAL)
    subject.settle()
    waiters = [subject.join(NORMAL, None) for _ in range(2)]
    for waiter in waiters:
        waiter.add_done_callback(lambda _: None)
    loop.close()
    clock.now += 9.0  # a token is free
    for waiter in waiters:
        subject.leave(NORMAL, waiter)
    assert subject.waiting() == 0
    assert subject.bucket.snapshot(clock.now) == (1, 0, 0)


async def bytes_each(waits: Callable[[], Coroutine[object, object, object]]) -> float:
    """Return the bytes that a waiting task costs."""
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
