"""A source that is deliberately slow: it takes its time to grant, and hears late of what became of a slot."""

import asyncio
from collections.abc import Hashable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self

from okx_async import Limiter, Slot

PAUSE = 0.03
"""Seconds of each exchange with the store that it has not."""


class SlowLimiter(Limiter):
    def slot(self, key: Hashable, **options: Any) -> Any:
        return SlowSlot(super().slot(key, **options))

    async def block(self, key: Hashable, seconds: float, *, refused: bool = True) -> None:
        await super().block(key, seconds, refused=refused)
        await asyncio.sleep(PAUSE)


class SlowSlot:
    def __init__(self, inner: AbstractAsyncContextManager[Slot]) -> None:
        self._inner = inner
        self._held: Slot | None = None

    async def __aenter__(self) -> Self:
        held = await self._inner.__aenter__()
        try:
            await asyncio.sleep(PAUSE)  # the answer is on its way
        except BaseException:
            held.refund()
            raise
        self._held = held
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._inner.__aexit__(exc_type, exc, traceback)

    def check(self, seconds: float = 0.0) -> None:
        assert seconds >= 0.0

    def settle(self) -> None:
        assert self._held is not None
        self._held.settle()

    def refund(self) -> None:
        assert self._held is not None
        self._held.refund()
