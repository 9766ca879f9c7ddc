"""One direction of a connection in memory: bytes that arrive later, in pieces and in order.

A write waits in the sender's queue until it departs: at once, unless the link is stalled or the receiver's window is
full. It is then in flight for a time drawn from the seed. A reset drops the queue; bytes in flight still arrive.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from random import Random
from typing import Protocol

from okx_async.simulator.virtual.jumping_loop import JumpingLoop


@dataclass(frozen=True, slots=True)
class Path:
    """How one direction of a connection behaves.

    Args:
        delay: Seconds that each piece takes at least.
        jitter: Seconds that it takes more at most, uniform.
        spikes: Probability that it takes `spike` seconds more.
        spike: Seconds that a piece takes more by that probability.
        cuts: Probability that a write is cut into pieces, at any byte.
        window: Bytes that may be in flight or unread at once.
    """

    delay: float = 0.0
    jitter: float = 0.0
    spikes: float = 0.0
    spike: float = 0.0
    cuts: float = 0.0
    window: int = 65536


class Control(Enum):
    """A segment without bytes: the beginning of a connection, its orderly end, or a reset."""

    OPEN = "open"
    FIN = "FIN"
    RST = "RST"


class Endpoint(Protocol):
    """What a link asks of the transports that it joins."""

    name: str
    unread: int
    """Bytes that arrived and were not read yet."""
    full: bool
    """Whether its protocol was asked to pause writing."""

    def arrive(self, item: bytes | Control) -> None:
        """Take what arrived."""

    def room(self) -> None:
        """Let the protocol write again, if there is room."""


class Link:
    """One direction of a connection, from `sender` to `target`."""

    def __init__(
        self,
        loop: JumpingLoop,
        sender: Endpoint,
        target: Endpoint,
        *,
        path: Path,
        rng: Random,
        trace: list[tuple[float, str]] | None,
    ) -> None:
        self._loop = loop
        self._trace = trace
        self._sender = sender
        self._target = target
        self._rng = rng
        self._delay, self._jitter = path.delay, path.jitter
        self._spikes, self._spike = path.spikes, path.spike
        self._cuts, self._window = path.cuts, path.window
        self._queue: deque[bytes | Control] = deque()
        self._in_flight: deque[bytes | Control] = deque()
        self._queued = 0
        self._in_flight_bytes = 0
        self._last = 0.0
        self._stalled = 0
        self._doubles = 0
        self.dead = False
        """Whether nothing arrives any more."""
        self.dropped = False
        """Whether bytes were dropped before they left."""

    @property
    def backlog(self) -> int:
        """Bytes written that did not arrive yet."""
        return self._queued + self._in_flight_bytes

    def put(self, item: bytes | Control) -> None:
        """Put `item` into the queue."""
        if isinstance(item, bytes):
            if self._doubles:
                self._doubles -= 1
                item += item
                self._queued += len(item)
                self._queue.append(item)
                self.depart()
                return
            self._queued += len(item)
            if self._cuts and self._rng.random() < self._cuts:
                self._queue.extend(self._pieces(item))
                self.depart()
                return
        self._queue.append(item)
        self.depart()

    def put_reset(self) -> None:
        """Drop the queue and send RST after what is in flight; a stalled link loses the RST too."""
        self.drop()
        if not self._stalled:
            self._fly(Control.RST)

    def drop(self) -> None:
        """Drop the queue."""
        if self._queue:
            self.note(f"{self._queued} bytes of {self._sender.name} dropped before they left")
            self.dropped = True
        self._queue.clear()
        self._queued = 0

    def stall(self, seconds: float) -> None:
        """Let nothing depart for `seconds`; stalls may overlap."""
        self._stalled += 1
        self._loop.call_later(seconds, self._end_stall)

    def double(self, writes: int) -> None:
        """Send each of the next `writes` twice, in one piece: what comes after an answer comes along with it."""
        self._doubles = writes

    def note(self, text: str) -> None:
        """Add a line to the network's trace, if it keeps one."""
        if self._trace is not None:
            self._trace.append((self._loop.clock(), text))

    def depart(self) -> None:
        """Put in flight what may depart now."""
        queue = self._queue
        while queue and not self._stalled:
            item = queue[0]
            if isinstance(item, bytes):
                pending = self._in_flight_bytes + self._target.unread
                if pending and pending + len(item) > self._window:
                    break
                self._queued -= len(item)
                self._in_flight_bytes += len(item)
            queue.popleft()
            self._fly(item)

    def _end_stall(self) -> None:
        self._stalled -= 1
        self.depart()

    def _pieces(self, data: bytes) -> list[bytes]:
        places = sorted(self._rng.randrange(len(data) + 1) for _ in range(self._rng.randint(1, 3)))
        bounds = [0, *places, len(data)]
        return [data[a:b] for a, b in pairwise(bounds) if a != b]

    def _fly(self, item: bytes | Control) -> None:
        rng = self._rng
        delay = self._delay + self._jitter * rng.random()
        if self._spikes and rng.random() < self._spikes:
            delay += self._spike
        self._last = max(self._last, self._loop.time() + delay)
        self._in_flight.append(item)
        self._loop.call_at(self._last, self._land)

    def _land(self) -> None:
        # Not an argument of the timer: the order is kept even if the loop mixes up timers of one time.
        item = self._in_flight.popleft()
        if self.dead:
            return
        if isinstance(item, bytes):
            self._in_flight_bytes -= len(item)
        if self._trace is not None:
            what = f"{len(item)} bytes" if isinstance(item, bytes) else item.value
            self.note(f"{what} reached {self._target.name}")
        self._target.arrive(item)
        if self._queue:
            self.depart()
        if self._sender.full:
            self._sender.room()
