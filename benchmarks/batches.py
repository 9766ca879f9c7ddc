"""Large batches of ours: how many a second, how much memory, in which order, and how long the loop is held up.

Run: python -m benchmarks.batches [--rounds N] [--json FILE]

* 1,000 legs over 1,000 keys: as fast as the machine goes;
* 1,000 legs of one key: as fast as the limit lets them go, with a window of 0.1 s in place of 2 s, so that it ends;
* 10,000 legs over 100 keys, of which 8,000 stand in line: the longest single step of the event loop until the second
  window has been granted, in CPU time of the loop's thread, with and without what the garbage collector takes of it,
  and the collector's longest pauses by generation; then in asyncio's debug mode, collector off, the number of steps
  that it complains of (longer than 0.1 s);
* the same 10,000 after `gc.freeze()`, which takes all that the imports made out of the collector's sight.

A step is one callback. The exchange is a stand-in in a process of its own that answers after 30 ms.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks._standin import standin
from benchmarks._table import Report, arguments, spread
from benchmarks._workers import rounds
from benchmarks.clients import KEYS, PASSPHRASE, SECRET
from okx_async import Client, ClosePosition, Credentials, Limiter, Quota

DELAY = 0.03
SECONDS = 4.5  # two windows
FROZEN = "10,000 legs, 100 keys, gc.freeze() before"
TITLES = {
    "rate": "closes a second",
    "share": "of what the limit allows",
    "memory": "peak memory a leg, kB",
    "ordered": "results in the order of the legs",
    "longest": "longest step, ms of CPU",
    "own": "… without garbage collection",
    "slow": "steps over 1 ms without garbage collection",
    "young": "longest collection of the young (generations 0 and 1), ms of CPU",
    "old": "longest collection of everything (generation 2), ms of CPU",
    "olds": "collections of everything",
    "complaints": "complaints of asyncio's debug mode",
}


def client(url: str, quota: Quota) -> Client:
    """Return one with a limiter of its own."""
    credentials = Credentials(KEYS, SECRET, PASSPHRASE)
    return Client(credentials, user_id="1", base_url=url, limiter=Limiter(quota))


def legs(count: int, keys: int) -> list[ClosePosition]:
    """Return so many legs over so many keys, told apart by their ids."""
    return [ClosePosition(f"C{n % keys}-USDT-SWAP", "cross", cl_ord_id=f"n{n}") for n in range(count)]


async def batch(url: str, keys: int, quota: Quota) -> dict[str, float]:
    """Close 1,000 legs."""
    wanted = legs(1000, keys)
    async with client(url, quota) as ours:
        await ours.warm_up(256)
        await ours.close_positions(legs(100, 100))
        begun = time.perf_counter()
        results = await ours.close_positions(wanted)
        rate = len(wanted) / (time.perf_counter() - begun)
        if not all(result.ok for result in results):
            raise RuntimeError("a leg failed")
    async with client(url, quota) as ours:
        await ours.warm_up(256)
        tracemalloc.start()
        results = await ours.close_positions(wanted)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    found = {
        "rate": rate,
        "memory": peak / len(wanted) / 1024,
        "ordered": float([result.request for result in results] == wanted),
    }
    if keys == 1:
        rounds_of = quota.per + 0.003 + DELAY
        found["share"] = rate / (quota.limit / rounds_of)
    return found


class Steps:
    """Times every callback of the loop."""

    def __init__(self) -> None:
        self.longest = self.own = 0.0
        self.slow = 0
        self.pauses: tuple[list[float], list[float], list[float]] = ([], [], [])
        """Of the collector, by generation."""
        self._collecting = 0.0
        self._began = 0.0

    def _collector(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.thread_time()
        else:
            took = time.thread_time() - self._began
            self._collecting += took
            self.pauses[info["generation"]].append(took)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Watch all loops of this process."""
        handle: Any = asyncio.Handle
        run = handle._run  # noqa: SLF001 - there is no public place to stand

        def timed(this: Any) -> None:
            self._collecting = 0.0
            begun = time.thread_time()
            run(this)
            took = time.thread_time() - begun
            self.longest = max(self.longest, took)
            own = took - self._collecting
            self.own = max(self.own, own)
            self.slow += own > 0.001  # noqa: PLR2004 - a millisecond

        handle._run = timed  # noqa: SLF001
        gc.callbacks.append(self._collector)
        try:
            yield
        finally:
            gc.callbacks.remove(self._collector)
            handle._run = run  # noqa: SLF001


class Complaints(logging.Handler):
    """Counts them."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count one."""
        self.count += "Executing" in record.msg

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Listen, with the collector off: it alone takes longer than asyncio allows a step."""
        gc.disable()
        logger = logging.getLogger("asyncio")
        logger.addHandler(self)
        try:
            yield
        finally:
            logger.removeHandler(self)
            gc.enable()


async def waiting(url: str, watcher: Steps | Complaints) -> None:
    """Have 10,000 closes wait, until the second window has been granted."""
    many = legs(10_000, 100)
    async with client(url, Quota()) as ours:
        await ours.warm_up(256)
        task = asyncio.ensure_future(ours.close_positions(many))
        with watcher.watch():
            await asyncio.sleep(SECONDS)
        task.cancel()  # all in one step, so that not one more goes out: not part of the figure
        await asyncio.wait({task})


def job(name: str, url: str) -> dict[str, float]:
    """Measure one thing in this process."""
    if name == "1,000 legs, 1,000 keys":
        return asyncio.run(batch(url, 1000, Quota()))
    if name == "1,000 legs, one key":
        return asyncio.run(batch(url, 1, Quota(20, 0.1)))
    if name == FROZEN:
        gc.collect()
        gc.freeze()
    steps, complaints = Steps(), Complaints()
    logging.getLogger("okx_async").setLevel(logging.CRITICAL)  # it tells of every close that is cancelled
    asyncio.run(waiting(url, steps))
    if name != FROZEN:
        asyncio.run(waiting(url, complaints), debug=True)
    first, second, old = steps.pauses
    return {
        "longest": steps.longest * 1e3,
        "own": steps.own * 1e3,
        "slow": float(steps.slow),
        "young": max(first + second, default=0.0) * 1e3,
        "old": max(old, default=0.0) * 1e3,
        "olds": float(len(old)),
    } | ({} if name == FROZEN else {"complaints": float(complaints.count)})


JOBS = ("1,000 legs, 1,000 keys", "1,000 legs, one key", "10,000 legs, 100 keys", FROZEN)


def _shown(kind: str, figures: Sequence[float]) -> str:
    if not figures:
        return "-"
    if kind == "ordered":
        return "yes" if all(figures) else "no"
    return spread(figures, {"rate": 0, "slow": 0, "olds": 0, "complaints": 0, "memory": 1}.get(kind, 2))


def main() -> None:
    """Run all and print the table."""
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--job", nargs=2, metavar=("NAME", "URL"), help="one of them, in this process")
    args = parser.parse_args()
    if args.job:
        print(json.dumps(job(*args.job)))
        return
    with standin(DELAY) as place:
        found = rounds("benchmarks.batches", [[name, place.plain] for name in JOBS], args.rounds)
    report = Report("Batches of okx_async: median (least to most)", ["", *JOBS], [])
    for kind, title in TITLES.items():
        report.add(title, *(_shown(kind, [one[kind] for one in found[name] if kind in one]) for name in JOBS))
    report.notes.append(f"{args.rounds} rounds, a fresh process for each.")
    report.raw = {"figures": found}
    report.publish(args.json)


if __name__ == "__main__":
    main()
