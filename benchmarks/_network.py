"""Four networks, and a wire that takes their time, between client and exchange, in the exchange's process."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial


@dataclass(frozen=True, slots=True)
class Profile:
    """One network."""

    words: str
    least: float
    """Seconds that each way takes at least: out plus back is a true ``rtt_floor``."""
    way: Callable[[random.Random], float]
    """Seconds that one way takes."""


def _spikes(rng: random.Random) -> float:
    return rng.uniform(0.300, 0.800) if rng.random() < 0.1 else rng.uniform(0.005, 0.010)  # noqa: PLR2004


PROFILES = {
    "lan": Profile("0.2 to 0.5 ms each way", 0.0002, lambda rng: rng.uniform(0.0002, 0.0005)),
    "wan": Profile("40 to 50 ms each way", 0.040, lambda rng: rng.uniform(0.040, 0.050)),
    "jitter": Profile("10 to 250 ms each way, uniform", 0.010, lambda rng: rng.uniform(0.010, 0.250)),
    "spikes": Profile("5 to 10 ms each way, one in ten 300 to 800 ms", 0.005, _spikes),
}


async def _carry(way: Callable[[], float], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Write everything a way later, in order. One way a message: bytes that follow on its heels are the rest of it."""
    loop, at = asyncio.get_running_loop(), 0.0
    while data := await reader.read(2**16):
        if loop.time() >= at:
            at = loop.time() + way()
        loop.call_at(at, writer.write, data)
    loop.call_at(max(at, loop.time()), writer.close)


async def wire(profile: str, seed: int, port: int) -> asyncio.Server:
    """Listen on a port of its own and carry everything to `port` and back; connections do not wait for one another."""
    way = partial(PROFILES[profile].way, random.Random(f"{profile} {seed}"))

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_carry(way, reader, far_writer), _carry(way, far_reader, writer))

    return await asyncio.start_server(accept, "127.0.0.1", 0, backlog=4096)
