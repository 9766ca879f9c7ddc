"""pyrate-limiter: its log of times, one bucket a key by a BucketFactory.

https://pyratelimiter.readthedocs.io/
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from functools import partial

from pyrate_limiter import AbstractBucket, BucketFactory, InMemoryBucket, Limiter, MonotonicClock, Rate, RateItem

from benchmarks.peers import Peer
from benchmarks.peers._waiting import Waiting


class Buckets(BucketFactory):
    """A bucket for each key, as the library's own page on many keys has it."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._clock = MonotonicClock()
        self._buckets: dict[str, AbstractBucket] = {}

    def wrap_item(self, name: str, weight: int = 1) -> RateItem:
        """Stamp an item with the time."""
        return RateItem(name, self._clock.now(), weight=weight)

    def get(self, item: RateItem) -> AbstractBucket:
        """Return the bucket of the item's key."""
        bucket = self._buckets.get(item.name)
        if bucket is None:
            bucket = self._buckets[item.name] = self.create(InMemoryBucket, [self._rate])
        return bucket


class Keyed:
    """One Limiter for all keys."""

    def __init__(self, limit: int, per: float) -> None:
        self._limiter = Limiter(Buckets(Rate(limit, max(1, round(per * 1000)))))

    def slot(self, key: str) -> AbstractAsyncContextManager[object]:
        """Wait on entry."""
        return Waiting(partial(self._limiter.try_acquire_async, key))

    async def spin(self, keys: Iterable[str]) -> None:
        """Take a slot of each."""
        acquire = self._limiter.try_acquire_async
        for key in keys:
            await acquire(key)


def free() -> Keyed:
    """Return slots that are always free: a limit that is never reached."""
    return Keyed(10**9, 1.0)


PEERS = (
    Peer(
        "pyrate-limiter",
        "pyrate-limiter",
        "Limiter over InMemoryBucket, Rate(20, 2000): log of times",
        Keyed,
        free,
        least_per=0.001,
    ),
)
