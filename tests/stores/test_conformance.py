"""The checks find the sources that break the contract."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from okx_async import Limiter, NotSentError, Quota, Statistics
from okx_async._limiter.limiter import LimiterSlot
from okx_async.stores import conformance
from okx_async.stores.conformance import CHECKS, ConformanceError


class Generous(Limiter):
    """Grants one too many."""

    def __init__(self, quota: Quota) -> None:
        super().__init__(Quota(quota.limit + 1, quota.per, quota.reserve))


class Early(Limiter):
    """Gives back after half the window."""

    def __init__(self, quota: Quota) -> None:
        super().__init__(Quota(quota.limit, quota.per / 2, quota.reserve))


class Forgiving(Limiter):
    """Has no doubt."""

    def __init__(self, quota: Quota) -> None:
        super().__init__(quota, doubt_grace=0.0)


class Deaf(Limiter):
    """Hears no block."""

    async def block(self, key: Hashable, seconds: float, *, refused: bool = True) -> None:
        pass


class Open(Limiter):
    """Cannot be closed."""

    async def aclose(self) -> None:
        pass


class Waiting(Limiter):
    """Has slots that take their time to end."""

    @asynccontextmanager
    async def slot(self, key: Hashable, **options: Any) -> AsyncIterator[Any]:  # type: ignore[override]
        async with super().slot(key, **options) as slot:
            yield slot
        await asyncio.sleep(0)


class Narrow(Limiter):
    """Has a limit for each loop."""

    def __init__(self, quota: Quota) -> None:
        super().__init__(quota)
        self.others: dict[int, Limiter] = {}

    def slot(self, key: Hashable, **options: Any) -> LimiterSlot:
        return self.others.setdefault(threading.get_ident(), Limiter(self.quota)).slot(key, **options)


class Lossy(Limiter):
    """Has slots that are lost at once, and that may be marked twice."""

    def slot(self, key: Hashable, **options: Any) -> LimiterSlot:
        slot = super().slot(key, **options)
        return LossySlot(slot._registry, slot._key, slot._priority, slot._max_wait, slot._quota)


class LossySlot(LimiterSlot):
    def check(self, seconds: float | None = None) -> None:  # noqa: ARG002 - the interface's
        raise NotSentError("lost")

    def refund(self) -> None:
        if self._queue is not None:
            super().refund()


class Busy(Limiter):
    """Answers in its loop only."""

    def statistics(self, key: Hashable) -> Statistics:
        asyncio.get_running_loop()
        return super().statistics(key)


class Fleeting(Limiter):
    """Says that nothing lingers."""

    @property
    def linger(self) -> float:
        return 0.0


class Fragile(Limiter):
    """Takes nothing back once it is closed."""

    def slot(self, key: Hashable, **options: Any) -> Any:
        made = super().slot(key, **options)

        @asynccontextmanager
        async def block() -> AsyncIterator[LimiterSlot]:
            async with made as slot:
                yield slot
            if self._registry.closed:
                raise NotSentError("closed")

        return block()


class Hanging(Limiter):
    """Grants nothing, ever."""

    @asynccontextmanager
    async def slot(self, key: Hashable, **options: Any) -> AsyncIterator[Any]:  # type: ignore[override]
        await asyncio.Event().wait()
        async with super().slot(key, **options) as slot:
            yield slot


class Endless(Limiter):
    """Never ends."""

    async def aclose(self) -> None:
        await asyncio.Event().wait()


class Cancelling(Limiter):
    """Ends a wait as if its caller had been cancelled."""

    def slot(self, *_: Any, **__: Any) -> LimiterSlot:
        raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("make", "finding"),
    [
        (Busy, r"statistics_add_up: statistics\(\) and keys\(\) may be called in any thread"),
        (Fleeting, "statistics_add_up: linger is 0.0 s"),
        (Fragile, "a_slot_outlives_the_end_of_its_source: a slot of a closed source could not be given back"),
        (Generous, "grants_the_limit_and_no_more: more slots than the limit"),
        (Early, "a_settled_slot_comes_back_after_the_window: a settled slot came back after"),
        (Forgiving, "leaving_by_an_exception_leaves_it_in_doubt: a slot in doubt came back"),
        (Deaf, "a_block_holds_for_all: a slot was granted during a block"),
        (Lossy, "check_lets_a_fresh_slot_pass: lost"),
        (Lossy, "the_first_mark_counts: a second mark must raise RuntimeError"),
        (Waiting, "leaving_waits_for_nothing: leaving the block waited"),
        (Narrow, "every_loop_and_thread_has_one_limit: another loop has a limit of its own"),
        (Open, "closing_ends_every_wait: a waiter was left waiting"),
        (Hanging, "a_refunded_slot_is_free_at_once: the source let the check wait for more than 0.5 s"),
        (Endless, r"a_refunded_slot_is_free_at_once: aclose\(\) of the source lasted for more than 0.5 s"),
        (
            Cancelling,
            "a_refunded_slot_is_free_at_once: the source raised a CancelledError",
        ),
    ],
)
async def test_a_source_that_breaks_the_contract_is_found(
    make: Callable[[Quota], Any], finding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = finding.partition(":")[0]
    if make in {Hanging, Endless}:
        monkeypatch.setattr(conformance, "PATIENCE", 0.5)
        monkeypatch.setattr(conformance, "CALLS", 0)
    monkeypatch.setattr(conformance, "CHECKS", [check for check in CHECKS if getattr(check, "__name__", "") == name])
    with pytest.raises(ConformanceError, match=finding):
        await conformance.run(make, slack=0.02)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


async def test_all_checks_run_without_a_test_framework() -> None:
    await conformance.run(Limiter, slack=0.05)


async def test_a_run_that_is_cancelled_ends_so() -> None:
    task = asyncio.create_task(conformance.run(Hanging))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task], timeout=5.0)
    assert task.cancelled()
