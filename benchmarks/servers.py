"""What the limits of programs cost a Redis or Valkey server: CPU, round trips, memory, and how soon it hears of an end.

Run: python -m benchmarks.servers [--rounds N] [--calls N] [--keys N] [--folder DIR]

*Server*: PING, and the ask for a slot with the end of the last one of its key, by one connection: one by one, and 50 at
once. The bare PING is written and read by the connection alone; `ping()` is that of the library's client, of the one
that waits and of the one for event loops. *Take* is what a program awaits for a slot, one after another, that are all
held until the last one is there; *slot* is that and its end, which a thread tells while the next ones are asked for.
CPU is what the server says of its main thread; a core's share is what that leaves room for in a second.

*Memory*: so many keys with one slot out and with all 20, by the server's own account, and what an ask costs among them.
Slots are kept for an hour here, so that none comes back meanwhile. `--keys 1000000` is for a run of its own.
"""

import asyncio
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import Any

import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from benchmarks._table import Report, arguments, ratios, spread
from okx_async import Quota
from okx_async.stores import RedisLimiter
from okx_async.stores._agent.waiters import Key, Note
from okx_async.stores._redis.address import read_address
from okx_async.stores._redis.link import Link
from okx_async.stores._redis.messages import Visit, bucket_name
from okx_async.stores._redis.store import RedisStore
from okx_async.stores.clocks import shared_clock
from okx_async.stores.lease import Terms
from okx_async.stores.line import Ask
from tests.stores.servers import Server

QUOTA = Quota(20, 2.0)
HOLDER = f"{os.getpid()}@host.example-000000000000"
AT_ONCE = 50
IN_A_RUN = 1000
"""What one loop awaits, from its begin to its end."""
BARE, THEIRS = "bare PING, one by one", "redis-py's ping() in a loop, one by one"
PREFIX = "okx-async"


class Client:
    """One program's connection."""

    def __init__(self, server: Server, lease: float = 8.0) -> None:
        self.store = RedisStore(read_address(server.url), Terms(lease=lease), PREFIX, clock=shared_clock, slack=1.0)
        self.store.transact(lambda store: store.vouch(), 0.0)
        self._last: dict[Key, str] = {}
        self._numbers = itertools.count()

    @property
    def link(self) -> Link:
        """The connection to the one server."""
        return self.store.nodes.links[0]

    def ping(self, count: int) -> None:
        """Send so many PINGs in one round trip."""
        self.link.commands([("PING",)] * count)

    def ask(self, keys: list[Key], *, settles: bool = True) -> None:
        """Ask for a slot of each key in one round trip, and tell that the last one of it was settled."""
        visits = []
        for key in keys:
            last, token = self._last.get(key), os.urandom(12).hex()
            notes = (Note("settle", last, shared_clock()),) if last is not None and settles else ()
            self._last[key] = token
            waiter = f"{HOLDER}.{next(self._numbers):012}"
            visits.append(Visit(key, QUOTA, notes, [Ask(waiter, token, stays=False)], serve=True))
        self.store.transact(lambda store: store.visit(visits, HOLDER, shared_clock()), 0.0)

    def cpu(self) -> float:
        """Return the seconds of CPU that the server's main thread has used."""
        found = self._info("cpu")
        return float(found["used_cpu_user_main_thread"]) + float(found["used_cpu_sys_main_thread"])

    def memory(self) -> int:
        """Return the bytes that the server uses."""
        return int(self._info("memory")["used_memory"])

    def _info(self, section: str) -> dict[str, str]:
        [found] = self.link.commands([("INFO", section)])
        return dict(line.split(":", 1) for line in found.decode().splitlines() if ":" in line)


def library(server: Server, kind: Any = redis.Redis) -> Any:
    """Return the library's own client, without retries."""
    return kind.from_url(server.url, retry=Retry(NoBackoff(), 0))


def keys_of(number: int, start: int = 0) -> list[Key]:
    """Return so many keys as a client has them."""
    return [("live", "44705892393021636", f"I{start + place}-USDT-SWAP") for place in range(number)]


def timed(client: Client, act: Callable[[], object], calls: int, each: int) -> tuple[float, float]:
    """Return the µs that a call took, and of the server's CPU; an act may return the seconds that count."""
    cpu, took = client.cpu(), 0.0
    for _ in range(calls // each):
        begun = time.perf_counter()
        counted = act()
        took += counted if isinstance(counted, float) else time.perf_counter() - begun
    used = client.cpu() - cpu
    count = calls // each * each
    return 1e6 * took / count, 1e6 * used / count


def server_costs(args: Any) -> None:
    """Publish what the server does for an ask, beside a PING."""
    keys = keys_of(2000)
    found: dict[str, list[tuple[float, float]]] = {}
    lags: list[float] = []
    in_a_run = min(IN_A_RUN, args.calls)
    for _ in range(args.rounds):
        server = Server()
        client = Client(server)
        turn = itertools.cycle(keys)
        batches = itertools.cycle([keys[at : at + AT_ONCE] for at in range(0, len(keys), AT_ONCE)])
        slots = itertools.cycle(keys_of(2000, 500_000))
        scenes: dict[str, tuple[Callable[[], object], int]] = {
            BARE: (lambda: client.ping(1), 1),  # noqa: B023 - called in this round
            "redis-py's ping() that waits, one by one": (library(server).ping, 1),
            "ask and settle, one by one": (lambda: client.ask([next(turn)]), 1),  # noqa: B023
            THEIRS: (lambda: asyncio.run(awaited_pings(server, in_a_run)), in_a_run),  # noqa: B023
            "take of RedisLimiter, one by one": (
                lambda: asyncio.run(awaited_takes(server, islice(slots, in_a_run))),  # noqa: B023
                in_a_run,
            ),
            "slot of RedisLimiter, one by one": (
                lambda: asyncio.run(awaited_slots(server, islice(slots, in_a_run))),  # noqa: B023
                in_a_run,
            ),
            f"bare PING, {AT_ONCE} at once": (lambda: client.ping(AT_ONCE), AT_ONCE),  # noqa: B023
            f"ask and settle, {AT_ONCE} at once": (lambda: client.ask(next(batches)), AT_ONCE),  # noqa: B023
        }
        for name, (act, each) in scenes.items():
            act()
            found.setdefault(name, []).append(timed(client, act, args.calls, each))
        lags += asyncio.run(settle_lags(server, client, args.calls // 100))
        client.store.close()
        server.close()
    columns = ["", "round trip each, us", f"of {THEIRS}", f"of {BARE}", "server's CPU each, us", "a second and core"]
    report = Report("server", "What an ask costs a server", columns)
    of = [[trip for trip, _ in found[name]] for name in (THEIRS, BARE)]
    for name, figures in found.items():
        trips, used = [trip for trip, _ in figures], [cpu for _, cpu in figures]
        core = [1e6 / cpu for cpu in used if cpu]
        shares = (spread(ratios(trips, pings), 2) for pings in of)
        report.add(name, spread(trips, 1), *shares, spread(used, 1), spread(core))
    milliseconds = sorted(1e3 * lag for lag in lags)
    report.notes.append(
        f"{args.rounds} rounds of {args.calls:,} calls. The server hears of the end of a request after "
        f"{statistics.median(milliseconds):.1f} ms at the median, {milliseconds[-1]:.1f} ms at most "
        f"({len(milliseconds)} ends one by one)."
    )
    report.raw = {"scenes": found, "lags": lags}
    report.publish(args.folder)


async def awaited_pings(server: Server, count: int) -> None:
    """Await PING by the library's client for loops, one by one."""
    theirs = library(server, redis.asyncio.Redis)
    for _ in range(count):
        await theirs.ping()
    await theirs.aclose()


async def awaited_takes(server: Server, keys: Iterable[Key]) -> float:
    """Take slots, one by one, and end them when all are there; return the seconds that the program waited for them."""
    limiter = RedisLimiter(server.url, QUOTA, prefix=PREFIX)
    slots = [limiter.slot(key) for key in keys]
    begun = time.perf_counter()
    for slot in slots:
        await slot.__aenter__()
    waited = time.perf_counter() - begun
    for slot in slots:
        slot.settle()
    await limiter.recall("nothing")  # by now all ends are told
    await limiter.aclose()
    return waited


async def awaited_slots(server: Server, keys: Iterable[Key]) -> None:
    """Take slots, one by one, and end each before the next one, as a program does."""
    limiter = RedisLimiter(server.url, QUOTA, prefix=PREFIX)
    for key in keys:
        async with limiter.slot(key) as slot:
            slot.check()
            slot.settle()
    await limiter.aclose()


async def settle_lags(server: Server, client: Client, count: int) -> list[float]:
    """Return after how many seconds the server knows of the ends of requests, one by one."""
    limiter, found = RedisLimiter(server.url, QUOTA, prefix=PREFIX), list[float]()
    for key in keys_of(max(3, count), 1_000_000):
        name = bucket_name(PREFIX, key)
        async with limiter.slot(key):
            await asyncio.sleep(0.001)
            [before] = client.link.commands([("GET", name)])
        begun = time.perf_counter()
        while client.link.commands([("GET", name)]) == [before]:  # noqa: ASYNC110
            await asyncio.sleep(0.0002)  # the server is another process
        found.append(time.perf_counter() - begun)
    await limiter.aclose()
    return found


def memory(args: Any) -> None:
    """Publish what keys take."""
    columns = ["", "bytes a key", "asks a second while they came", "an ask among them, us"]
    report = Report("server-memory", "What keys take in a server", columns)
    raw = report.raw = {}
    for out, count in ((1, args.keys), (QUOTA.limit, max(1, args.keys // QUOTA.limit))):
        server = Server()
        client = Client(server, lease=3600.0)
        keys, empty = keys_of(count), client.memory()
        begun = time.perf_counter()
        for _ in range(out):
            for start in range(0, count, 500):
                client.ask(keys[start : start + 500], settles=False)
        took = time.perf_counter() - begun
        used = (client.memory() - empty) / count
        turn = itertools.cycle(keys_of(1000, count))
        trip, _ = timed(client, lambda turn=turn, client=client: client.ask([next(turn)]), 1000, 1)  # type: ignore[misc]
        name = f"{count:,} keys with {out} slot{'s' * (out > 1)} out"
        report.add(name, f"{used:,.0f}", f"{count * out / took:,.0f}", f"{trip:.0f}")
        raw[name] = {"bytes": used, "seconds": took, "us": trip}
        client.store.close()
        server.close()
    report.notes.append("By the server's used_memory, before and after.")
    report.publish(args.folder)


def main() -> None:
    """Run the tables."""
    parser = arguments(__doc__, tables=("server", "server-memory"), rounds=5, calls=20_000, keys=20_000)
    args = parser.parse_args()
    for name, table in (("server", partial(server_costs, args)), ("server-memory", partial(memory, args))):
        if name in args.tables:
            table()


if __name__ == "__main__":
    main()
