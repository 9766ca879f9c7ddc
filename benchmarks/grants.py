"""What a grant costs with 10 and with 10,000 in line: the CPU of a process in which nothing else happens.

Run: python -m benchmarks.grants [--rounds N] [--seconds S] [--json FILE]

So many tasks wait for one key, and come again when they were served; 5 are granted in every 50 ms (in every second
where a library takes whole seconds only), for some seconds of real time. All CPU of the process in that time, divided
by the grants: sorting, scanning, polling and waking in vain show here. Every round starts a fresh process for every
figure.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time

from benchmarks._table import Report, arguments, peers_of, spread
from benchmarks._workers import rounds
from benchmarks.peers import load

LIMIT, PER = 5, 0.05
LINES = (10, 10_000)


async def measure(name: str, line: int, seconds: float) -> dict[str, float]:
    """Return microseconds of CPU a grant, and the grants."""
    peer = load(name)
    limited = peer.make(LIMIT, max(PER, peer.least_per))
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
    return {f"us {line}": cpu / counted * 1e6 if counted else float("nan"), f"grants {line}": counted}


def main() -> None:
    """Run all subjects in turns and print the table."""
    parser = arguments(__doc__, rounds=3, seconds=3.0)
    parser.add_argument("--job", nargs=2, help="one figure, in this process: a peer's name and the length of the line")
    args = parser.parse_args()
    if args.job:
        print(json.dumps(asyncio.run(measure(args.job[0], int(args.job[1]), args.seconds))))
        return
    peers = peers_of(args)
    jobs = [[peer.name, str(line), "--seconds", str(args.seconds)] for peer in peers for line in LINES]
    found = rounds("benchmarks.grants", jobs, args.rounds)
    report = Report(
        "A grant, µs of CPU: median (least to most)", ["", *(f"{line:,} in line" for line in LINES), "ratio"], peers
    )
    for peer in peers:
        few, many = ([one[f"us {line}"] for one in found[peer.name]] for line in LINES)
        ratio = sorted(many)[len(many) // 2] / sorted(few)[len(few) // 2]
        report.add(peer.name, spread(few), spread(many), f"{ratio:.1f}")
    report.notes.append(f"{args.rounds} rounds of {args.seconds:g} s, a fresh process for each.")
    report.raw = {"rounds": found}
    report.publish(args.json)


if __name__ == "__main__":
    main()
