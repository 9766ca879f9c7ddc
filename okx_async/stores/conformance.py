"""The contract of a `SlotSource` as checks that can be run on any source, yours included.

import asyncio
from okx_async.stores import conformance

asyncio.run(conformance.run(lambda quota: MyLimiter(quota)))  # raises ConformanceError with all that is wrong

Each check gets new sources from the function that you give, in a running event loop and in real time. It uses keys of
its own, so one store may serve all checks. No test framework is needed; with pytest, parametrize over `CHECKS`:
`await conformance.verify(check, make)`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any, Final, TypeAlias

from okx_async._errors import InvalidRequestError, NotSentError, SlotTimeoutError
from okx_async._quota import Quota
from okx_async.stores.subject import PER, QUOTA, ConformanceError, Key, Make, Subject, demand, fill, free, now
from okx_async.stores.waiting_checks import (
    a_cancelled_waiter_takes_nothing,
    a_wait_ends_in_time_though_a_block_comes,
    max_wait_zero_asks_only,
    the_reserve_is_for_panic,
    waiters_are_served_in_order,
    what_cannot_come_in_time_is_refused_at_once,
)

__all__ = ["CHECKS", "Check", "ConformanceError", "Key", "Make", "Subject", "run", "verify"]

PATIENCE: Final = 20.0
"""Seconds after which a check, or the end of a source, counts as one that hangs, if its calls take no time."""
CALLS: Final = 60
"""Calls of a source in one check at most, and more."""
Check: TypeAlias = Callable[[Subject], Awaitable[None]]


async def grants_the_limit_and_no_more(subject: Subject) -> None:
    """Check that the limit is granted at once, one more is not."""
    source, key = subject.source(), subject.key()
    begun = now()
    async with AsyncExitStack() as stack:
        for _ in range(QUOTA.limit):
            await stack.enter_async_context(source.slot(key))
        demand(now() - begun < QUOTA.limit * (subject.slack + 0.05), "free slots are granted at once")
        demand(not await free(source, key), "more slots than the limit were granted")
        demand(await free(source, subject.key()), "another key has slots of its own")


async def a_settled_slot_comes_back_after_the_window(subject: Subject) -> None:
    """Check that a token comes back `per` after its request settled, whether that was marked or the block ended."""
    source, key = subject.source(Quota(1, PER)), subject.key()
    for mark in (False, True):
        async with source.slot(key) as slot:
            await asyncio.sleep(0.1)
            settled = now()  # before the mark, which may take a while
            if mark:
                slot.settle()
        demand(not await free(source, key), "a settled slot was free at once")
        async with source.slot(key) as slot:
            waited = now() - settled
            slot.refund()
        demand(waited > PER, f"a settled slot came back after {waited:.3f} s of {PER:g} s")
        demand(waited < PER + 0.2 + subject.slack, f"a settled slot came back only after {waited:.3f} s")


async def a_refunded_slot_is_free_at_once(subject: Subject) -> None:
    """Check that a refund gives the slot to the next one."""
    source, key = subject.source(Quota(1, PER)), subject.key()
    for _ in range(3):
        async with source.slot(key, max_wait=0) as slot:
            slot.refund()


async def leaving_by_an_exception_leaves_it_in_doubt(subject: Subject) -> None:
    """Check that an exception, cancellation included, keeps the slot for longer than a window."""
    source, key = subject.source(Quota(1, PER)), subject.key()
    for error in (ValueError("of the block"), asyncio.CancelledError()):
        try:
            async with source.slot(key := (*key, "x")):
                raise error  # noqa: TRY301 - it must leave the block
        except BaseException as raised:  # noqa: BLE001 - a cancellation is what is checked
            demand(raised is error, f"the block's own exception became {raised!r}")
        else:
            demand(False, "the block's own exception was swallowed")  # noqa: FBT003 - nothing else to say
        await asyncio.sleep(PER + 0.1 + subject.slack)
        demand(not await free(source, key), "a slot in doubt came back after the window")


async def the_first_mark_counts(subject: Subject) -> None:
    """Check that a second mark raises RuntimeError and changes nothing; so does a mark after the block."""
    source, key = subject.source(Quota(1, PER)), subject.key()
    async with source.slot(key) as slot:
        slot.settle()
        _refused(slot.refund, "a second mark")
    _refused(slot.settle, "a mark after the block")
    demand(not await free(source, key), "a settled slot was given back by a second mark")


async def a_mark_decides_though_the_block_raises(subject: Subject) -> None:
    """Check that what was marked before the exception holds."""
    source, key = subject.source(Quota(1, PER)), subject.key()
    with suppress(ValueError):
        async with source.slot(key) as slot:
            slot.refund()
            raise ValueError
    demand(await free(source, key), "a refunded slot was kept because the block raised")


def _refused(act: Callable[[], object], what: str) -> None:
    try:
        act()
    except RuntimeError:
        return
    raise ConformanceError(f"{what} must raise RuntimeError")


async def check_lets_a_fresh_slot_pass(subject: Subject) -> None:
    """Check that `check` says nothing of a slot that was granted just now, and works until a mark."""
    async with subject.source().slot(subject.key()) as slot:
        slot.check()
        slot.check(0.1)


async def leaving_waits_for_nothing(subject: Subject) -> None:
    """Check that the end of the block suspends nowhere, so that no cancellation can lose what became of the slot."""
    source = subject.source()
    for mark in (None, "settle", "refund"):
        block = source.slot(subject.key())
        slot = await block.__aenter__()
        if mark:
            getattr(slot, mark)()
        turns: list[int] = []
        asyncio.get_running_loop().call_soon(turns.append, 1)  # run as soon as this task lets the loop go on
        await block.__aexit__(None, None, None)
        demand(not turns, "leaving the block waited for something")


async def every_loop_and_thread_has_one_limit(subject: Subject) -> None:
    """Check that a loop in another thread shares the limit, and gets what is given back in this one."""
    source, key = subject.source(Quota(1, PER)), subject.key()

    async def there(max_wait: float) -> bool:
        try:
            async with source.slot(key, max_wait=max_wait):
                return True
        except SlotTimeoutError:
            return False

    async with source.slot(key) as slot:
        demand(not await asyncio.to_thread(asyncio.run, there(0)), "another loop has a limit of its own")
        waiting = asyncio.create_task(asyncio.to_thread(asyncio.run, there(20 * PER + subject.slack)))
        await asyncio.sleep(0.05 + subject.slack)
        slot.refund()
        demand(await waiting, "a slot that came back did not reach the waiter of another loop")
    demand(not await free(source, key), "a slot that another loop used is free at once")


async def a_block_holds_for_all(subject: Subject) -> None:
    """Check that nothing is granted during a block, and a shorter one lifts no longer one."""
    source, key = subject.source(), subject.key()
    begun = now()
    await source.block(key, 2 * PER, refused=False)
    await source.block(key, 0.01, refused=False)
    demand(now() - begun < PER + subject.slack, "block must not wait for its end")
    demand(not await free(source, key), "a slot was granted during a block")
    async with source.slot(key) as slot:
        slot.refund()
    demand(now() - begun > 2 * PER, "a shorter block lifted a longer one")


async def an_own_quota_is_kept(subject: Subject) -> None:
    """Check that a key may be given another quota than the source's."""
    source, key, quota = subject.source(), subject.key(), Quota(1, PER)
    async with source.slot(key, quota=quota):
        demand(not await free(source, key, quota=quota), "the key's own quota was not kept")


async def wrong_arguments_are_refused(subject: Subject) -> None:
    """Check that it is InvalidRequestError, before anything is granted."""
    source: Any = subject.source()
    for options in ({"max_wait": -1}, {"max_wait": "1"}, {"priority": 1}, {"quota": 20}):
        try:
            async with source.slot(subject.key(), **options):
                pass
        except InvalidRequestError:
            continue
        raise ConformanceError(f"{options} must raise InvalidRequestError")


async def closing_ends_every_wait(subject: Subject) -> None:
    """Check that `aclose` ends waiters in NotSentError; afterwards slots are refused with RuntimeError."""
    source, key = subject.source(Quota(1, 60.0)), subject.key()
    await fill(source, key, 1)
    task = asyncio.create_task(source.slot(key).__aenter__())
    await asyncio.sleep(0.05 + subject.slack)
    await source.aclose()  # again at the end of the check: it may be called twice
    await asyncio.wait([task], timeout=1.0 + subject.slack)
    demand(task.done(), "a waiter was left waiting")
    demand(isinstance(task.exception(), NotSentError), f"the waiter ended in {task.exception()!r}")
    with suppress(RuntimeError):
        async with source.slot(key):
            raise ConformanceError("a closed source granted a slot")


async def a_slot_outlives_the_end_of_its_source(subject: Subject) -> None:
    """Check that leaving the block raises nothing though the source was closed: an answer stays an answer."""
    for mark in (None, "settle", "refund"):
        source = subject.source()
        block = source.slot(subject.key())
        slot = await block.__aenter__()
        await source.aclose()
        try:
            if mark:
                getattr(slot, mark)()
            await block.__aexit__(None, None, None)
        except Exception as error:
            raise ConformanceError(f"a slot of a closed source could not be given back: {error!r}") from error


async def statistics_add_up(subject: Subject) -> None:
    """Check that ``free + in_flight + cooling == limit``, and keys in use are listed, in any thread."""
    source, key = subject.source(), subject.key()
    demand(source.linger >= PER, f"linger is {source.linger} s, but a request matters for a window at least")
    async with source.slot(key):
        async with source.slot(key):
            pass
        await asyncio.sleep(0.05 + subject.slack)
        found = await _in_a_thread(source.statistics, key)
        demand(found.free + found.in_flight + found.cooling == found.limit, f"{found} does not add up")
        demand((found.in_flight, found.cooling) == (1, 1), f"one slot is held and one settled, but {found}")
        demand(key in list(await _in_a_thread(source.keys)), "a key in use is not among keys()")


async def _in_a_thread(ask: Callable[..., Any], *arguments: object) -> Any:
    try:
        return await asyncio.to_thread(ask, *arguments)
    except Exception as error:
        raise ConformanceError(f"statistics() and keys() may be called in any thread: {error!r}") from error


CHECKS: Final[tuple[Check, ...]] = (
    grants_the_limit_and_no_more,
    a_settled_slot_comes_back_after_the_window,
    a_refunded_slot_is_free_at_once,
    leaving_by_an_exception_leaves_it_in_doubt,
    the_first_mark_counts,
    a_mark_decides_though_the_block_raises,
    check_lets_a_fresh_slot_pass,
    leaving_waits_for_nothing,
    every_loop_and_thread_has_one_limit,
    max_wait_zero_asks_only,
    what_cannot_come_in_time_is_refused_at_once,
    a_wait_ends_in_time_though_a_block_comes,
    waiters_are_served_in_order,
    the_reserve_is_for_panic,
    a_cancelled_waiter_takes_nothing,
    a_block_holds_for_all,
    an_own_quota_is_kept,
    wrong_arguments_are_refused,
    closing_ends_every_wait,
    a_slot_outlives_the_end_of_its_source,
    statistics_add_up,
)
"""All checks, by what they demand."""


async def verify(check: Check, make: Make, *, slack: float = 0.2) -> None:
    """Run one check on sources that `make` returns, and close them; raises ConformanceError, also if it hangs.

    `make` returns a new source with this default quota; `slack` is how many seconds a call of the source may take.
    """
    subject, patience = Subject(make, slack), PATIENCE + CALLS * slack
    try:
        await _bounded(check(subject), patience, "the source let the check wait")
    finally:
        for source in subject.sources:
            await _bounded(source.aclose(), patience, "aclose() of the source lasted")


async def _bounded(act: Awaitable[None], patience: float, what: str) -> None:
    """Await what a source may never end, or end in a CancelledError of its own."""
    bound = asyncio.timeout(patience)
    try:
        async with bound:
            await act
    except TimeoutError:
        if not bound.expired():
            raise
        raise ConformanceError(f"{what} for more than {patience:g} s") from None
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConformanceError("the source raised a CancelledError though nothing was cancelled") from None


async def run(make: Make, *, slack: float = 0.2) -> None:
    """Run all checks one after another; raises ConformanceError that names each one that failed."""
    failed = []
    for check in CHECKS:
        try:
            await verify(check, make, slack=slack)
        except Exception as error:  # noqa: BLE001 - whatever a source raises is a finding
            failed.append(f"{getattr(check, '__name__', check)}: {error!s:.500}")
    if failed:
        raise ConformanceError("\n".join(failed))
