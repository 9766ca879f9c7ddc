"""limits: the moving window, which is its log of times.

https://limits.readthedocs.io/

It only says yes or no; a user who waits asks for the end of the window and tries again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from functools import partial

import limits
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from benchmarks.peers import Peer
from benchmarks.peers._waiting import Waiting


class MovingWindow:
    """One strategy over one storage, for all keys."""

    def __init__(self, limit: int, per: float) -> None:
        self._item = limits.RateLimitItemPerSecond(limit, int(per))
        self._strategy = MovingWindowRateLimiter(MemoryStorage())

    async def wait(self, key: str) -> None:
        """Try until it says yes."""
        while not await self._strategy.hit(self._item, key):
            window = await self._strategy.get_window_stats(self._item, key)
            await asyncio.sleep(max(0.0, window.reset_time - time.time()))

    def slot(self, key: str) -> AbstractAsyncContextManager[object]:
        """Wait on entry."""
        return Waiting(partial(self.wait, key))

    async def spin(self, keys: Iterable[str]) -> None:
        """Take a slot of each; none is ever refused here."""
        strategy, item = self._strategy, self._item
        for key in keys:
            await strategy.hit(item, key)


def free() -> MovingWindow:
    """Return slots that are always free: a limit that is never reached."""
    return MovingWindow(10**9, 1)


PEERS = (
    Peer(
        "limits", "limits", "MovingWindowRateLimiter, 20 per 2 second: log of times", MovingWindow, free, least_per=1.0
    ),
)
