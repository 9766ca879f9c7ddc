"""How many requests one limiter lets into 2 s where they are counted: at the exchange, over four networks.

Run: python -m benchmarks.strictness [--seeds N] [--requests N] [--json FILE] [--plots DIR]

The exchange is simulated, runs in a process of its own behind a network, counts arrivals by itself and is the judge.
All limiters run at once, each on an account and key of its own, with the same bare client; every request asks its
limiter for 20 per 2 s and is sent once. `okx_async, floor` is told the profile's true least round trip.

Columns: the most arrivals in any 2 s over all seeds (the limit is 20); requests that the exchange refused; the rate,
(n - 20) / (last - first arrival), over the best provable one, 20 / (2 + mean round trip), with the round trips that
this very limiter's requests had.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks._close import BareClient, session
from benchmarks._judge import Access, judge
from benchmarks._network import PROFILES
from benchmarks._table import Report, arguments, peers_of, spread
from benchmarks.peers import Limited
from benchmarks.peers.okx_async import Ours

LIMIT, PER = 20, 2.0
INST_ID = "BTC-USDT-SWAP"
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
    arrivals: tuple[float, ...]


async def drive(limited: Limited, access: Access, requests: int, delay: float) -> list[float]:
    """Send so many requests through a limiter, all wanted at once `delay` s from now; return their round trips."""
    trips: list[float] = []
    async with session() as http:
        client = BareClient(access, http)
        await client.warm_up(2 * LIMIT)
        await asyncio.sleep(delay)

        async def request() -> None:
            async with limited.slot("key"):
                begun = time.monotonic()
                await client.close(INST_ID)
                trips.append(time.monotonic() - begun)

        tasks = [asyncio.create_task(request()) for _ in range(requests)]
        _, late = await asyncio.wait(tasks, timeout=PATIENCE)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return trips


async def together(limited: Sequence[Limited], accesses: Sequence[Access], requests: int) -> list[list[float]]:
    """Let all limiters work at once, each a little after the last: their bursts must not delay one another."""
    gc.collect()
    gc.freeze()
    delays = [1 + PER * place / len(limited) for place in range(len(limited))]
    return await asyncio.gather(
        *(drive(one, access, requests, delay) for one, access, delay in zip(limited, accesses, delays, strict=True))
    )


def one_round(makes: dict[str, Callable[[], Limited]], profile: str, seed: int, requests: int) -> list[Run]:
    """Run every limiter over one network."""
    with judge(profile, seed, len(makes)) as (accesses, count):

        async def run() -> list[list[float]]:
            return await together([make() for make in makes.values()], accesses, requests)

        trips = asyncio.run(run())
        counted = count()
    runs = []
    for name, access, of_one in zip(makes, accesses, trips, strict=True):
        seen = counted[access.user_id]
        mean = statistics.mean(of_one)
        rate = (len(seen.arrivals) - LIMIT) / (seen.arrivals[-1] - seen.arrivals[0])
        first = seen.arrivals[0]
        runs.append(
            Run(
                name,
                profile,
                seed,
                seen.worst,
                seen.refused,
                requests - len(of_one),
                rate / (LIMIT / (PER + mean)),
                mean,
                tuple(round(at - first, 6) for at in seen.arrivals),
            )
        )
    return runs


def tabulate(report: Report, runs: Sequence[Run], profiles: Sequence[str]) -> None:
    """Fill the table: a row for each limiter, a column for each network."""
    for name in dict.fromkeys(run.limiter for run in runs):
        cells = []
        for profile in profiles:
            mine = [run for run in runs if run.limiter == name and run.profile == profile]
            cells.append(
                f"{max(run.worst for run in mine)} / {sum(run.refused for run in mine)} / "
                + spread((run.rate for run in mine), 2)
            )
        report.add(name, *cells)
    lost = sum(run.unanswered for run in runs)
    if lost:
        report.notes.append(f"Unanswered within {PATIENCE:g} s: {lost} requests.")


def main() -> None:
    """Run all profiles and seeds and print the table."""
    parser = arguments(__doc__, seeds=3, requests=140)
    parser.add_argument("--profiles", nargs="+", default=list(PROFILES), choices=PROFILES, metavar="NAME")
    parser.add_argument("--plots", type=Path, default=Path("build/bench"), metavar="DIR")
    args = parser.parse_args()
    peers = peers_of(args)
    runs: list[Run] = []
    report = Report(
        "Worst 2 s window / refused / rate over the best provable",
        ["", *(f"{name}: {PROFILES[name].words}" for name in args.profiles)],
        peers,
    )
    for seed in range(1, args.seeds + 1):
        for name in args.profiles:
            floor = 2 * PROFILES[name].least
            makes: dict[str, Callable[[], Limited]] = {}
            for peer in peers:
                makes[peer.name] = lambda peer=peer: peer.make(LIMIT, PER)  # type: ignore[misc]
                if peer.name == "okx_async":
                    makes["okx_async, floor"] = lambda floor=floor: Ours(LIMIT, PER, rtt_floor=floor)  # type: ignore[misc]
            runs += one_round(makes, name, seed, args.requests)
    tabulate(report, runs, args.profiles)
    report.notes.append(
        f"{args.requests} requests each, {args.seeds} seeds: worst is the maximum, refusals the sum, rate the median "
        "(least to most) over the seeds."
    )
    report.raw = {"runs": [asdict(run) for run in runs]}
    report.publish(args.json)
    try:
        from benchmarks._plots import windows  # noqa: PLC0415 - matplotlib is not needed for the table
    except ImportError:
        return
    windows([(run.limiter, run.profile, run.arrivals) for run in runs if run.seed == 1], args.plots)


if __name__ == "__main__":
    main()
