"""Clocks that are wrong on purpose: fast or slow, ahead or behind, and set anew while they run."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Clock"]


class Clock:
    """A clock made from another one: ``start`` at first, then `rate` seconds for each second of `source`."""

    __slots__ = ("_origin", "_rate", "_source", "_start")

    def __init__(self, source: Callable[[], float], *, start: float | None = None, rate: float = 1.0) -> None:
        self._source = source
        self._origin = source()
        self._start = self._origin if start is None else start
        self._rate = rate

    def __call__(self) -> float:
        """Return its time in seconds."""
        return self._start + (self._source() - self._origin) * self._rate

    def step(self, seconds: float) -> None:
        """Set it forward, or back, by so much."""
        self._start += seconds
