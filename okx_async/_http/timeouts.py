"""The time of many requests by one timer of the loop.

A timer for each would cost more than its signature. There are two lines: for a connection, and for an answer. In each
all have the same number of seconds, so those who began first end first, and the order of a dictionary is the order in
which they end. The timer is a hint only: it stays when the one that it was armed for leaves, the last one too, and
finds that out. So closes one after another share a timer as well, and it fires once in vain after the last of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import asyncio

    from okx_async._calls.attempt import Flight

Line: TypeAlias = "dict[Flight, float]"
"""When each ends, by the loop's clock, in this order."""

EARLY = 0.0015
"""Seconds by which some loops fire a timer early: whoever is due by then is due."""


class Patience:
    """Ends the flights that are still here when their time is over."""

    __slots__ = ("_at", "_closed", "_timer", "answering", "connecting", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.connecting: Line = {}
        self.answering: Line = {}
        self._timer: asyncio.TimerHandle | None = None
        self._at = 0.0
        self._closed = False

    def enter(self, flight: Flight, line: Line, seconds: float) -> None:
        """Begin to count for `flight`: so many seconds, the same for all in the line."""
        line[flight] = due = self.loop.time() + seconds
        if self._timer is None or due < self._at:
            self._arm(due)

    def move(self, flight: Flight, seconds: float) -> None:
        """Stop counting for its connection, and begin to for its answer."""
        self.answering[flight] = due = self.loop.time() + seconds
        if self._timer is None or due < self._at:
            self._arm(due)
        del self.connecting[flight]

    def leave(self, flight: Flight, line: Line) -> None:
        """Stop counting for it there."""
        del line[flight]
        if self._closed:
            self.close()

    def close(self) -> None:
        """Leave no timer behind once nobody is left."""
        self._closed = True
        if self._timer is not None and not self.connecting and not self.answering:
            self._timer.cancel()
            self._timer = None

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(at, self._on_timer)
        self._at = at

    def _on_timer(self) -> None:
        self._timer = None
        now = self.loop.time() + EARLY
        late: list[Flight] = []
        for line in (self.connecting, self.answering):
            for flight, due in line.items():
                if due > now:
                    if self._timer is None or due < self._at:
                        self._arm(due)
                    break
                late.append(flight)
        for flight in late:
            flight.expire()
