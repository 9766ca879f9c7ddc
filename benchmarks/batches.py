"""Large batches of ours: how many a second, how much memory, in which order, and how long the loop is held up.

Run: python -m benchmarks.batches [--rounds N] [--legs N] [--seconds S] [--folder DIR]

* 1,000 legs over 1,000 keys: as fast as the machine goes;
* 1,000 legs of one key: as fast as the limit lets them go, with a window of 0.1 s in place of 2 s, so that it ends;
* 10,000 legs over 100 keys, of which 8,000 stand in line: until the second window has been granted; then in asyncio's
  debug mode, collector off, the number of steps that it complains of (longer than 0.1 s);
* the same 10,000 after `gc.freeze()`, which takes all that the imports made out of the collector's sight.

A step is one callback, in CPU time of the loop's thread. The exchange is a stand-in that answers after 30 ms.
"""

import asyncio
import gc
import logging
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from benchmarks._processes import fresh, in_turns
from benchmarks._standin import standin
from benchmarks._table import Report, arguments, spread
from benchmarks.clients import KEYS
from okx_async import Client, ClosePosition, Credentials, Limiter, Quota

DELAY = 0.03
SPREAD, ONE_KEY, LINE, FROZEN = JOBS = (
    "1,000 legs, 1,000 keys",
    "1,000 legs, one key",
    "10,000 legs, 100 keys",
    "10,000 legs, 100 keys, gc.freeze() before",
)
TITLES = {  # with digits
    "rate": ("closes a second", 0),
    "share": ("of what the limit allows", 2),
    "memory": ("peak memory a leg, kB", 1),
    "ordered": ("results in the order of the legs", 0),
    "longest": ("longest step, ms of CPU", 2),
    "own": ("… without garbage collection", 2),
    "slow": ("steps over 1 ms without garbage collection", 0),
    "young": ("longest collection of the young (generations 0 and 1), ms of CPU", 2),
    "old": ("longest collection of everything (generation 2), ms of CPU", 2),
    "olds": ("collections of everything", 0),
    "complaints": ("complaints of asyncio's debug mode", 0),
}


def client(url: str, quota: Quota) -> Client:
    """Return a client with a limiter of its own."""
    return Client(Credentials(*KEYS), user_id="1", base_url=url, limiter=Limiter(quota))


def legs(count: int, keys: int) -> list[ClosePosition]:
    """Return so many legs over so many keys, told apart by their ids."""
    return [ClosePosition(f"C{n % keys}-USDT-SWAP", "cross", cl_ord_id=f"n{n}") for n in range(count)]


async def batch(url: str, wanted: list[ClosePosition], quota: Quota) -> dict[str, float]:
    """Close all legs twice: timed, and with memory traced."""
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
    share = rate / quota.limit * (quota.per + 0.003 + DELAY)
    ordered = float([result.request for result in results] == wanted)
    return {"rate": rate, "share": share, "memory": peak / len(wanted) / 1024, "ordered": ordered}


class Steps:
    """The longest callbacks of all event loops of this process, and of the garbage collector; in s of CPU."""

    def __init__(self) -> None:
        self.longest = self.own = 0.0
        self.slow = 0
        self.pauses: defaultdict[int, list[float]] = defaultdict(list)
        """Of the collector, by generation."""
        self._collecting = self._began = 0.0

    def _collector(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.thread_time()
        else:
            took = time.thread_time() - self._began
            self._collecting += took
            self.pauses[info["generation"]].append(took)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Watch."""
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


@contextmanager
def complaints(heard: list[str]) -> Iterator[None]:
    """Collect asyncio's complaints, with the collector off: it alone takes longer than asyncio allows a step."""
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: heard.append(record.msg)  # type: ignore[method-assign]
    logging.getLogger("asyncio").addHandler(handler)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        logging.getLogger("asyncio").removeHandler(handler)


async def waiting(url: str, many: list[ClosePosition], seconds: float, watching: AbstractContextManager[None]) -> None:
    """Have many closes wait, until the second window has been granted."""
    async with client(url, Quota()) as ours:
        await ours.warm_up(256)
        task = asyncio.ensure_future(ours.close_positions(many))
        with watching:
            await asyncio.sleep(seconds)
        task.cancel()  # all in one step, so that not one more goes out: not part of the figure
        await asyncio.wait({task})


def job(name: str, url: str, count: int, seconds: float) -> dict[str, float]:
    """Measure one thing."""
    if name == SPREAD:
        found = asyncio.run(batch(url, legs(count // 10, 1000), Quota()))
        del found["share"]
        return found
    if name == ONE_KEY:
        return asyncio.run(batch(url, legs(count // 10, 1), Quota(20, 0.1)))
    if name == FROZEN:
        gc.collect()
        gc.freeze()
    steps, heard = Steps(), list[str]()
    logging.getLogger("okx_async").setLevel(logging.CRITICAL)  # it tells of every close that is cancelled
    many = legs(count, 100)
    asyncio.run(waiting(url, many, seconds, steps.watch()))
    found = {
        "longest": steps.longest * 1e3,
        "own": steps.own * 1e3,
        "slow": float(steps.slow),
        "young": max(steps.pauses[0] + steps.pauses[1], default=0.0) * 1e3,
        "old": max(steps.pauses[2], default=0.0) * 1e3,
        "olds": float(len(steps.pauses[2])),
    }
    if name == LINE:
        asyncio.run(waiting(url, many, seconds, complaints(heard)), debug=True)
        found["complaints"] = float(sum("Executing" in line for line in heard))
    return found


def main() -> None:
    """Run all and print the table."""
    args = arguments(__doc__, rounds=3, legs=10_000, seconds=4.5).parse_args()  # two windows
    found: dict[str, list[dict[str, float]]] = {name: [] for name in JOBS}
    with standin(DELAY) as place:
        for name in in_turns(args.rounds, JOBS):
            found[name].append(fresh(job, name, place.plain, args.legs, args.seconds))
    report = Report("batches", "Batches of okx_async: median (least to most)", ["", *JOBS], raw={"figures": found})
    for kind, (title, digits) in TITLES.items():
        cells = [spread((run[kind] for run in found[name] if kind in run), digits) for name in JOBS]
        report.add(title, *({"1": "yes", "-": "-"}.get(cell, "no") if kind == "ordered" else cell for cell in cells))
    report.notes.append(f"{args.rounds} rounds, a fresh process for each.")
    report.publish(args.folder)


if __name__ == "__main__":
    main()
