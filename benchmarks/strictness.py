"""How many requests each limiter lets into 2 s where they are counted: at the exchange, over four networks.

Run: python -m benchmarks.strictness [--seeds N] [--requests N] [--profiles NAME ...] [--folder DIR]

The exchange is simulated, runs in a process of its own behind a network, counts arrivals by itself and is the judge.
All limiters run at once, each on an account and key of its own, with the same bare client; every request asks its
limiter for 20 per 2 s and is sent once. docs/benchmarks.md tells what the columns are.
"""

import asyncio
import gc
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from multiprocessing.connection import Connection

import aiohttp

from benchmarks._network import PROFILES, wire
from benchmarks._processes import serving
from benchmarks._table import Report, arguments, spread
from benchmarks.clients import PATH, headers
from benchmarks.peers import NAMES, OURS, Limited, installed
from benchmarks.peers.ours import Ours
from okx_async.simulator import SimulatedExchange

LIMIT, PER = 20, 2.0
PATIENCE = 60.0  # s for one run; the slowest need about 30


@dataclass(frozen=True, slots=True)
class Run:
    """One limiter over one network with one seed; times in seconds."""

    limiter: str
    profile: str
    seed: int
    worst: int
    refused: int
    unanswered: int
    rate: float
    """Over the best provable one."""
    mean_rtt: float
    arrivals: Sequence[float]


async def judge(pipe: Connection, profile: str, seed: int, accounts: int) -> None:
    """Run the exchange; send where and by which keys it is reached, later each account's arrivals, worst, refused."""
    async with SimulatedExchange(seed=seed) as exchange:
        server = await wire(profile, seed, int(exchange.base_url.rpartition(":")[2]))
        users = [exchange.add_account() for _ in range(accounts)]
        keys = [(u.credentials.api_key, u.credentials.secret_key, u.credentials.passphrase) for u in users]
        pipe.send((f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", keys))
        gc.freeze()
        await asyncio.to_thread(pipe.recv)
        for user in users:
            rows = [row for row in exchange.journal if row.uid == user.user_id and row.key]
            worst = exchange.worst_window(rows[0].key) if rows and rows[0].key else 0
            pipe.send(([row.at for row in rows], worst, sum(row.uid == user.user_id for row in exchange.rejections)))
        server.close()


async def drive(limited: Limited, url: str, keys: Sequence[str], requests: int, delay: float) -> list[float]:
    """Send so many requests through a limiter, all wanted at once `delay` s from now; return their round trips."""
    trips: list[float] = []
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    async with aiohttp.ClientSession(url, connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http:

        async def warm_up() -> None:
            async with http.get("/api/v5/public/time") as response:
                await response.read()

        async def request() -> None:
            async with limited.slot("key"):
                begun = time.monotonic()
                body = json.dumps({"instId": "BTC-USDT-SWAP", "mgnMode": "cross"})
                async with http.post(PATH, data=body, headers=headers(body, keys)) as response:
                    await response.json()
                trips.append(time.monotonic() - begun)

        # Cold connections would make the first requests late and the next ones crowd.
        await asyncio.gather(*(warm_up() for _ in range(2 * LIMIT)))
        await asyncio.sleep(delay)
        tasks = [asyncio.create_task(request()) for _ in range(requests)]
        _, late = await asyncio.wait(tasks, timeout=PATIENCE)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return trips


def one_round(makes: dict[str, Callable[[], Limited]], profile: str, seed: int, requests: int) -> list[Run]:
    """Run every limiter over one network, each a little after the last: their bursts must not delay one another."""
    runs = []
    with serving(judge, profile, seed, len(makes)) as pipe:
        url, keys = pipe.recv()

        async def together() -> list[list[float]]:
            limited = [make() for make in makes.values()]
            gc.collect()
            gc.freeze()
            delays = (1 + PER * place / len(limited) for place in range(len(limited)))
            drives = (drive(one, url, key, requests, at) for one, key, at in zip(limited, keys, delays, strict=True))
            return await asyncio.gather(*drives)

        all_trips = asyncio.run(together())
        pipe.send("count")
        for name, trips in zip(makes, all_trips, strict=True):
            at, worst, refused = pipe.recv()
            mean = statistics.mean(trips)
            rate = (len(at) - LIMIT) / (at[-1] - at[0]) / (LIMIT / (PER + mean))
            arrivals = [round(one - at[0], 6) for one in at]
            runs.append(Run(name, profile, seed, worst, refused, requests - len(trips), rate, mean, arrivals))
    return runs


def main() -> None:
    """Run all profiles and seeds and print the table."""
    parser = arguments(__doc__, only=NAMES, seeds=3, requests=140)
    parser.add_argument("--profiles", nargs="+", default=list(PROFILES), choices=PROFILES, metavar="NAME")
    args = parser.parse_args()
    peers = installed(args.only)
    runs: list[Run] = []
    for seed in range(1, args.seeds + 1):
        for name in args.profiles:
            makes: dict[str, Callable[[], Limited]] = {}
            for peer in peers:
                makes[peer.name] = partial(peer.make, LIMIT, PER)
                if peer.name == OURS:
                    makes[f"{OURS}, floor"] = partial(Ours, LIMIT, PER, rtt_floor=2 * PROFILES[name].least)
            runs += one_round(makes, name, seed, args.requests)
    columns = ["", *(f"{name}: {PROFILES[name].words}" for name in args.profiles)]
    report = Report("strictness", "Worst 2 s window / refused / rate over the best provable", columns, peers)
    for limiter in dict.fromkeys(run.limiter for run in runs):
        cells = []
        for profile in args.profiles:
            mine = [run for run in runs if (run.limiter, run.profile) == (limiter, profile)]
            worst, refused = max(run.worst for run in mine), sum(run.refused for run in mine)
            cells.append(f"{worst} / {refused} / {spread((run.rate for run in mine), 2)}")
        report.add(limiter, *cells)
    if lost := sum(run.unanswered for run in runs):
        report.notes.append(f"Unanswered within {PATIENCE:g} s: {lost} requests.")
    report.notes.append(
        f"{args.requests} requests each, {args.seeds} seeds: worst is the maximum, refusals the sum, rate the median "
        "(least to most) over the seeds."
    )
    report.raw = {"runs": [asdict(run) for run in runs]}
    report.publish(args.folder)
    if args.folder and find_spec("matplotlib"):
        from benchmarks._plots import landing, windows  # noqa: PLC0415 - matplotlib need not be installed

        drawn = [(run.limiter, run.profile, run.arrivals) for run in runs if run.seed == 1]
        windows(drawn, args.folder / "windows.png")
        landing(drawn, args.folder)


if __name__ == "__main__":
    main()
