"""The cost of a limiter, ours and every peer's: a free slot, a grant with few and with many in line, bytes of memory.

Run: python -m benchmarks.micro [--tables slots loops grants memory] [--rounds N] [--folder DIR]

docs/benchmarks.md tells what each table counts. Every figure comes from a fresh process, all subjects taking turns
within a round; of slots, a run of ours stands right before each other run, for the ratios of such neighbours.
"""

import argparse
import asyncio
import gc
import itertools
import statistics
import sys
import threading
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext

from benchmarks._processes import fresh, in_turns
from benchmarks._table import Report, arguments, ratios, spread
from benchmarks.peers import NAMES, OURS, Limited, Peer, installed, load
from okx_async import Limiter, Quota

LIMIT, PER = 20, 2.0
SCENES = {"one": "one key", "many": "10,000 keys", "new": "new keys"}
KEYS = [f"KEY-{number}" for number in range(10_000)]
WARM = 1_000  # calls before the clock starts: the interpreter specialises code that runs often
WAYS = ("one loop", "the other loop rests", "both at once")
SHORT = 0.001  # s: tokens come back soon, so that the heap of those that are out stays short
GRANTS, EVERY, LINES = 5, 0.05, (10, 10_000)


class Loop:
    """The loop alone."""

    async def spin(self, keys: Iterable[str]) -> None:
        """Do nothing for each key."""
        for _ in keys:
            pass


class Block(Loop):
    """An `async with` for each key, that keeps no window and no keys."""

    def __init__(self, block: AbstractAsyncContextManager[object]) -> None:
        self._block = block

    async def spin(self, keys: Iterable[str]) -> None:
        """Enter and leave it for each key."""
        block = self._block
        for _ in keys:
            async with block:
                pass


BESIDE: dict[str, Callable[[], Loop]] = {
    "loop alone": Loop,  # which is part of every figure
    "empty async with": lambda: Block(nullcontext()),  # no limiter that is used by one can cost less
    "asyncio.Semaphore": lambda: Block(asyncio.Semaphore(LIMIT)),
}


async def timed(limited: Loop | Limited, warm: Iterable[str], keys: Iterable[str]) -> float:
    """Return the seconds of CPU, of all threads, that the loop over `keys` takes."""
    await limited.spin(warm)
    gc.collect()
    gc.freeze()
    begun = time.process_time()  # other work on the machine disturbs it less than a wall clock
    await limited.spin(keys)
    return time.process_time() - begun


def slot_job(name: str, calls: int) -> dict[str, float]:
    """Return nanoseconds of CPU a call."""
    peer = None if name in BESIDE else load(name)
    make: Callable[[], Loop | Limited] = peer.free if peer else BESIDE[name]
    kept = peer.kept or peer.free if peer else make
    found = {}
    for scene, limited, warm, keys in (
        ("one", make, itertools.repeat("key", WARM), itertools.repeat("key", calls)),
        ("many", kept, KEYS, itertools.islice(itertools.cycle(KEYS), calls)),
        ("new", make, (f"WARM-{i}" for i in range(WARM)), [f"NEW-{i}" for i in range(calls)]),
    ):
        found[scene] = asyncio.run(timed(limited(), warm, keys)) / calls * 1e9
        gc.unfreeze()
    return found


def slots(peers: Sequence[Peer], rounds: int, args: argparse.Namespace) -> Report:
    """Return what a free slot costs."""
    report = Report("slots", "A free slot, ns of CPU a call: median (least to most)", ["", *SCENES.values()], peers)
    names = [*BESIDE, *(peer.name for peer in peers)]
    others = [name for name in names if name != OURS]
    found = {name: defaultdict[str, list[float]](list) for name in names}
    beside = {name: defaultdict[str, list[float]](list) for name in others}
    for name in in_turns(rounds, others):
        for scene, ns in fresh(slot_job, OURS, args.calls).items() if OURS in names else ():
            found[OURS][scene].append(ns)
            beside[name][scene].append(ns)
        for scene, ns in fresh(slot_job, name, args.calls).items():
            found[name][scene].append(ns)
    for name in names:
        report.add(name, *(spread(found[name][scene]) for scene in SCENES))
    for title, among in (
        ("okx_async / fastest `async with`", [name for name in others if name == "aiolimiter"]),
        ("okx_async / fastest of all", [name for name in others if name not in BESIDE]),
    ):
        if among and OURS in names:
            cells = []
            for scene in SCENES:
                of_each = {name: ratios(beside[name][scene], found[name][scene]) for name in among}
                fastest = max(of_each, key=lambda name: statistics.median(of_each[name]))
                cells.append(f"{spread(of_each[fastest], 2)} of {fastest}")
            report.add(title, *cells)
    report.notes.append(f"{rounds} rounds, {args.calls:,} calls each, a fresh process for each subject and round.")
    report.raw = {"ns_a_call": found, "ours_beside": beside}
    return report


async def take(limiter: Limiter, calls: int) -> None:
    """Take and leave a slot of the one key, so many times."""
    for _ in range(calls):
        async with limiter.slot("key"):
            pass


async def shared(calls: int, at_once: int) -> float:
    """Return nanoseconds of CPU a call in a loop that shares its key with another one, which takes `at_once` slots."""
    limiter, ready, done = Limiter(Quota(10**9, SHORT)), threading.Event(), threading.Event()

    async def beside() -> None:
        await take(limiter, WARM)
        ready.set()
        await take(limiter, at_once)
        await asyncio.to_thread(done.wait)

    await take(limiter, WARM)
    thread = threading.Thread(target=asyncio.run, args=(beside(),))
    thread.start()
    await asyncio.to_thread(ready.wait)
    begun = time.process_time()
    await take(limiter, calls)
    cpu = time.process_time() - begun
    done.set()
    thread.join()
    return cpu / (calls + at_once) * 1e9


async def alone(calls: int) -> float:
    """Return nanoseconds of CPU a call in a loop that has its key for itself."""
    limiter = Limiter(Quota(10**9, SHORT))
    await take(limiter, WARM)
    begun = time.process_time()
    await take(limiter, calls)
    return (time.process_time() - begun) / calls * 1e9


def loops_job(calls: int) -> list[float]:
    """Return the same of all ways, one after another."""
    return [asyncio.run(alone(calls)), asyncio.run(shared(calls, 0)), asyncio.run(shared(calls, calls))]


def loops(peers: Sequence[Peer], rounds: int, args: argparse.Namespace) -> Report:
    """Return what a free slot costs where two event loops in two threads use one key; only ours can be used so."""
    report = Report("loops", "A free slot of a key in two loops, ns of CPU: median (least to most)", ["", *WAYS], peers)
    runs = [fresh(loops_job, args.calls) for _ in range(rounds)]
    report.add(OURS, *map(spread, zip(*runs, strict=True)))
    report.add("ratio to one loop", "", *(spread([run[way] / run[0] for run in runs], 2) for way in (1, 2)))
    report.notes.append(f"{rounds} rounds, {args.calls:,} calls each, a fresh process for each round.")
    report.raw = runs
    return report


async def grant(name: str, line: int, seconds: float) -> float:
    """Return microseconds of CPU a grant."""
    peer = load(name)
    limited = peer.make(GRANTS, max(EVERY, peer.least_per))
    grants = 0

    async def customer() -> None:
        nonlocal grants
        while True:
            async with limited.slot("key"):
                grants += 1
            await asyncio.sleep(0)  # to the end of the line, and not in a circle of its own

    tasks = [asyncio.create_task(customer()) for _ in range(line)]
    await asyncio.sleep(max(1.0, 2 * peer.least_per))
    gc.collect()
    gc.freeze()
    before, cpu = grants, time.process_time()
    await asyncio.sleep(seconds)
    cpu, counted = time.process_time() - cpu, grants - before
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return cpu / counted * 1e6 if counted else float("nan")


def grant_job(name: str, line: int, seconds: float) -> float:
    """Return the same from an event loop of its own."""
    return asyncio.run(grant(name, line, seconds))


def grants(peers: Sequence[Peer], rounds: int, args: argparse.Namespace) -> Report:
    """Return what a grant costs with few and with many in line."""
    columns = ["", *(f"{line:,} in line" for line in LINES), "ratio"]
    report = Report("grants", "A grant, µs of CPU: median (least to most)", columns, peers)
    found = {peer.name: {line: list[float]() for line in LINES} for peer in peers}
    for name, line in in_turns(rounds, [(name, line) for name in found for line in LINES]):
        found[name][line].append(fresh(grant_job, name, line, args.seconds))
    for name, of in found.items():
        few, many = (of[line] for line in LINES)
        report.add(name, spread(few), spread(many), f"{statistics.median(many) / statistics.median(few):.1f}")
    report.notes.append(f"{rounds} rounds of {args.seconds:g} s, a fresh process for each.")
    report.raw = found
    return report


def traced() -> int:
    """Return the bytes in use, as tracemalloc counts them: only what Python allocates."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


class Gate:
    """A place to wait that is common to all tasks, and nothing beside."""

    def __init__(self) -> None:
        self._future = asyncio.get_running_loop().create_future()

    def __aenter__(self) -> asyncio.Future[None]:
        return self._future

    async def __aexit__(self, *_: object) -> None:
        pass


async def waiter(limited: Limited | None, many: int) -> float:
    """Return the bytes of a task that waits, in a line or at a gate."""

    async def customer(slot: AbstractAsyncContextManager[object] | Gate) -> None:
        async with slot:
            pass

    gate = Gate()
    if limited is not None:
        for _ in range(LIMIT):  # from here on all wait
            await customer(limited.slot("key"))
    before = traced()
    tasks = [asyncio.create_task(customer(gate if limited is None else limited.slot("key"))) for _ in range(many)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    after = traced()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return (after - before) / many


async def keys(limited: Limited, many: int, per: float) -> tuple[float, float]:
    """Return the bytes of a key in use, and of one that was, its window being over and as many others used since."""
    names = [[f"{generation}-{i}" for i in range(many)] for generation in range(2)]
    await limited.spin(["first"])
    empty = traced()
    await limited.spin(names[0])
    in_use = traced() - empty
    await asyncio.sleep(per + 0.5)  # time for work that the library does by itself
    begun = time.monotonic()
    await limited.spin(names[1])
    await asyncio.sleep(0)
    left = traced() - empty - in_use
    if time.monotonic() - begun > per:
        print("the second generation outlived its window: after idle is too low", file=sys.stderr)
    return in_use / many, left / many


def memory_job(name: str, many: int) -> tuple[float, float, float]:
    """Return the bytes of a waiter beyond its task, of a key in use, and of a key after idle."""
    peer = load(name)
    per = max(PER, peer.least_per)
    tracemalloc.start()
    beyond = asyncio.run(waiter(peer.make(LIMIT, per), many)) - asyncio.run(waiter(None, many))
    return beyond, *asyncio.run(keys(peer.make(LIMIT, per), many, per))


def memory(peers: Sequence[Peer], rounds: int, args: argparse.Namespace) -> Report:
    """Return what is allocated."""
    report = Report("memory", "Bytes", ["", "a waiter beyond its task", "a key in use", "a key after idle"], peers)
    found = {peer.name: [fresh(memory_job, peer.name, args.many) for _ in range(rounds)] for peer in peers}
    for name, runs in found.items():
        report.add(name, *map(spread, zip(*runs, strict=True)))
    report.notes.append("Without spread: tracemalloc counts the same bytes in every run.")
    report.raw = found
    return report


TABLES = {"slots": (slots, 9), "loops": (loops, 9), "grants": (grants, 3), "memory": (memory, 1)}


def main() -> None:
    """Make the tables that are asked for, or all; each has its own number of rounds, if none is given."""
    args = arguments(__doc__, list(TABLES), NAMES, rounds=0, calls=20_000, seconds=3.0, many=5_000).parse_args()
    peers = installed(args.only)
    for name in args.tables:
        table, rounds = TABLES[name]
        table(peers, args.rounds or rounds, args).publish(args.folder)


if __name__ == "__main__":
    main()
