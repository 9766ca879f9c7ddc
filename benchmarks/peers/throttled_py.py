"""throttled-py: the sliding window, a weighted count of two fixed ones.

https://github.com/ZhuoZhuoCrayon/throttled-py
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial

from throttled.asyncio import MemoryStore, RateLimiterType, Throttled, rate_limiter

from benchmarks.peers import Peer
from benchmarks.peers._waiting import Waiting

KEYS = 100_000  # kept at once; the default of 1,024 would forget keys in use
PATIENCE = 3600.0  # s; without it the library answers at once and does not wait


class SlidingWindow:
    """One throttle for all keys."""

    def __init__(self, limit: int, per: float) -> None:
        self._throttle = Throttled(
            using=RateLimiterType.SLIDING_WINDOW.value,
            quota=rate_limiter.per_duration(timedelta(seconds=int(per)), limit=limit),
            store=MemoryStore(options={"MAX_SIZE": KEYS}),
            timeout=PATIENCE,
        )

    def slot(self, key: str) -> AbstractAsyncContextManager[object]:
        """Wait on entry."""
        return Waiting(partial(self._throttle.limit, key))

    async def spin(self, keys: Iterable[str]) -> None:
        """Take a slot of each."""
        limit = self._throttle.limit
        for key in keys:
            await limit(key)


def free() -> SlidingWindow:
    """Return slots that are always free: a limit that is never reached."""
    return SlidingWindow(10**9, 1.0)


PEERS = (
    Peer("throttled-py", "throttled-py", "Throttled, sliding window, 20 per 2 s", SlidingWindow, free, least_per=1.0),
)
