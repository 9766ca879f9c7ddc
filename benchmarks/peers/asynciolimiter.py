"""asynciolimiter: a leaky bucket and an evenly spaced one, one object a key.

https://asynciolimiter.readthedocs.io/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import asynciolimiter

from benchmarks.peers import Peer
from benchmarks.peers._waiting import Waiting

Single: TypeAlias = asynciolimiter.LeakyBucketLimiter | asynciolimiter.StrictLimiter


class Keyed(dict[str, "Single"]):
    """A limiter of its own for each key: the library has no keys."""

    def __init__(self, make: Callable[[], Single]) -> None:
        self._make = make

    def __missing__(self, key: str) -> Single:
        limiter = self[key] = self._make()
        return limiter

    def slot(self, key: str) -> AbstractAsyncContextManager[object]:
        """Wait on entry."""
        return Waiting(self[key].wait)

    async def spin(self, keys: Iterable[str]) -> None:
        """Take a slot of each."""
        for key in keys:
            await self[key].wait()


def leaky(limit: int, per: float) -> Keyed:
    """Return the one that takes bursts."""
    return Keyed(lambda: asynciolimiter.LeakyBucketLimiter(limit / per, capacity=limit))


def strict(limit: int, per: float) -> Keyed:
    """Return the one without bursts, which "will always be less than the set limit"."""
    return Keyed(lambda: asynciolimiter.StrictLimiter(limit / per))


def free_leaky() -> Keyed:
    """Return slots that are always free: a bucket that is never full."""
    return Keyed(lambda: asynciolimiter.LeakyBucketLimiter(10, capacity=10**9))


def free_strict() -> Keyed:
    """Return slots that are as free as can be: each call but the first waits for a turn of the loop."""
    return Keyed(lambda: asynciolimiter.StrictLimiter(1e9))


PEERS = (
    Peer("asynciolimiter", "asynciolimiter", "LeakyBucketLimiter(10, capacity=20): leaky bucket", leaky, free_leaky),
    Peer("asynciolimiter-strict", "asynciolimiter", "StrictLimiter(10): evenly spaced", strict, free_strict),
)
