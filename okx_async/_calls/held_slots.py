"""The slots that an attempt holds. A limiter that fails to take one back must not change the attempt's outcome."""

import logging
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from okx_async._limiter.slots import Slot

logger = logging.getLogger("okx_async")


def settle(slots: tuple[Slot, ...]) -> None:
    """Mark that the answer is there."""
    for slot in slots:
        try:
            slot.settle()
        except Exception:
            logger.exception("the limiter failed to settle a slot")


def refund(slots: tuple[Slot, ...]) -> None:
    """Mark that nothing was sent."""
    for slot in slots:
        try:
            slot.refund()
        except Exception:
            logger.exception("the limiter failed to take a slot back")


class HeldSlot:
    """The block of one slot, taken beside others that are held already; it gives all of them.

    If the slot is not granted, the others are refunded: nothing was sent.
    """

    __slots__ = ("_block", "_others")

    def __init__(self, block: AbstractAsyncContextManager[Slot], others: tuple[Slot, ...]) -> None:
        self._block = block
        self._others = others

    async def __aenter__(self) -> tuple[Slot, ...]:
        try:
            return *self._others, await self._block.__aenter__()
        except BaseException:
            refund(self._others)
            raise

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._block.__aexit__(exc_type, exc, traceback)
        except Exception as failed:
            if failed is not exc:
                logger.exception("the limiter failed to take a slot back")
