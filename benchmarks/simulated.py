"""The two figures of the sending half, over real sockets to the simulated exchange in the same process.

Run: python benchmarks/simulated.py [--seeds N] [--batches N]

1. 140 closes of one option family through 10 to 250 ms each way, seed by seed, all seeds at the same time: the most
   arrivals in any 2 s as counted from the exchange's journal, what it refused, and the rate
   (n - 20) / (last - first arrival) against 20 / (2 + mean round trip), which is what the settle rule allows.
2. 100 instruments closed at once at a round trip of 30 ms, the pool warmed by a first batch: time until the last
   answer, and beside it the same requests through a bare aiohttp session, in turns within one run.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
import sys
import time
from datetime import UTC, datetime

import aiohttp

import okx_async as okx
from okx_async._rest.requests import CLOSE_PATH, close_body
from okx_async._rest.signing import Signer
from okx_async.simulator import SimulatedExchange

CLOSES, LIMIT, WINDOW = 140, 20, 2.0
INSTRUMENTS, ROUND_TRIP = 100, 0.030

FAMILY = [okx.ClosePosition(f"BTC-USD-260327-{60000 + n}-C", "cross") for n in range(CLOSES)]
BOOK = [okx.ClosePosition(f"X{n}-USDT-SWAP", "cross") for n in range(INSTRUMENTS)]


def fill(exchange: SimulatedExchange, legs: list[okx.ClosePosition]) -> None:
    """Open the positions that `legs` close."""
    for leg in legs:
        exchange.open_position(leg.inst_id, 1)


async def jittery(seed: int) -> tuple[int, int, float, float]:
    """Return worst window, refusals, rate (per second) and mean round trip (seconds) of one seed."""
    async with SimulatedExchange(latency=0.010, jitter=0.240, seed=seed) as exchange:
        fill(exchange, FAMILY)
        async with okx.Client(
            exchange.credentials, base_url=exchange.base_url, user_id=exchange.user_id, limiter=okx.Limiter()
        ) as client:
            results = await client.close_positions(FAMILY)
        attempts = [attempt for result in results for attempt in result.result().attempts]
        trips = [attempt.settled - attempt.sent for attempt in attempts if attempt.settled and attempt.sent]
        at = [row.at for row in exchange.journal if row.path == CLOSE_PATH]
        worst = max(sum(begin <= other < begin + WINDOW for other in at) for begin in at)
        return worst, len(exchange.rejections), (len(at) - LIMIT) / (at[-1] - at[0]), statistics.mean(trips)


async def warm(batches: int) -> tuple[list[float], list[float], list[float]]:
    """Return seconds for one batch: ours, bare aiohttp's, and CPU of ours (server included)."""
    ours, bare, cpu = [], [], []
    async with SimulatedExchange(latency=ROUND_TRIP / 2, seed=1) as exchange:
        signer = Signer(exchange.credentials, demo=False)

        async def post(session: aiohttp.ClientSession, leg: okx.ClosePosition) -> None:
            body = close_body(leg)
            headers = signer.headers("POST", CLOSE_PATH, body, time.time())
            async with session.post(exchange.base_url + CLOSE_PATH, data=body, headers=headers) as response:
                if b'"code":"0"' not in await response.read():
                    raise RuntimeError("the exchange refused a bare request")

        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            okx.Client(
                exchange.credentials, base_url=exchange.base_url, user_id=exchange.user_id, limiter=okx.Limiter()
            ) as client,
        ):
            for _ in range(batches + 1):  # the first one warms the pools
                fill(exchange, BOOK)
                began, spent = time.perf_counter(), time.process_time()
                results = await client.close_positions(BOOK)
                ours.append(time.perf_counter() - began)
                cpu.append(time.process_time() - spent)
                if not all(result.ok for result in results):
                    raise RuntimeError("the exchange refused a request of ours")
                fill(exchange, BOOK)
                began = time.perf_counter()
                await asyncio.gather(*(post(session, leg) for leg in BOOK))
                bare.append(time.perf_counter() - began)
                await asyncio.sleep(WINDOW / 5)  # ten requests of a key in 2 s, half of what the exchange allows
    return ours[1:], bare[1:], cpu[1:]


def table(columns: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    lines = [columns, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


async def main(seeds: int, batches: int) -> None:
    """Run both and print them."""
    runs = await asyncio.gather(*(jittery(seed) for seed in range(seeds)))
    shares = [rate / (LIMIT / (WINDOW + trip)) for _, _, rate, trip in runs]
    rows = [
        [str(seed), str(worst), str(refused), f"{trip * 1000:.0f}", f"{rate:.2f}", f"{share:.3f}"]
        for seed, ((worst, refused, rate, trip), share) in enumerate(zip(runs, shares, strict=True))
    ]
    print(f"{CLOSES} closes on one key, 10 to 250 ms each way\n")
    print(table(["seed", "worst 2 s", "refused", "mean round trip, ms", "rate, 1/s", "of 20 / (2 + round trip)"], rows))
    print(
        f"\nMedian share {statistics.median(shares):.3f} (at least 0.93), worst window {max(run[0] for run in runs)}.\n"
    )

    ours, bare, cpu = await warm(batches)
    rows = [
        [name, f"{statistics.median(of) * 1000:.1f}", f"{min(of) * 1000:.1f}", f"{max(of) * 1000:.1f}"]
        for name, of in (("okx_async", ours), ("bare aiohttp", bare), ("CPU of okx_async, server included", cpu))
    ]
    print(f"{INSTRUMENTS} instruments at once, round trip {ROUND_TRIP * 1000:.0f} ms, warm pool, {batches} batches\n")
    print(table(["", "median, ms", "least", "most"], rows))
    waited = statistics.median(ours) - statistics.median(cpu)
    ratio = statistics.median(one / other for one, other in zip(ours, bare, strict=True))
    print(
        f"\nWithout CPU {waited / ROUND_TRIP:.2f} round trips (at most 2); {ratio:.2f} of a bare batch in the same run."
    )

    print(
        f"\n`python {' '.join(['benchmarks/simulated.py', *sys.argv[1:]])}`, {datetime.now(UTC):%d %b %Y}, "
        f"okx_async {okx.__version__}, aiohttp {aiohttp.__version__}, "
        f"{platform.python_implementation()} {platform.python_version()}, {platform.system()}, "
        f"client and exchange in one process on loopback."
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=10)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.seeds, arguments.batches))
