"""What a free slot costs, ours and every peer: one key, 10,000 keys, new keys.

Run: python -m benchmarks.micro [--rounds N] [--calls N] [--json FILE] [--pyperf FILE]

Each peer is called in its own words, as a user of its library would write the loop, with slots that are always free.
The loop itself is part of every figure and timed alone; an empty `async with` and a raw asyncio.Semaphore stand
beside, which keep no window and no keys. Every round starts a fresh process for every subject, in changing order, and
one of ours right before it: the last rows are medians of the ratios of such neighbours.
`--pyperf` writes the same figures as a pyperf suite, for `pyperf compare_to` and `pyperf stats`.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import itertools
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks._table import Report, arguments, peers_of, spread, versus
from benchmarks._workers import neighbours, rounds
from benchmarks.peers import Limited, load

Spinning: TypeAlias = "Limited | Nothing | Empty | Semaphore"

SCENES = {"one": "one key", "many": "10,000 keys", "new": "new keys"}
KEYS = [f"KEY-{number}" for number in range(10_000)]
OURS = "okx_async"
WARM = 1_000  # calls before the clock starts: the interpreter specialises what runs often


class Nothing:
    """The loop alone."""

    async def spin(self, keys: Iterable[str]) -> None:
        """Do nothing for each key."""
        for _ in keys:
            pass


class Semaphore:
    """A raw semaphore: what asyncio itself asks for an `async with`."""

    async def spin(self, keys: Iterable[str]) -> None:
        """Take and leave it for each key."""
        semaphore = asyncio.Semaphore(20)
        for _ in keys:
            async with semaphore:
                pass


class Empty:
    """An `async with` that does nothing: no limiter that is used by one can cost less."""

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *_: object) -> None:
        pass

    async def spin(self, keys: Iterable[str]) -> None:
        """Enter and leave it for each key."""
        for _ in keys:
            async with self:
                pass


BESIDE: dict[str, Callable[[], Spinning]] = {
    "loop alone": Nothing,
    "empty async with": Empty,
    "asyncio.Semaphore": Semaphore,
}


async def timed(limited: Spinning, warm: Iterable[str], keys: Iterable[str]) -> float:
    """Return the seconds of CPU, of all threads, that the loop over `keys` takes."""
    await limited.spin(warm)
    gc.collect()
    gc.freeze()
    begun = time.process_time()  # what else runs on the machine disturbs it less than a wall clock
    await limited.spin(keys)
    return time.process_time() - begun


def job(name: str, calls: int) -> dict[str, float]:
    """Time one subject in this process: nanoseconds of CPU a call."""
    make: Callable[[], Spinning]
    if name in BESIDE:
        make = kept = BESIDE[name]
    else:
        peer = load(name)
        make, kept = peer.free, peer.kept or peer.free
    found = {}
    for scene, limited, warm, keys in (
        ("one", make, itertools.repeat("key", WARM), itertools.repeat("key", calls)),
        ("many", kept, KEYS, itertools.islice(itertools.cycle(KEYS), calls)),
        ("new", make, (f"WARM-{i}" for i in range(WARM)), [f"NEW-{i}" for i in range(calls)]),
    ):
        found[scene] = asyncio.run(timed(limited(), warm, keys)) / calls * 1e9
        gc.unfreeze()
    return found


def main() -> None:
    """Run all subjects in turns and print the table."""
    parser = arguments(__doc__, rounds=9, calls=20_000)
    parser.add_argument("--pyperf", type=Path, metavar="FILE")
    parser.add_argument("--job", help="one subject, in this process")
    args = parser.parse_args()
    if args.job:
        print(json.dumps(job(args.job, args.calls)))
        return
    peers = peers_of(args)
    names = [peer.name for peer in peers]
    jobs = {name: [name, "--calls", str(args.calls)] for name in [*BESIDE, *names]}
    others = [name for name in names if name != OURS]
    if OURS in names and others:
        ours = jobs.pop(OURS)
        found, beside = neighbours("benchmarks.micro", list(jobs.values()), args.rounds, ours)
    else:
        found, beside = rounds("benchmarks.micro", list(jobs.values()), args.rounds), {}
    report = Report("A free slot, ns of CPU a call: median (least to most)", ["", *SCENES.values()], peers)
    figures = {name: {scene: [one[scene] for one in all_of] for scene in SCENES} for name, all_of in found.items()}
    for name in [*BESIDE, *names]:
        report.add(name, *(spread(figures[name][scene]) for scene in SCENES))
    ratios = {
        name: {scene: [a[scene] / b[scene] for a, b in zip(beside[name], found[name], strict=True)] for scene in SCENES}
        for name in beside
    }
    for title, among in (
        ("okx_async / fastest `async with`", [name for name in others if name == "aiolimiter"]),
        ("okx_async / fastest of all", others),
    ):
        if among and ratios:
            report.add(title, *(versus({name: ratios[name][scene] for name in among}) for scene in SCENES))
    report.notes.append(f"{args.rounds} rounds, {args.calls:,} calls each, a fresh process for each subject and round.")
    report.raw = {"ns_a_call": figures, "ours_over": ratios}
    report.publish(args.json)
    if args.pyperf:
        _suite(figures, args.calls, args.pyperf)


def _suite(figures: dict[str, dict[str, list[float]]], calls: int, path: Path) -> None:
    pyperf: Any = importlib.import_module("pyperf")
    benchmarks = [
        pyperf.Benchmark(
            [
                pyperf.Run([ns / 1e9], metadata={"name": f"{name}: {SCENES[scene]}", "loops": calls})
                for ns in of_scene[scene]
            ]
        )
        for name, of_scene in figures.items()
        for scene in SCENES
    ]
    path.unlink(missing_ok=True)
    pyperf.BenchmarkSuite(benchmarks).dump(str(path))


if __name__ == "__main__":
    main()
