"""When a process looks at its keys again: each at a time of its own, and those at which a request ended together."""

from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import Final

from okx_async.stores._agent.waiters import Key, LocalKey

SOON: Final = 0.01
"""Seconds within which the end of a request is told: the ends of that time are one message, and no ask waits for it."""


class Agenda:
    """Keys by the time at which they are to be looked at; times are seconds of the host's clock, passed in."""

    def __init__(self) -> None:
        self._times: list[tuple[float, int, LocalKey]] = []  # those that hold are in `LocalKey.due`, too
        self._numbers = count()
        self._ended: dict[Key, LocalKey] = {}
        self._tell_at = inf

    def wake(self, local: LocalKey, at: float) -> None:
        """Have a key looked at again at that time and not before; `inf`: not again."""
        local.due = at
        if at < inf:
            heappush(self._times, (at, next(self._numbers), local))

    def tell_soon(self, local: LocalKey, now: float) -> None:
        """Have the end of a request at a key told soon, with all others that end until then."""
        if not self._ended:
            self._tell_at = now + SOON
        self._ended[local.key] = local

    def told(self, key: Key) -> None:
        """Forget what was to be told of a key: it is looked at now."""
        self._ended.pop(key, None)

    def ended(self) -> dict[Key, LocalKey]:
        """Remove and return the keys at which a request has ended, to be told now."""
        found, self._ended = self._ended, {}
        return found

    def next(self) -> float:
        """Return the first time at which something is to be looked at."""
        return min(self._times[0][0] if self._times else inf, self._tell_at if self._ended else inf)

    def take(self, now: float) -> dict[Key, LocalKey]:
        """Remove and return the keys whose time has come."""
        found: dict[Key, LocalKey] = {}
        if self._ended and self._tell_at <= now:
            found = self.ended()
        while self._times and self._times[0][0] <= now:
            at, _, local = heappop(self._times)
            if at == local.due:
                local.due = inf
                found[local.key] = local
        return found
