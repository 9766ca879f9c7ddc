"""The checks of `conformance` that are about waits: their order, their end in time, and what a cancelled one leaves."""

import asyncio

from okx_async._errors import SlotTimeoutError
from okx_async._limiter.slots import SlotSource
from okx_async._quota import Priority, Quota
from okx_async.stores.subject import PER, ConformanceError, Key, Subject, demand, fill, free, now


async def max_wait_zero_asks_only(subject: Subject) -> None:
    """Check that with `max_wait=0` an answer comes at once, and its `wait` says how far the earliest slot is."""
    source, key = subject.source(), subject.key()
    await fill(source, key)
    begun = now()
    wait = await _too_late(source, key, 0.0)
    demand(now() - begun < 0.05 + subject.slack, "max_wait=0 must not wait")
    demand(0 < wait < PER + 0.1, f"the earliest slot is not {wait:.3f} s away")


async def what_cannot_come_in_time_is_refused_at_once(subject: Subject) -> None:
    """Check that SlotTimeoutError comes at once if no slot can come within `max_wait`, and a slot if one can."""
    source, key = subject.source(), subject.key()
    await fill(source, key)
    async with source.slot(key, max_wait=2 * PER + subject.slack) as slot:
        slot.refund()
    source, key, max_wait = subject.source(Quota(1, 60.0)), subject.key(), 0.5 + 3 * subject.slack
    await fill(source, key, 1)
    begun = now()
    await _too_late(source, key, max_wait)
    demand(now() - begun < max_wait / 2, "a wait that is hopeless must end at once")


async def a_wait_ends_in_time_though_a_block_comes(subject: Subject) -> None:
    """Check that `max_wait` holds for a wait that was hopeful when it began."""
    source, key, max_wait = subject.source(Quota(1, PER)), subject.key(), PER + 0.2 + subject.slack
    await fill(source, key, 1)
    waiting = asyncio.create_task(_too_late(source, key, max_wait))
    await asyncio.sleep(0.05)
    await source.block(key, 60.0, refused=False)
    await asyncio.wait([waiting], timeout=max_wait + subject.slack)
    demand(waiting.done(), "a wait was longer than max_wait")
    waiting.result()


async def _too_late(source: SlotSource, key: Key, max_wait: float) -> float:
    try:
        async with source.slot(key, max_wait=max_wait):
            pass
    except SlotTimeoutError as error:
        demand(error.key == key and error.wait is not None, "SlotTimeoutError names the key and how far its slot is")
        return error.wait or 0.0
    raise ConformanceError(f"a slot was granted within {max_wait:g} s though none was free")


async def waiters_are_served_in_order(subject: Subject) -> None:
    """Check the order: first come, first served; PANIC before NORMAL."""
    source, key = subject.source(Quota(1, PER / 2)), subject.key()
    order: list[str] = []

    async def want(name: str, priority: Priority = Priority.NORMAL) -> None:
        async with source.slot(key, priority=priority) as slot:
            order.append(name)
            slot.settle()

    tasks = []
    async with source.slot(key):
        for name in ("1", "2", "3", "panic"):
            tasks.append(asyncio.create_task(want(name, Priority(name == "panic"))))
            await asyncio.sleep(0.01 + subject.slack / 4)
    await asyncio.gather(*tasks)
    demand(order == ["panic", "1", "2", "3"], f"served in the order {order}")


async def the_reserve_is_for_panic(subject: Subject) -> None:
    """Check that the last `reserve` slots only PANIC may take."""
    source, key = subject.source(Quota(2, PER, 1)), subject.key()
    async with source.slot(key, max_wait=0):
        demand(not await free(source, key), "NORMAL took the reserve")
        demand(await free(source, key, priority=Priority.PANIC), "PANIC was refused the reserve")


async def a_cancelled_waiter_takes_nothing(subject: Subject) -> None:
    """Check that a waiter that is cancelled, at whatever moment, takes no slot with it and delays no other."""
    source, key = subject.source(Quota(1, PER)), subject.key()
    for turns in range(6):
        task = asyncio.create_task(source.slot(key).__aenter__())
        for _ in range(turns):
            await asyncio.sleep(0 if turns < 4 else 0.001)  # noqa: PLR2004 - a few turns, then a few moments
        if task.cancel():
            await asyncio.wait([task])
        if not task.cancelled():
            task.result().refund()
    async with source.slot(key, max_wait=PER + 0.2 + subject.slack) as slot:
        slot.refund()
