"""How often in a row a key was refused because closes at market price are throttled, 51113 (pure: times are arguments).

That throttle is the key's and not one call's: with many callers at a key, pauses that grew for each of them alone
would not grow at all. What was on the wire when the first refusal came is the same burst, and counts once.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

QUIET: Final = 60.0
"""Seconds after which a refusal begins a new row: no pause is that long."""


class Series:
    """The rows of refusals of all keys."""

    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows: dict[Hashable, tuple[int, float]] = {}
        """Of each key how many there were, and when the last one that counted came."""

    def refused(self, key: Hashable, begun: float, now: float) -> int:
        """Take in a refusal, at `now`, of a request that had its slot at `begun`; return which in a row it is."""
        for old in [each for each, (_, last) in self.rows.items() if now - last > QUIET]:
            del self.rows[old]
        nth, last = self.rows.get(key, (0, begun))
        if nth == 0 or begun > last:
            nth += 1
            self.rows[key] = nth, now
        return nth

    def passed(self, key: Hashable, begun: float) -> None:
        """End the row of a key: a close that had its slot at `begun` was accepted."""
        row = self.rows.get(key)
        if row is not None and begun > row[1]:
            del self.rows[key]
