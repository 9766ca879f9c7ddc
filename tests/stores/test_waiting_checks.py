"""The checks of waits find the sources that keep callers waiting."""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from okx_async import Limiter, Quota, SlotTimeoutError
from okx_async._limiter.limiter import LimiterSlot
from okx_async.stores import waiting_checks as checks
from okx_async.stores.conformance import Check, ConformanceError, verify


class Tardy(Limiter):
    """Sees that a wait was hopeless when it is over."""

    def slot(self, key: Hashable, **options: Any) -> Any:
        max_wait = options.pop("max_wait", None)
        made = super().slot(key, **options, max_wait=max_wait and None)

        @asynccontextmanager
        async def block() -> AsyncIterator[LimiterSlot]:
            try:
                slot = await asyncio.wait_for(made.__aenter__(), max_wait)
            except TimeoutError:
                raise SlotTimeoutError("too late", wait=1.0, key=key) from None
            yield slot
            await made.__aexit__(None, None, None)

        return block()


class Patient(Limiter):
    """Looks at `max_wait` when a wait begins, and no more."""

    def slot(self, key: Hashable, **options: Any) -> Any:
        max_wait = options.pop("max_wait", None)

        @asynccontextmanager
        async def block() -> AsyncIterator[LimiterSlot]:
            try:
                async with super(Patient, self).slot(key, **options, max_wait=0) as slot:
                    yield slot
                    return
            except SlotTimeoutError as error:
                if max_wait is not None and (error.wait or 0.0) > max_wait:
                    raise
            async with super(Patient, self).slot(key, **options) as slot:
                yield slot

        return block()


class Level(Limiter):
    """Knows no lane."""

    def slot(self, key: Hashable, **options: Any) -> Any:
        options.pop("priority", None)
        return super().slot(key, **options)


@pytest.mark.parametrize(
    ("check", "make", "finding"),
    [
        (checks.what_cannot_come_in_time_is_refused_at_once, Tardy, "a wait that is hopeless must end at once"),
        (checks.a_wait_ends_in_time_though_a_block_comes, Patient, "a wait was longer than max_wait"),
        (checks.waiters_are_served_in_order, Level, "served in the order"),
    ],
)
async def test_a_source_that_keeps_callers_waiting_is_found(
    check: Check, make: Callable[[Quota], Any], finding: str
) -> None:
    await verify(check, Limiter, slack=0.05)
    with pytest.raises(ConformanceError, match=finding):
        await verify(check, make, slack=0.05)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
