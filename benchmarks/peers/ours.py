"""okx_async itself: one Limiter for all keys."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from functools import partial

import okx_async as okx
from benchmarks.peers import OURS, Peer


class Ours:
    """A Limiter with one quota."""

    def __init__(self, limit: int, per: float, *, rtt_floor: float = 0.0, guard: float = 0.003) -> None:
        self._limiter = okx.Limiter(okx.Quota(limit=limit, per=per), rtt_floor=rtt_floor, guard=guard)

    def slot(self, key: str) -> AbstractAsyncContextManager[object]:
        """Return a slot of the key."""
        return self._limiter.slot(key)

    async def spin(self, keys: Iterable[str]) -> None:
        """Take and leave a slot of each key."""
        limiter = self._limiter
        for key in keys:
            async with limiter.slot(key):
                pass


def okx_async() -> Peer:
    """Return the peer.

    Its slots are free by a window so short that each token is back by the next call: the dearer of the two settings for
    that, since with a limit of a million no token would ever come back in a run. Keys are kept by such a limit.
    """
    free, kept = partial(Ours, 20, 1e-9, guard=0.0), partial(Ours, 10**9, 3600.0)
    return Peer(OURS, "okx-async", "Limiter(Quota(20, 2.0))", Ours, free, kept)
