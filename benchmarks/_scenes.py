"""The scenes that each client plays, in a process of its own: python -m benchmarks._scenes SUBJECT SCENE URL AT_ONCE.

Prints one JSON object of figures. Imports nothing of ours: the subject may be another package of the same name.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import resource
import sys
import time
from collections.abc import Awaitable
from pathlib import Path
from statistics import quantiles
from typing import Any

from benchmarks.clients import Closer, Subject, load

IDS = [f"C{number}-USDT-SWAP" for number in range(1000)]  # 20,000 closes in 2 s: no limiter stands in the way
SECONDS = 0.6
"""CPU that a run of closes may take; slow clients make fewer."""
AT_ONCE = 50


async def closes(client: Closer, subject: Subject, at_once: int) -> dict[str, float]:
    """Return microseconds of CPU a close, and of latency."""
    ids = itertools.cycle(IDS)
    took: list[float] = []

    async def worker(count: int) -> None:
        for _ in range(count):
            begun = time.perf_counter()
            answer = await client.close(next(ids))
            took.append(time.perf_counter() - begun)
            if not subject.accepted(answer):
                raise RuntimeError(f"{subject.name}: {answer!r}")

    async def run(count: int) -> float:
        begun = time.process_time()
        await asyncio.gather(*(worker(count // at_once) for _ in range(at_once)))
        return time.process_time() - begun

    first = await run(at_once)  # opens the connections
    if subject.slow:  # paced by itself: a few are enough
        cpu, count = first if at_once > 1 else await run(AT_ONCE), AT_ONCE
    else:
        for _ in range(2 * len(IDS) // at_once if first / at_once < 0.001 else 0):  # noqa: PLR2004 - the slow ones are warm already
            await run(at_once)
        gc.collect()
        gc.freeze()
        took.clear()
        cpu, count = 0.0, 0
        while cpu < SECONDS:
            cpu += await run(4 * at_once)
            count += 4 * at_once
    cuts = quantiles(took, n=100)
    return {"cpu": cpu / count * 1e6, "p50": cuts[49] * 1e6, "p99": cuts[98] * 1e6}


async def timed(work: Awaitable[object]) -> float:
    """Return the milliseconds that it takes."""
    begun = time.perf_counter()
    await work
    return (time.perf_counter() - begun) * 1e3


async def book(client: Closer, subject: Subject, _: int) -> dict[str, float]:
    """Return the milliseconds of 100 closes at once: cold, and warm."""
    cold = await timed(client.batch(IDS[:100]))
    if subject.slow:  # paced: connections make no difference
        return {"cold": cold}
    warm = [await timed(client.batch(IDS[100 * n : 100 * n + 100])) for n in range(1, 4)]
    return {"cold": cold, "warm": sorted(warm)[1]}


async def warmed(client: Any, subject: Subject, _: int) -> dict[str, float]:
    """Return the same after `warm_up(100)`."""
    await client.warm_up(100)
    return await book(client, subject, _)


async def sixty(client: Closer, subject: Subject, _: int) -> dict[str, float]:
    """Return the seconds of 60 closes of one instrument, and how many of them were refused for good."""
    begun = time.perf_counter()
    answers = await asyncio.gather(*(client.close(IDS[0]) for _ in range(60)), return_exceptions=True)
    failed = sum(not subject.accepted(answer) for answer in answers)
    return {"seconds": time.perf_counter() - begun, "failed": failed}


async def few(client: Closer, _: Subject, __: int) -> dict[str, float]:
    """Close a few positions, and return the most MB that this process ever held."""
    await client.batch(IDS[:20])
    status = Path("/proc/self/status")
    if not status.exists():  # elsewhere a child inherits the figure of its parent
        return {"rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return {"rss": int(line.split()[1]) / 1024}


async def desk(client: Closer, subject: Subject, _: int) -> dict[str, float]:
    """Return the milliseconds, and the CPU, of 50 strategies that close 20 instruments each, all at once."""
    accepted = 0

    async def strategy(names: list[str]) -> None:
        nonlocal accepted
        answers = await asyncio.gather(*map(client.close, names))
        accepted += sum(map(subject.accepted, answers))

    before = time.process_time()
    wall = await timed(asyncio.gather(*(strategy(IDS[n : n + 20]) for n in range(0, len(IDS), 20))))
    if accepted != len(IDS):
        raise RuntimeError(f"{subject.name}: {accepted} of {len(IDS)}")
    return {"wall": wall, "cpu": (time.process_time() - before) * 1e3}


SCENES = {"closes": closes, "book": book, "warmed": warmed, "few": few, "sixty": sixty, "desk": desk}


async def play(subject: Subject, scene: str, url: str, at_once: int) -> dict[str, float]:
    """Open the client, play, close it."""
    client = subject.make(url)
    try:
        return await SCENES[scene](client, subject, at_once)
    finally:
        await client.aclose()


def main() -> None:
    """Play one scene."""
    name, scene, url, at_once = sys.argv[1:]
    subject = load(name)
    with asyncio.Runner(loop_factory=subject.loop) as runner:
        print(json.dumps(runner.run(play(subject, scene, url, int(at_once)))))


if __name__ == "__main__":
    main()
