"""The slots that an attempt holds. A limiter that fails to take one back must not change the attempt's outcome."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Final, NamedTuple, cast

from okx_async._calls.cancellations import STOPS, cancellations, running_task
from okx_async._errors import SlotTimeoutError
from okx_async._limiter.slots import Slot
from okx_async._log import logger

SLACK: Final = 1.0
"""Seconds beyond `max_wait` that a limiter may take to answer, and seconds that it may take to leave a slot's block."""


def settle(slots: tuple[Slot, ...]) -> None:
    """Mark that the answer is there."""
    for slot in slots:
        try:
            slot.settle()
        except STOPS:
            raise
        except BaseException:
            logger.exception("the limiter failed to settle a slot")


def refund(slots: tuple[Slot, ...]) -> None:
    """Mark that nothing was sent."""
    for slot in slots:
        try:
            slot.refund()
        except STOPS:
            raise
        except BaseException:
            logger.exception("the limiter failed to take a slot back")


class SlotWait(NamedTuple):
    """One wait for a slot: for that of which key (its place among the attempt's), how long, and whether it came."""

    place: int
    seconds: float
    granted: bool


class SlotWaits:
    """The waits of one attempt for its slots.

    Args:
        clock: Seconds, of the loop.
    """

    __slots__ = ("clock", "waits")

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.waits: list[SlotWait] = []


class HeldSlot:
    """The block of one slot, taken beside others that are held already; it gives all of them.

    If the slot is not granted, the others are refunded: nothing was sent.

    Args:
        block: The block.
        others: The slots that are held, those of the keys before.
        waits: Where the wait is noted; None: nowhere.
        max_wait: The seconds that the limiter was given; it is held to them, with `SLACK`. None: no bound.
    """

    __slots__ = ("_block", "_cancellations", "_max_wait", "_others", "_task", "_trusted", "_waits")

    def __init__(
        self,
        block: AbstractAsyncContextManager[Slot],
        others: tuple[Slot, ...],
        waits: SlotWaits | None = None,
        max_wait: float | None = None,
    ) -> None:
        self._block = block
        self._max_wait = max_wait
        self._trusted = getattr(block, "keeps_time", False)
        self._others = others
        self._waits = waits
        self._cancellations = 0
        self._task: asyncio.Task[object] | None = None

    async def __aenter__(self) -> tuple[Slot, ...]:
        waits, granted = self._waits, False
        self._task = task = running_task()
        self._cancellations = 0 if task is None else task.cancelling()
        begun = 0.0 if waits is None else waits.clock()
        try:
            slot = await (self._block.__aenter__() if self._trusted or self._max_wait is None else self._enter())
            granted = True
        except BaseException:
            refund(self._others)
            raise
        finally:
            if waits is not None:
                waits.waits.append(SlotWait(len(self._others), waits.clock() - begun, granted))
        return *self._others, slot

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if self._trusted:
                await self._block.__aexit__(exc_type, exc, traceback)
            else:
                async with asyncio.timeout(SLACK):
                    await self._block.__aexit__(exc_type, exc, traceback)
        except STOPS:
            raise
        except BaseException as failed:
            if isinstance(failed, asyncio.CancelledError) and cancellations() > self._cancellations:
                raise  # of this task, and not of something that the limiter has awaited
            if isinstance(failed, GeneratorExit) and running_task() is not self._task:
                raise  # its coroutine is closed
            if failed is not exc:
                logger.exception("the limiter failed to take a slot back")

    async def _enter(self) -> Slot:
        """Return the slot of a limiter that may hang; one that it hands out too late is given back."""
        slot: Slot | None = None
        time = asyncio.timeout((self._max_wait or 0.0) + SLACK)
        try:
            async with time:
                slot = await self._block.__aenter__()
        except TimeoutError:
            if not time.expired():
                raise  # the limiter's own
        if not time.expired():
            return cast(Slot, slot)  # whatever it is: what is wrong with it shows where it is used
        if slot is not None:
            refund((slot,))
            await self.__aexit__(None, None, None)
        text = f"no slot: the limiter has not answered within max_wait and {SLACK:g} s; nothing was sent"
        raise SlotTimeoutError(text)
