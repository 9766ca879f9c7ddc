"""One event-loop timer for the time-outs of many requests.

A timer for each request would cost more than its signature. There are two queues: requests that wait for a connection,
and requests that wait for an answer. Within a queue all have the same number of seconds, so they end in the order in
which they began. The timer is only a hint: it stays armed when its request leaves and finds out when it fires, so
closes one after another share one timer, which fires once in vain after the last of them.
"""

import asyncio
import os
from typing import Final, Protocol, TypeAlias

EARLY = 0.0015
"""Seconds by which some event loops fire a timer early; what is due by then counts as due."""
TURNS = 4
"""Turns of the loop between a timer and the end of what is due.

A loop that was busy fires its timers late, and the answer may have been in the socket for long: read first, then judge.
uvloop fires timers before it reads, and needs three turns to read and to wake the task.
"""
LOOKS: Final = 64
"""How often a request that is due gets `TURNS` more, because its answer still comes out of the socket.

A long answer takes several turns. The bounds are for a peer that never stops sending.
"""
SURE_LOOKS: Final = 3
READING: Final = 1.0
"""Seconds in which a request that is due gets more turns than those of `SURE_LOOKS`."""
HELD_UP: Final = 0.05
"""Seconds by which a timer fires late if the loop stood still: a blocking call, a stopped process, a paused machine."""
MOST_BACK: Final = 5.0
"""Most seconds that a request which connects is given back for a loop that stood still."""


class Expiring(Protocol):
    """A request whose time may run out."""

    queue: "TimeoutQueue | None"
    """Where it stands now; `TimeoutGroup` keeps it."""

    def expire(self) -> None:
        """End the request: its time is over."""

    def arriving(self) -> bool:
        """Return whether its connection has bytes that the loop has not read."""

    def give_back(self, seconds: float) -> None:
        """Give it some seconds to connect, instead of its end: the loop did nothing for as long."""


TimeoutQueue: TypeAlias = dict[Expiring, float]
"""When each request ends, by the loop's clock, in this order."""


class TimeoutGroup:
    """The requests of one client that have a time limit now, and the connections that carry them."""

    __slots__ = (
        "_at",
        "_closed",
        "_late",
        "_read_until",
        "_timer",
        "answering",
        "carriers",
        "connecting",
        "loop",
        "process",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.process = os.getpid()
        """In a forked child, connections are the parent's."""
        self.connecting: TimeoutQueue = {}
        self.answering: TimeoutQueue = {}
        self.carriers: dict[asyncio.BaseTransport, Expiring] = {}
        """For each connection on the wire, the request that it carries, the latest one if there were several."""
        self._timer: asyncio.Handle | None = None
        self._at = 0.0
        self._late = 0.0
        self._read_until = 0.0
        self._closed = False

    def enter(self, request: Expiring, queue: TimeoutQueue, seconds: float) -> None:
        """Start the time of a request in place of what runs; `seconds` is the same for all requests of a queue."""
        if request.queue is not None:
            del request.queue[request]
        queue[request] = due = self.loop.time() + seconds
        request.queue = queue
        if self._timer is None or due < self._at:
            self._arm(due)

    def leave(self, request: Expiring) -> None:
        """Stop the time of a request, if any runs."""
        if request.queue is not None:
            del request.queue[request]
            request.queue = None
            if self._closed:
                self.close()

    def close(self) -> None:
        """Leave no timer behind once the last request has left."""
        self._closed = True
        if self._timer is not None and not self.connecting and not self.answering:
            self._timer.cancel()
            self._timer = None

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(at, self._on_timer)
        self._at = at

    def _on_timer(self, turns: int = TURNS, looks: int = LOOKS, came: frozenset[Expiring] = frozenset()) -> None:
        """End what is due, `turns` turns later; what still arrives has more of them.

        Args:
            turns: Turns of the loop before anything is judged.
            looks: How often the end may still be put off.
            came: The requests whose bytes were in the kernel at the last look; their tasks may not have them yet.
        """
        if turns == TURNS:
            now = self.loop.time()
            self._late, self._read_until = now - self._at, now + READING
        if turns:
            self._timer = self.loop.call_soon(self._on_timer, turns - 1, looks, came)
            return
        self._timer = None
        now = self.loop.time()
        due = self._due(now + EARLY)
        more = looks > LOOKS - SURE_LOOKS or (looks > 0 and now < self._read_until)
        reading = frozenset(request for request, _ in due if more and request.arriving())
        waiting = reading | came
        for request, connects in due:
            if connects and self._late > HELD_UP:
                request.give_back(min(self._late, MOST_BACK))
            elif request not in waiting:
                request.expire()
        if waiting.intersection(self.answering):
            if self._timer is not None:
                self._timer.cancel()
            self._at = self.loop.time()
            self._timer = self.loop.call_soon(self._on_timer, TURNS - 1, max(looks - 1, 0), reading)

    def _due(self, by: float) -> list[tuple[Expiring, bool]]:
        """Return what is due, and whether it connects; arm the timer for what comes next."""
        found: list[tuple[Expiring, bool]] = []
        for queue in (self.connecting, self.answering):
            for request, due in queue.items():
                if due > by:
                    if self._timer is None or due < self._at:
                        self._arm(due)
                    break
                found.append((request, queue is self.connecting))
        return found
