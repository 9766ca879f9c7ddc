"""The sources that the checks of `conformance` are about, and what each check does with them."""

import asyncio
import os
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from okx_async._errors import SlotTimeoutError
from okx_async._limiter.slots import SlotSource
from okx_async._quota import Quota

Key: TypeAlias = tuple[str, ...]
Make: TypeAlias = Callable[[Quota], SlotSource]
PER: Final = 0.4
"""Seconds of the windows of the checks."""
QUOTA: Final = Quota(3, PER)


class ConformanceError(AssertionError):
    """A source does not keep the contract."""


class Subject:
    """Sources under test, and by how many seconds a call of them may be late."""

    def __init__(self, make: Make, slack: float) -> None:
        self.make = make
        self.slack = slack
        self.sources: list[SlotSource] = []

    def source(self, quota: Quota = QUOTA) -> SlotSource:
        """Return a new source, to be closed at the end."""
        self.sources.append(self.make(quota))
        return self.sources[-1]

    def key(self) -> Key:
        """Return a key that nothing else uses."""
        return ("conformance", os.urandom(6).hex())


def demand(holds: object, text: str) -> None:
    """Raise ConformanceError unless the demand is met."""
    if not holds:
        raise ConformanceError(text)


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


async def free(source: SlotSource, key: Key, **options: Any) -> bool:
    """Return whether a slot is free now, and give it back."""
    try:
        async with source.slot(key, max_wait=0, **options) as slot:
            slot.refund()
    except SlotTimeoutError:
        return False
    return True


async def fill(source: SlotSource, key: Key, count: int = QUOTA.limit) -> None:
    """Use slots up, settled at once."""
    for _ in range(count):
        async with source.slot(key):
            pass
