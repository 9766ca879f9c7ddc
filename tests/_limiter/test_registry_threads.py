"""Threads that use a key at the same time, some of which hang."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from okx_async import Limiter, NotSentError, Quota, Slot, SlotTimeoutError
from okx_async._limiter import shared_key
from tests._limiter.scenes import Elsewhere, in_a_new_loop, steps, take


def test_a_refund_in_one_thread_serves_the_waiter_of_another() -> None:
    limiter = Limiter(Quota(1, 1000.0))
    with Elsewhere() as one, Elsewhere() as two:
        slot = one.run(limiter.slot("k").__aenter__())
        waiter = two.begin(limiter.slot("k").__aenter__())
        two.run(steps())

        async def refund() -> None:
            slot.refund()

        one.run(refund())
        assert waiter.result(10) is not None


def test_a_thread_gets_its_slot_while_the_main_loop_hangs() -> None:
    limiter = Limiter(Quota(1, 0.05))
    with Elsewhere() as main, Elsewhere() as watchdog:
        main.run(take(limiter))
        waiting = main.begin(take(limiter, max_wait=None))
        main.run(steps())
        goes_on = main.hang()
        watchdog.run(take(limiter, max_wait=5.0))
        goes_on.set()
        waiting.result(10)


def test_a_thread_gets_what_a_hung_loop_had_in_flight_when_it_cannot_count_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_key, "HUNG", 0.3)
    monkeypatch.setattr(shared_key, "PATIENCE", 0.02)
    limiter = Limiter(Quota(1, 0.05), doubt_grace=0.2)
    with Elsewhere() as main, Elsewhere() as watchdog:
        slot = main.run(limiter.slot("k").__aenter__())
        goes_on = main.hang()
        watchdog.run(take(limiter, max_wait=9.0))
        goes_on.set()

        async def check() -> None:
            slot.check()

        with pytest.raises(NotSentError, match="lost"):
            main.run(check())
        main.run(take(limiter, max_wait=5.0))


def test_a_token_that_was_lost_before_its_waiter_ran_is_asked_for_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_key, "HUNG", 0.3)
    monkeypatch.setattr(shared_key, "PATIENCE", 0.02)
    limiter = Limiter(Quota(1, 0.05), doubt_grace=0.2)
    hanging, goes_on = threading.Event(), threading.Event()
    with Elsewhere() as main, Elsewhere() as watchdog:
        slot = main.run(limiter.slot("k").__aenter__())
        waiter = main.begin(limiter.slot("k").__aenter__())
        main.run(steps())

        def hand_over_and_hang() -> None:
            slot.refund()
            hanging.set()
            goes_on.wait(10)

        main.loop.call_soon_threadsafe(hand_over_and_hang)
        assert hanging.wait(10)
        watchdog.run(take(limiter, max_wait=9.0))
        goes_on.set()
        served = waiter.result(10)

        async def check() -> None:
            served.check()
            served.refund()

        main.run(check())


def test_threads_that_hammer_a_key_keep_one_window() -> None:
    limit, per, each = 5, 0.05, 30
    limiter = Limiter(Quota(limit, per))
    taken: list[float] = []
    settled: list[float] = []

    async def close(mark: Callable[[Slot], None]) -> None:
        async with limiter.slot("k") as slot:
            taken.append(time.monotonic())
            await asyncio.sleep(0)
            settled.append(time.monotonic())
            mark(slot)

    async def closes(mark: Callable[[Slot], None]) -> None:
        await asyncio.gather(*(close(mark) for _ in range(each)))

    with Elsewhere() as one, Elsewhere() as two, Elsewhere() as three:
        begun = [
            loop.begin(closes(mark)) for loop, mark in ((one, Slot.settle), (two, lambda _: None), (three, Slot.settle))
        ]
        for job in begun:
            job.result(60)
    taken.sort()
    settled.sort()
    # Of any `limit` + 1 requests two used one token, so the second was taken a window after the first was settled.
    assert all(later - earlier > per for earlier, later in zip(settled, taken[limit:], strict=False))
    assert limiter.statistics("k").in_flight == 0
    assert taken[-1] - taken[0] < 4 * per * len(taken) / limit


def test_threads_making_keys_at_once_get_one_bucket_for_each() -> None:
    limiter = Limiter(Quota(1, 1000.0))
    barrier = threading.Barrier(4)
    owned: list[str] = []

    async def claim() -> None:
        barrier.wait(10)
        for i in range(200):
            with suppress(SlotTimeoutError):
                await limiter.slot(f"k{i}", max_wait=0).__aenter__()
                owned.append(f"k{i}")
        barrier.wait(10)  # all loops run until all have tried: what a closed loop had is in doubt

    threads = [threading.Thread(target=in_a_new_loop, args=(claim(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(owned) == sorted(f"k{i}" for i in range(200))
