"""Four networks: how long each way takes, and a wire that takes that long.

The wire stands between the client and the exchange, in the exchange's process: bytes of one connection keep their
order, connections do not wait for one another.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, cast

__all__ = ["PROFILES", "Profile", "serve"]

SPIKE = 0.1  # of all ways

Way: TypeAlias = Callable[[random.Random], float]
"""Seconds that one way takes."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One network."""

    name: str
    words: str
    least: float
    """Seconds that each way takes at least: out plus back is a true ``rtt_floor``."""
    way: Way


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("lan", "0.2 to 0.5 ms each way", 0.0002, lambda rng: rng.uniform(0.0002, 0.0005)),
        Profile("wan", "40 to 50 ms each way", 0.040, lambda rng: rng.uniform(0.040, 0.050)),
        Profile("jitter", "10 to 250 ms each way, uniform", 0.010, lambda rng: rng.uniform(0.010, 0.250)),
        Profile(
            "spikes",
            "5 to 10 ms each way, one in ten 300 to 800 ms",
            0.005,
            lambda rng: rng.uniform(0.300, 0.800) if rng.random() < SPIKE else rng.uniform(0.005, 0.010),
        ),
    )
}


class _End(asyncio.Protocol):
    """One end of a wire: what arrives here leaves the other end a way later, in order."""

    def __init__(self, way: Callable[[], float]) -> None:
        self._way = way
        self._loop = asyncio.get_running_loop()
        self._early: list[bytes] = []  # what came before the other end was connected
        self._last = 0.0
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        # One way a message: what follows on its heels is the rest of it.
        now = self._loop.time()
        self._last = max(self._last, now) if now < self._last else now + self._way()
        self._loop.call_at(self._last, self._deliver, data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._loop.call_at(max(self._last, self._loop.time()), self._hang_up)

    def _deliver(self, data: bytes) -> None:
        if self.other is None or self.other.transport is None:
            self._early.append(data)
        elif not self.other.transport.is_closing():
            self.other.transport.write(data)

    def _hang_up(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    def join(self, other: _End) -> None:
        """Make the two ends one wire."""
        self.other, other.other = other, self
        for data in self._early:
            self._deliver(data)
        self._early.clear()


async def serve(profile: Profile, seed: int, port: int) -> asyncio.Server:
    """Listen on a port of its own and carry everything to `port` and back over the network."""
    loop = asyncio.get_running_loop()
    rng = random.Random(f"{profile.name} {seed}")
    connecting: set[asyncio.Task[None]] = set()

    def way() -> float:
        return profile.way(rng)

    def accept() -> _End:
        near = _End(way)

        async def connect() -> None:
            _, far = await loop.create_connection(lambda: _End(way), "127.0.0.1", port)
            near.join(far)

        task = loop.create_task(connect())
        connecting.add(task)
        task.add_done_callback(connecting.discard)
        return near

    return await loop.create_server(accept, "127.0.0.1", 0, backlog=4096)
