"""aiolimiter: a leaky bucket, one object a key.

https://aiolimiter.readthedocs.io/
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager

from aiolimiter import AsyncLimiter

from benchmarks.peers import Peer


class Keyed(dict[str, AsyncLimiter]):
    """A limiter of its own for each key: the library has no keys."""

    def __init__(self, limit: float, per: float) -> None:
        self._limit, self._per = limit, per

    def __missing__(self, key: str) -> AsyncLimiter:
        limiter = self[key] = AsyncLimiter(self._limit, self._per)
        return limiter

    def slot(self, key: str) -> AbstractAsyncContextManager[object]:
        """Return the key's limiter, which is the context manager."""
        limiter: AbstractAsyncContextManager[object] = self[key]
        return limiter

    async def spin(self, keys: Iterable[str]) -> None:
        """Take and leave a slot of each."""
        for key in keys:
            async with self[key]:
                pass


def free() -> Keyed:
    """Return slots that are always free: the bucket is empty again by the next call."""
    return Keyed(20, 1e-9)


PEERS = (Peer("aiolimiter", "aiolimiter", "AsyncLimiter(20, 2): leaky bucket", Keyed, free),)
