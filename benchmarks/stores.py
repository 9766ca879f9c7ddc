"""The limiter of many processes: what a slot costs, how long it holds the event loop, and if processes share evenly.

Run: python -m benchmarks.stores [--rounds N] [--calls N] [--seconds S] [--processes N] [--folder DIR]
    [--crowds N ...] [--server URL]

*Slots*: a slot of a free key is taken, checked and settled, by one process and by several, at a pace (each 20 a
second, which is twice what a key grants) and as fast as they can. Each process has keys of its own in one file. The
loop's longest callback is timed by the wall and by the thread's CPU: with more processes than cores the wall shows how
long they wait for a core. *Its transactions* are those of a take and of a settle, without the way to the thread and
back. *One row* is the least that a limit in a file costs a loop that does not touch it: a thread writes one row.
*One row in the loop* is the least of a loop that does touch it: it writes one row for each slot of its own `Limiter`.

*Sharing*: each process always has 30 waiters at one key of 20 per 2 s, and uses a slot for 50 ms. The judge counts each
request at a random moment between its grant and its end.

With --server, a Redis or Valkey server that nothing else uses and that was vouched for, both tables have its rows too.
"""

import asyncio
import gc
import itertools
import queue
import random
import shutil
import sqlite3
import statistics
import tempfile
import threading
import time
from asyncio import events
from collections.abc import Callable
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from benchmarks._processes import at_once
from benchmarks._table import Report, arguments, spread
from okx_async import Limiter, Quota, SlotSource
from okx_async.stores import RedisLimiter, SqliteLimiter
from okx_async.stores._sqlite.transactions import Database, Transaction
from okx_async.stores.lease import Terms
from okx_async.stores.line import Ask, serve

LIMIT, PER = 20, 2.0
KEYS = 200  # of each process: few slots of any are in use
PACE = 0.05  # s between two slots of a process
WAITERS, USE = 30, 0.05  # of each process at the one key; s for which each holds its slot


class Costs(NamedTuple):
    """What a process measured: seconds."""

    slots: list[float]
    longest: float
    longest_cpu: float


def watch_callbacks() -> list[tuple[float, float]]:
    """Time every callback of the loops from now on: by the wall and by the CPU of their thread."""
    times: list[tuple[float, float]] = []
    real: Callable[..., None] = events.Handle._run  # noqa: SLF001 - the one place that all callbacks pass

    def timed(self: Any) -> None:
        wall, cpu = time.perf_counter(), time.thread_time()
        real(self)
        times.append((time.perf_counter() - wall, time.thread_time() - cpu))

    events.Handle._run = timed  # type: ignore[method-assign]  # noqa: SLF001
    return times


Place: TypeAlias = Path | str | None
"""A file, the URL of a server, or this process alone."""


def source_of(file: Place) -> SlotSource:
    """Return the limiter of that place."""
    if isinstance(file, str):
        return RedisLimiter(file, Quota(LIMIT, PER))
    return Limiter(Quota(LIMIT, PER)) if file is None else SqliteLimiter(file, Quota(LIMIT, PER))


def row_of(file: Place, number: int) -> tuple[sqlite3.Connection, Callable[[], None]]:
    """Return a connection of any thread, and what writes one row over it."""
    connection = sqlite3.connect(f"{file}", isolation_level=None, check_same_thread=False, timeout=60.0)
    for line in (
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = OFF",
        "CREATE TABLE IF NOT EXISTS row (name INTEGER PRIMARY KEY, at REAL)",
    ):
        connection.execute(line)

    def write() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT OR REPLACE INTO row VALUES (?, ?)", (number, time.monotonic()))
        connection.execute("COMMIT")

    return connection, write


def cost(file: Place, number: int, calls: int, pace: float, begin: float, *, alone: bool = False) -> Costs:
    """Take slots one after another, in a process of its own; `alone`: those of it alone, and write one row for each."""
    write = row_of(file, number)[1] if alone else None

    async def main() -> Costs:
        source = source_of(None if alone else file)
        keys = itertools.cycle((f"{number}", f"{place}") for place in range(KEYS))
        async with source.slot(("first",)):
            pass  # opens the file
        gc.collect()
        gc.freeze()
        await asyncio.sleep(max(0.0, begin - time.time()))
        del times[:]
        found = []
        for key in itertools.islice(keys, calls):
            await asyncio.sleep(pace * random.uniform(0.5, 1.5))
            started = time.perf_counter()
            async with source.slot(key) as slot:
                if write is not None:
                    write()
                slot.check()
                slot.settle()
            found.append(time.perf_counter() - started)
        seen = times[:]
        await source.aclose()
        return Costs(found, max(wall for wall, _ in seen), max(cpu for _, cpu in seen))

    times = watch_callbacks()
    return asyncio.run(main())


def bare(file: Place, number: int, calls: int, pace: float, begin: float) -> Costs:
    """Make the transactions of a take and of a settle in this thread."""
    quota, ident = Quota(LIMIT, PER), f"{number}"
    assert isinstance(file, Path)  # noqa: S101 - for the type checker
    database = Database(file, Terms())

    def take(transaction: Transaction, key: tuple[str, ...], token: str) -> None:
        bucket = transaction.bucket(key, quota)
        serve(bucket, transaction.now, ident, [Ask(token, token)], not_before=transaction.epoch.opens(quota))
        transaction.save(key, bucket)

    def settle(transaction: Transaction, key: tuple[str, ...], token: str) -> None:
        bucket = transaction.bucket(key, quota)
        bucket.settle(transaction.now, token, ident, 0.0)
        transaction.save(key, bucket)

    found = []
    time.sleep(max(0.0, begin - time.time()))
    for call in range(calls):
        time.sleep(pace * random.uniform(0.5, 1.5))
        key, token = (ident, f"{call % KEYS}"), f"{call:024}"
        started = time.perf_counter()
        database.transact(partial(take, key=key, token=token), inf)
        database.transact(partial(settle, key=key, token=token), inf)
        found.append(time.perf_counter() - started)
    database.close()
    return Costs(found, 0.0, 0.0)


def least(file: Place, number: int, calls: int, pace: float, begin: float) -> Costs:
    """Have a thread write one row, one after another."""
    connection, write = row_of(file, number)
    asked: queue.SimpleQueue[asyncio.Future[None] | None] = queue.SimpleQueue()

    def serve_all() -> None:
        while (done := asked.get()) is not None:
            write()
            done.get_loop().call_soon_threadsafe(done.set_result, None)

    async def main() -> list[float]:
        found = []
        for _ in range(calls):
            await asyncio.sleep(pace * random.uniform(0.5, 1.5))
            started = time.perf_counter()
            done = asyncio.get_running_loop().create_future()
            asked.put(done)
            await done
            found.append(time.perf_counter() - started)
        return found

    thread = threading.Thread(target=serve_all)
    thread.start()
    time.sleep(max(0.0, begin - time.time()))
    found = asyncio.run(main())
    asked.put(None)
    thread.join()
    connection.close()
    return Costs(found, 0.0, 0.0)


class Shared(NamedTuple):
    """What a process got of a key that it shares."""

    counted: list[float]
    waits: list[float]


def share(file: Place, number: int, seconds: float, begin: float) -> Shared:
    """Want more than there is, in a process of its own."""
    counted, waits = [], []

    async def want(source: SlotSource, rng: random.Random) -> None:
        while time.time() < begin + seconds:
            asked = time.monotonic()
            async with source.slot(("one key",)):
                granted = time.monotonic()
                counted.append(granted + USE * rng.random())
                waits.append(granted - asked)
                await asyncio.sleep(USE)

    async def main() -> None:
        source, rng = source_of(file), random.Random(number)
        await asyncio.sleep(max(0.0, begin - time.time()))
        tasks = [asyncio.create_task(want(source, rng)) for _ in range(WAITERS)]
        await asyncio.sleep(max(0.0, begin + seconds - time.time()))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await source.aclose()

    asyncio.run(main())
    return Shared(counted, waits)


def worst_window(counted: list[float]) -> int:
    """Count the most in any window."""
    at = sorted(counted)
    return max(sum(start <= other <= start + PER for other in at[i : i + 3 * LIMIT]) for i, start in enumerate(at))


def slots(args: Any, folder: Path) -> None:
    """Publish what a slot costs."""
    report = Report(
        "stores",
        "What a slot costs that processes share",
        ["", "take, check and settle, median us", "99th percentile, us", "longest callback, ms", "of that CPU, ms"],
    )
    many = args.processes
    scenes: list[tuple[str, Callable[..., Costs], Place, int, float]] = [
        ("Limiter, 1 process", cost, None, 1, 0.0),
        ("SqliteLimiter, 1 process", cost, folder, 1, 0.0),
        ("SqliteLimiter, 1 process, 20 a second", cost, folder, 1, PACE),
        (f"SqliteLimiter, {many} processes, 20 a second each", cost, folder, many, PACE),
        (f"SqliteLimiter, {many} processes, as fast as they can", cost, folder, many, 0.0),
        *(
            (f"SqliteLimiter, {crowd} processes, 20 a second each", cost, folder, crowd, PACE)
            for crowd in args.crowds[-1:]
        ),
        ("its transactions, 1 process", bare, folder, 1, 0.0),
        (f"its transactions, {many} processes, 20 a second each", bare, folder, many, PACE),
        ("one row, 1 process", least, folder, 1, 0.0),
        (f"one row, {many} processes, 20 a second each", least, folder, many, PACE),
        (f"one row in the loop, {many} processes, 20 a second each", partial(cost, alone=True), folder, many, PACE),
    ]
    if args.server:
        scenes += [
            ("RedisLimiter, 1 process", cost, args.server, 1, 0.0),
            ("RedisLimiter, 1 process, 20 a second", cost, args.server, 1, PACE),
            (f"RedisLimiter, {many} processes, 20 a second each", cost, args.server, many, PACE),
        ]
    raw = report.raw = {}
    for number, (name, work, place, processes, pace) in enumerate(scenes):
        rounds = []
        for turn in range(args.rounds):
            file = place / f"slots-{number}-{turn}.sqlite3" if isinstance(place, Path) else place
            calls = max(10, args.calls // 10) if pace else args.calls
            rounds.append(at_once(processes, work, file, calls, pace))
        all_slots = [sorted(1e6 * one for found in of for one in found.slots) for of in rounds]
        raw[name] = [statistics.median(of) for of in all_slots]
        report.add(
            name,
            spread(raw[name]),
            spread(of[len(of) * 99 // 100] for of in all_slots),
            *(
                "-" if work in {bare, least} else spread((1e3 * max(found[which] for found in of) for of in rounds), 2)
                for which in (1, 2)
            ),
        )
    report.notes.append(f"{args.rounds} rounds of {args.calls:,} slots a process, a tenth of that at a pace.")
    report.publish(args.folder)


def sharing(args: Any, folder: Path) -> None:
    """Publish how processes share a key."""
    report = Report(
        "sharing",
        "One key, shared by processes",
        ["", "granted a second", "least and most of a process", "longest wait, s", f"worst {PER:g} s"],
    )
    counts = dict.fromkeys((1, 2, args.processes, *args.crowds))
    places: list[tuple[str, int, Place]] = [
        ("SqliteLimiter", processes, folder / f"sharing-{processes}.sqlite3") for processes in counts
    ]
    if args.server:
        places += [("RedisLimiter", processes, args.server) for processes in counts]
    for kind, processes, place in places:
        shared = at_once(processes, share, place, args.seconds)
        counted = [at for one in shared for at in one.counted]
        line_since = min(counted) + PER + 2 * USE  # before, slots were free for all
        each = sorted(sum(at > line_since for at in one.counted) for one in shared)
        rate = (len(counted) - LIMIT) / (max(counted) - min(counted))
        longest = max(wait for one in shared for wait in one.waits)
        name = f"{kind}, {processes} process{'es' * (processes > 1)}"
        report.add(name, f"{rate:.2f}", f"{each[0]}, {each[-1]}", f"{longest:.2f}", f"{worst_window(counted)}")
    fair = LIMIT / (PER + 0.003 + USE)
    report.notes.append(
        f"{args.seconds:g} s each. What one process can be granted: {fair:.2f} a second. The first "
        "window, whose slots were free for all, is left out of the second column."
    )
    report.publish(args.folder)


def main() -> None:
    """Run the tables."""
    parser = arguments(__doc__, tables=("stores", "sharing"), rounds=3, calls=2000, seconds=30.0, processes=8)
    parser.add_argument("--server", default="", help="the URL of a Redis or Valkey server")
    crowds = "further numbers of processes; slots are taken by the last of them"
    parser.add_argument("--crowds", nargs="*", type=int, default=[10, 16], help=crowds)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        for name, table in (("stores", partial(slots, args, folder)), ("sharing", partial(sharing, args, folder))):
            if name in args.tables:
                table()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
