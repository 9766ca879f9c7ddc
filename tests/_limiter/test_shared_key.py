"""One key in several event loops, which a test steps one by one on a clock that it sets."""

import asyncio
from collections.abc import Hashable
from threading import RLock
from typing import cast

import pytest

from okx_async import Priority, Quota
from okx_async._limiter.bucket import Bucket, Rule
from okx_async._limiter.queue import Queue
from okx_async._limiter.shared_key import HUNG, PATIENCE, SharedKey
from okx_async._limiter.waiters import Verdict, Waiter
from tests._limiter.scenes import NORMAL, PANIC, Clock, SteppedLoop

pytestmark = pytest.mark.virtual


class Key:
    """A key in as many loops as a test needs."""

    def __init__(self, limit: int = 1, reserve: int = 0) -> None:
        self.clock = Clock()
        self.bucket = Bucket(Rule(Quota(limit, 2.0, reserve), guard=0.0))
        self.queues: list[Queue] = []
        self.keys: dict[Hashable, Queue] = {}

    def loop(self) -> Queue:
        """Return the queue of one more loop."""
        loop = SteppedLoop(self.clock)
        queue = Queue("k", self.bucket, cast("asyncio.AbstractEventLoop", loop), self.clock, RLock())
        if self.queues:
            first = self.queues[0]
            (first.shared or SharedKey(first, self.keys)).add(queue)
        self.queues.append(queue)
        return queue

    def step(self, *queues: Queue, seconds: float = 0.0) -> None:
        """Let time pass, then let these loops run, all if none is named, until they have nothing left to do."""
        self.clock.now += seconds
        for _ in range(4):
            for queue in queues or self.queues:
                loop_of(queue).step()


def loop_of(queue: Queue) -> SteppedLoop:
    return cast("SteppedLoop", queue.loop)


def granted(*waiters: Waiter) -> list[bool]:
    return [waiter.done() and waiter.result() is Verdict.GRANTED for waiter in waiters]


@pytest.fixture
def key() -> Key:
    return Key()


async def test_all_loops_take_from_one_bucket() -> None:
    key = Key(3)
    one, two = key.loop(), key.loop()
    assert [queue.take(NORMAL) for queue in (one, two, one, two)] == [True, True, True, False]
    two.settle()
    key.clock.now += 2.0
    assert one.take(NORMAL)
    assert not two.take(NORMAL)


async def test_first_come_first_served_whatever_the_loop(key: Key) -> None:
    one, two = key.loop(), key.loop()
    assert one.take(NORMAL)
    waiters = [queue.join(NORMAL, None) for queue in (two, one, two, one)]
    for served, queue in enumerate((one, two, one, two)):
        queue.refund()
        key.step()
        assert granted(*waiters) == [place <= served for place in range(4)]


async def test_panic_of_one_loop_goes_before_normal_of_another(key: Key) -> None:
    one, two = key.loop(), key.loop()
    assert one.take(NORMAL)
    normal, panic = one.join(NORMAL, None), two.join(PANIC, None)
    one.refund()
    key.step()
    assert granted(normal, panic) == [False, True]


async def test_a_waiter_keeps_its_place_when_a_second_loop_comes(key: Key) -> None:
    one = key.loop()
    assert one.take(NORMAL)
    early = [one.join(NORMAL, None) for _ in range(2)]
    two = key.loop()
    late = two.join(NORMAL, None)
    one.refund()
    key.step()
    one.refund()
    key.step()
    assert granted(*early, late) == [True, True, False]


@pytest.mark.parametrize("priority", [NORMAL, PANIC])
async def test_a_newcomer_takes_no_token_of_another_loops_waiter(key: Key, priority: Priority) -> None:
    one, two = key.loop(), key.loop()
    assert one.take(NORMAL)
    waiter = one.join(priority, None)
    one.settle()
    key.clock.now += 2.0  # the token is back, and that loop has not run yet
    assert not two.take(priority)
    key.step(one)
    assert granted(waiter) == [True]


async def test_a_panic_newcomer_goes_before_normal_waiters_of_other_loops(key: Key) -> None:
    one, two = key.loop(), key.loop()
    assert one.take(NORMAL)
    _ = one.join(NORMAL, None)
    one.settle()
    key.clock.now += 2.0
    assert two.take(PANIC)


async def test_what_one_loop_gives_back_wakes_the_waiter_of_another(key: Key) -> None:
    one, two = key.loop(), key.loop()
    assert one.take(NORMAL)
    waiter = two.join(NORMAL, None)
    one.settle()
    key.step(two, seconds=PATIENCE)
    assert two.looks_at == pytest.approx(102.0)
    key.step(two, seconds=2.0 - PATIENCE)
    assert granted(waiter) == [True]


async def test_a_waiter_ahead_that_gives_up_makes_way_at_once(key: Key) -> None:
    one, two = key.loop(), key.loop()
    assert one.take(NORMAL)
    ahead, behind = one.join(NORMAL, None), two.join(NORMAL, None)
    one.refund()  # its loop has not run yet
    ahead.cancel()
    one.leave(NORMAL, ahead)
    key.step()
    assert granted(behind) == [True]


async def test_a_loop_that_is_held_up_loses_its_place_and_nothing_else(key: Key) -> None:
    one, two = key.loop(), key.loop()
    assert two.take(NORMAL)
    held_up, other = one.join(NORMAL, None), two.join(NORMAL, None)
    two.settle()
    key.step(two, seconds=2.0)
    assert granted(other) == [False]
    key.step(two, seconds=PATIENCE / 2)
    assert granted(other) == [False]
    key.step(two, seconds=PATIENCE / 2)
    assert granted(other) == [True]
    assert not one.lost
    two.settle()
    key.step(seconds=2.0)
    assert granted(held_up) == [True]


async def test_a_loop_that_answers_again_has_its_turns_again() -> None:
    key = Key(2)
    one, two = key.loop(), key.loop()
    assert two.take(NORMAL)
    assert two.take(NORMAL)
    first, second, third = one.join(NORMAL, None), two.join(NORMAL, None), one.join(NORMAL, None)
    two.settle()
    key.step(two, seconds=2.0)
    key.step(two, seconds=PATIENCE)
    assert granted(first, second, third) == [False, True, False]
    key.step(one)
    behind = two.join(NORMAL, None)
    two.settle()
    key.step(seconds=2.0)
    assert granted(first, third, behind) == [True, False, False]


async def test_a_loop_is_asked_once_until_it_answers(key: Key) -> None:
    one, two = key.loop(), key.loop()
    assert two.take(NORMAL)
    _ = one.join(NORMAL, None)
    two.settle()
    loop_of(one).soon.clear()
    key.clock.now += 2.0
    for _ in range(5):
        assert not two.take(NORMAL)
    assert len(loop_of(one).soon) <= 1


@pytest.mark.parametrize("closed", [False, True], ids=["stopped", "closed"])
async def test_a_loop_that_does_not_run_has_lost_what_it_had(*, closed: bool) -> None:
    key = Key(2)
    one, two = key.loop(), key.loop()
    assert one.take(NORMAL)
    assert one.take(NORMAL)
    dropped, waiter = one.join(NORMAL, None), two.join(NORMAL, None)
    one.granted, one.refused = 2, 1
    loop_of(one).running, loop_of(one).closed = False, closed
    key.step(two, seconds=PATIENCE)
    assert one.lost
    assert two.shared is None
    assert (two.granted, two.refused) == (2, 1)
    assert key.bucket.snapshot(key.clock.now) == (0, 0, 2)
    one.refund()  # it changes nothing for the others any more
    one.settle()
    assert key.bucket.snapshot(key.clock.now) == (0, 0, 2)
    key.step(two, seconds=6.9)
    assert granted(waiter) == [False]
    key.step(two, seconds=0.1)
    assert granted(waiter) == [True]
    assert not dropped.done()
    loop_of(one).running = True
    loop_of(one).step()
    assert dropped.done() is not closed
    if not closed:
        assert dropped.result() is Verdict.AGAIN


async def test_waiters_of_a_loop_that_does_not_run_stand_in_no_ones_way(key: Key) -> None:
    one, two = key.loop(), key.loop()
    assert two.take(NORMAL)
    _ = one.join(PANIC, None)
    two.refund()
    loop_of(one).running = False
    assert two.take(NORMAL)


async def test_a_loop_that_hangs_with_tokens_out_loses_them_in_the_end(key: Key) -> None:
    one, two = key.loop(), key.loop()
    assert one.take(NORMAL)
    waiter = two.join(NORMAL, None)
    begun = key.clock.now
    while not one.lost:
        assert key.bucket.in_flight == 1
        key.step(two, seconds=PATIENCE)
        assert key.clock.now < begun + HUNG + 2 * PATIENCE
    assert key.clock.now >= begun + HUNG
    assert key.bucket.snapshot(key.clock.now) == (0, 0, 1)
    key.step(two, seconds=7.0)
    assert granted(waiter) == [True]


async def test_a_loop_that_answers_keeps_its_tokens_for_as_long_as_it_likes(key: Key) -> None:
    one, two = key.loop(), key.loop()
    assert one.take(NORMAL)
    _ = two.join(NORMAL, None)
    for _ in range(100):
        key.step(seconds=PATIENCE)
    assert not one.lost
    assert key.bucket.in_flight == 1


async def test_a_third_loop_goes_on_when_another_lost_the_key() -> None:
    key = Key(2)
    one, two, three = key.loop(), key.loop(), key.loop()
    assert one.take(NORMAL)
    assert two.take(NORMAL)
    waiter = three.join(NORMAL, None)
    loop_of(one).running = False
    key.step(two, three, seconds=PATIENCE)
    assert one.lost
    assert three.shared is two.shared is not None
    two.refund()
    key.step(two, three)
    assert granted(waiter) == [True]


async def test_a_loop_alone_again_needs_no_line() -> None:
    key = Key(2)
    one, two = key.loop(), key.loop()
    assert one.take(NORMAL)
    assert two.take(NORMAL)
    loop_of(one).running = False
    assert not two.take(NORMAL)
    assert two.shared is None
    two.settle()
    assert key.bucket.in_flight == 0
    third = key.loop()
    assert third.shared is not None or two.shared is None


async def test_a_block_of_one_loop_ends_the_waits_of_another_that_it_outlasts(key: Key) -> None:
    one, two = key.loop(), key.loop()
    assert one.take(NORMAL)
    waiter = two.join(NORMAL, 5.0)
    one.block(6.0)
    key.step(two)
    assert waiter.result() is Verdict.EXPIRED


async def test_waiters_of_other_loops_count_in_what_is_possible(key: Key) -> None:
    one, two = key.loop(), key.loop()
    assert one.take(NORMAL)
    for _ in range(3):
        _ = one.join(NORMAL, None)
    assert two.earliest(NORMAL) == pytest.approx(8.0)
    assert two.earliest(PANIC) == pytest.approx(2.0)


async def test_a_waiter_looks_sooner_when_another_loop_brings_a_token_forward() -> None:
    key = Key(2)
    one, two = key.loop(), key.loop()
    assert two.take(NORMAL)
    assert one.take(NORMAL)
    two.doubt()  # back at 107
    one.doubt()
    waiter = two.join(NORMAL, None)
    assert two.looks_at == pytest.approx(107.0)
    key.bucket._cooling[0] = 101.0
    one.block(0.5)
    key.step(two)
    assert two.looks_at == pytest.approx(101.0)
    key.step(two, seconds=1.0)
    assert granted(waiter) == [True]


async def test_a_deadline_holds_though_another_loop_has_the_turn(key: Key) -> None:
    one, two = key.loop(), key.loop()
    assert one.take(NORMAL)
    waiter = two.join(NORMAL, 1.0)
    key.step(two, seconds=1.0)
    key.step(two, seconds=0.001)
    assert waiter.result() is Verdict.EXPIRED


async def test_what_is_given_back_in_another_thread_is_handed_out_in_the_waiters_loop(key: Key) -> None:
    only = key.loop()
    assert only.take(NORMAL)
    waiter = only.join(NORMAL, None)
    only.refund()  # not in its loop: that of the test runs
    assert granted(waiter) == [False]
    loop_of(only).step()
    assert granted(waiter) == [True]
