"""The scenes that each client plays, in a process of its own: python -m benchmarks._scenes SUBJECT SCENE URL AT_ONCE.

Prints one JSON object of figures. Imports nothing of ours: the subject may be another package of the same name.
"""

import asyncio
import gc
import itertools
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import quantiles
from typing import Any

from benchmarks.clients import Closer, Subject, load

IDS = [f"C{number}-USDT-SWAP" for number in range(1000)]  # 20,000 closes in 2 s: no limiter stands in the way
SECONDS = 0.6
"""CPU that a run of closes may take; slow clients make fewer."""
AT_ONCE = 50


async def _closes(client: Closer, subject: Subject, at_once: int) -> dict[str, float]:
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
        for _ in range(2 * len(IDS) // at_once if first / at_once < 0.001 else 0):  # noqa: PLR2004 - slow ones are warm
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


async def _ms(work: Awaitable[object]) -> float:
    begun = time.perf_counter()
    await work
    return (time.perf_counter() - begun) * 1e3


async def _book(client: Closer, subject: Subject, _: int) -> dict[str, float]:
    """Return the milliseconds of 100 closes at once: cold, and warm."""
    cold = await _ms(client.batch(IDS[:100]))
    if subject.slow:  # paced: connections make no difference
        return {"cold": cold}
    return {"cold": cold, "warm": sorted([await _ms(client.batch(IDS[n : n + 100])) for n in (100, 200, 300)])[1]}


async def _warmed(client: Any, subject: Subject, at_once: int) -> dict[str, float]:
    """Return the same after `warm_up(100)`."""
    await client.warm_up(100)
    return await _book(client, subject, at_once)


async def _sixty(client: Closer, subject: Subject, _: int) -> dict[str, float]:
    """Return the seconds of 60 closes of one instrument, and how many of them were refused for good."""
    begun = time.perf_counter()
    answers = await asyncio.gather(*(client.close(IDS[0]) for _ in range(60)), return_exceptions=True)
    failed = sum(not subject.accepted(answer) for answer in answers)
    return {"seconds": time.perf_counter() - begun, "failed": failed}


async def _few(client: Closer, *_: object) -> dict[str, float]:
    """Close a few positions, and return the most MB that this process ever held."""
    await client.batch(IDS[:20])
    return {"rss": _most_memory()}


def _most_memory() -> float:
    status = Path("/proc/self/status")
    if not status.exists():  # elsewhere a child inherits the figure of its parent
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


async def _desk(client: Closer, subject: Subject, _: int) -> dict[str, float]:
    """Return the milliseconds, and the CPU, of 50 strategies that close 20 instruments each, all at once."""

    async def strategy(number: int) -> int:
        answers = await asyncio.gather(*map(client.close, IDS[20 * number : 20 * number + 20]))
        return sum(map(subject.accepted, answers))

    cpu, wall = time.process_time(), time.perf_counter()
    accepted = sum(await asyncio.gather(*map(strategy, range(50))))
    if accepted != len(IDS):
        raise RuntimeError(f"{subject.name}: {accepted} of {len(IDS)}")
    return {"wall": (time.perf_counter() - wall) * 1e3, "cpu": (time.process_time() - cpu) * 1e3}


SCENES: dict[str, Callable[[Any, Subject, int], Awaitable[dict[str, float]]]] = {
    "closes": _closes,
    "book": _book,
    "warmed": _warmed,
    "few": _few,
    "sixty": _sixty,
    "desk": _desk,
}


async def _play(subject: Subject, scene: str, url: str, at_once: int) -> dict[str, float]:
    client = subject.make(url)
    try:
        return await SCENES[scene](client, subject, at_once)
    finally:
        await client.aclose()


if __name__ == "__main__":
    name, scene, url, at_once = sys.argv[1:]
    subject = load(name)
    with asyncio.Runner(loop_factory=subject.loop) as runner:
        print(json.dumps(runner.run(_play(subject, scene, url, int(at_once)))))
