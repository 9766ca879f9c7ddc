"""Ours."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager

import okx_async as okx
from benchmarks.peers import Peer


class Ours:
    """One Limiter for all keys."""

    def __init__(self, limit: int, per: float, *, rtt_floor: float = 0.0, guard: float = 0.003) -> None:
        self.limiter = okx.Limiter(okx.Quota(limit=limit, per=per), rtt_floor=rtt_floor, guard=guard)

    def slot(self, key: str) -> AbstractAsyncContextManager[object]:
        """Return a slot."""
        return self.limiter.slot(key)

    async def spin(self, keys: Iterable[str]) -> None:
        """Take and leave a slot of each."""
        limiter = self.limiter
        for key in keys:
            async with limiter.slot(key):
                pass


def free() -> Ours:
    """Return slots that are always free: the window is so short that each token is back by the next call.

    The dearer of the two settings for that: with a limit of a million no token would ever come back in a run.
    """
    return Ours(20, 1e-9, guard=0.0)


def kept() -> Ours:
    """Return slots that are always free, of keys that stay in use: a limit that is never reached."""
    return Ours(10**9, 3600.0)


PEERS = (Peer("okx_async", "okx-async", "Limiter(Quota(20, 2.0))", Ours, free, kept),)
