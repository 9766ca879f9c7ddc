"""Ours beside tuned aiohttp in one process, in short runs that alternate: a ratio, whatever the machine does meanwhile.

Run: python -m benchmarks.pair [--rounds N] [--calls N] [--loop asyncio|uvloop] [--folder DIR]

Processes of their own (benchmarks.client) show what each library costs by itself, but on a machine whose speed changes
within seconds their ratio is mostly noise. Here both have the same heap and the same seconds, so a ratio of
neighbouring runs compares code with code. The stand-in has a process of its own.
"""

import asyncio
import gc
import importlib
import itertools
import os
import statistics
import time
from collections.abc import Iterator
from typing import Any

from benchmarks._standin import standin
from benchmarks._table import Report, arguments, ratios
from benchmarks.clients import BARE, BYTES, OURS, Closer, load

IDS = [f"C{number}-USDT-SWAP" for number in range(1000)]
SUBJECTS = (OURS, BARE, BYTES)
WAYS = {"one by one": 1, "50 at once": 50}
LEAST = 2  # rounds that have quartiles


async def run(client: Closer, ids: Iterator[str], calls: int, at_once: int) -> float:
    """Return µs of CPU a close."""

    async def worker() -> None:
        for _ in range(calls // at_once):
            await client.close(next(ids))

    begun = time.process_time()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return (time.process_time() - begun) / (calls // at_once * at_once) * 1e6


async def measure(url: str, rounds: int, calls: int) -> dict[str, dict[str, list[float]]]:
    """Return the figures by way and subject."""
    clients = {name: load(name).make(url) for name in SUBJECTS}
    ids = {name: itertools.cycle(IDS) for name in SUBJECTS}
    for name in SUBJECTS:
        await run(clients[name], ids[name], 1000, 50)
    gc.collect()
    gc.freeze()
    found: dict[str, dict[str, list[float]]] = {way: {name: [] for name in SUBJECTS} for way in WAYS}
    for number in range(rounds):
        for way, at_once in WAYS.items():
            for name in SUBJECTS if number % 2 else SUBJECTS[::-1]:
                found[way][name].append(await run(clients[name], ids[name], calls, at_once))
    for client in clients.values():
        await client.aclose()
    return found


def main() -> None:
    """Measure and print the table."""
    parser = arguments(__doc__, rounds=100, calls=150)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio", help="on which all of them run")
    args = parser.parse_args()
    make: Any = importlib.import_module(args.loop).new_event_loop
    if args.rounds < LEAST or args.calls < max(WAYS.values()):
        parser.error(f"--rounds from {LEAST} and --calls from {max(WAYS.values())} on")
    figures = {}
    with standin() as place:
        os.environ["SSL_CERT_FILE"] = place.ca
        for wire, url in (("plain", place.plain), ("TLS", place.tls)):
            with asyncio.Runner(loop_factory=make) as runner:
                for way, found in runner.run(measure(url, args.rounds, args.calls)).items():
                    figures[f"{wire}, {way}"] = found
    columns = ["", *(f"{title}{part}" for title in figures for part in ("", ": / tuned"))]
    on = "" if args.loop == "asyncio" else f" on {args.loop}"
    title = f"A close in one process with others{on}: µs of CPU, median"
    report = Report(f"pair{on.replace(' ', '_')}", title, columns, raw={"us": figures})
    for name in SUBJECTS:
        cells: list[str] = []
        for found in figures.values():
            low, middle, high = statistics.quantiles(ratios(found[name], found[BARE]))
            cells += [f"{statistics.median(found[name]):.0f}", f"{middle:.2f} ({low:.2f} to {high:.2f})"]
        report.add(name, *cells)
    report.notes.append(f"{args.rounds} rounds of {args.calls} closes each; ratios: median (quartiles) of neighbours.")
    report.publish(args.folder)


if __name__ == "__main__":
    main()
