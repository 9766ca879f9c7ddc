"""One direction of a connection in memory: bytes that take their time, in pieces.

What is written stands in the sender's queue until it departs (at once, unless the way is stalled or the receiver's
window is full), is then under way for a time drawn from the seed, and arrives in order. That is all the difference a
reset makes: what has departed arrives, what still stands in the queue is gone.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

    from okx_async.simulator.virtual.wires import End

__all__ = ["Mark", "Path", "Way"]


@dataclass(frozen=True, slots=True)
class Path:
    """One direction: each piece takes `delay` s and up to `jitter` s more; with probability `spikes`, `spike` s more.

    `cuts`: the probability that a write is cut into pieces, at any byte; `window`: bytes under way or unread at once.
    """

    delay: float = 0.0
    jitter: float = 0.0
    spikes: float = 0.0
    spike: float = 0.0
    cuts: float = 0.0
    window: int = 65536


class Mark(Enum):
    """What is no bytes: the beginning, an orderly end, a reset."""

    OPEN = "open"
    FIN = "FIN"
    RST = "RST"


class Way:
    """From one end to the other."""

    __slots__ = (
        "_cuts", "_delay", "_flying", "_jitter", "_last", "_loop", "_queue", "_queued", "_rng", "_sender", "_spike",
        "_spikes", "_stalled", "_target", "_trace", "_under_way", "_window", "dead",
    )  # fmt: skip

    def __init__(self, sender: End, target: End, path: Path, rng: Random) -> None:
        self._loop = sender.wire.network.loop
        self._trace = sender.wire.network.trace
        self._sender = sender
        self._target = target
        self._rng = rng
        self._delay, self._jitter = path.delay, path.jitter
        self._spikes, self._spike = path.spikes, path.spike
        self._cuts, self._window = path.cuts, path.window
        self._queue: deque[bytes | Mark] = deque()
        self._under_way: deque[bytes | Mark] = deque()
        self._queued = 0
        self._flying = 0
        self._last = 0.0
        self._stalled = 0
        self.dead = False

    @property
    def backlog(self) -> int:
        """Bytes written that did not arrive yet."""
        return self._queued + self._flying

    def put(self, item: bytes | Mark) -> None:
        """Put something in the queue."""
        if isinstance(item, bytes):
            self._queued += len(item)
            if self._cuts and self._rng.random() < self._cuts:
                self._queue.extend(self._pieces(item))
                self.depart()
                return
        self._queue.append(item)
        self.depart()

    def put_reset(self) -> None:
        """Drop the queue; the word of it goes after what is under way, or is lost where nothing can depart."""
        self.drop()
        if not self._stalled:
            self._fly(Mark.RST)

    def drop(self) -> None:
        """Drop what did not depart."""
        if self._queue:
            self.note(f"{self._queued} bytes of {self._sender.name} dropped before they left")
        self._queue.clear()
        self._queued = 0

    def stall(self, seconds: float) -> None:
        """Let nothing depart for so long."""
        self._stalled += 1
        self._loop.call_later(seconds, self._go_on)

    def note(self, text: str) -> None:
        """Write a line into the network's trace, if it keeps one."""
        if self._trace is not None:
            self._trace.append((self._loop.clock(), text))

    def _go_on(self) -> None:
        self._stalled -= 1
        self.depart()

    def _pieces(self, data: bytes) -> list[bytes]:
        places = sorted(self._rng.randrange(len(data) + 1) for _ in range(self._rng.randint(1, 3)))
        bounds = [0, *places, len(data)]
        return [data[a:b] for a, b in pairwise(bounds) if a != b]

    def depart(self) -> None:
        """Let go what may depart now."""
        queue = self._queue
        while queue and not self._stalled:
            item = queue[0]
            if isinstance(item, bytes):
                pending = self._flying + self._target.unread
                if pending and pending + len(item) > self._window:
                    break
                self._queued -= len(item)
                self._flying += len(item)
            queue.popleft()
            self._fly(item)

    def _fly(self, item: bytes | Mark) -> None:
        rng = self._rng
        delay = self._delay + self._jitter * rng.random()
        if self._spikes and rng.random() < self._spikes:
            delay += self._spike
        loop = self._loop
        at = loop.time() + delay
        self._last = max(self._last, at)
        self._under_way.append(item)
        loop.call_at(self._last, self._land)

    def _land(self) -> None:
        item = (
            self._under_way.popleft()
        )  # and not an argument: in order, whatever the loop does with timers of one time
        if self.dead:
            return
        if isinstance(item, bytes):
            self._flying -= len(item)
        if self._trace is not None:
            what = f"{len(item)} bytes" if isinstance(item, bytes) else item.value
            self.note(f"{what} reached {self._target.name}")
        self._target.arrive(item)
        if self._queue:
            self.depart()
        if self._sender.full:
            self._sender.room()
