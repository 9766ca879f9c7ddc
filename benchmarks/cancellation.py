"""Seconds that a cancelled waiter costs the others.

Run: python -m benchmarks.cancellation [--rounds N] [--folder DIR]

At 20 per 2 s, 20 slots are taken and left at once, then others wait. How long until the last 20 of them have theirs:

* alone: only those 20 wait;
* in line: 40 wait, every other one is cancelled at once;
* hand-over: 40 wait, every other one is cancelled in the very step in which it is woken, before it runs.

A limiter that charges cancelled waiters takes longer than alone. All peers at once.
"""

import asyncio
import time
from typing import Any

from benchmarks._table import Report, arguments, spread
from benchmarks.peers import NAMES, Limited, installed

LIMIT = 20
WINDOWS = 6  # that a waiter may take at most
CASES = {"alone": "alone", "in line": "half cancelled in line", "hand-over": "half cancelled at hand-over"}


async def strike(victims: list[Any]) -> None:
    """Cancel each between its wake-up and its next step."""
    while victims:
        for victim in victims:
            if victim._fut_waiter is not None and victim._fut_waiter.done():  # noqa: SLF001 - it has no public name
                victim.cancel()
        victims = [victim for victim in victims if not victim.done()]
        await asyncio.sleep(0)  # every step of the loop: this runs before the tasks that were woken in the last


async def served(limited: Limited, case: str, per: float) -> tuple[float, int]:
    """Return the seconds until 20 waiters had their slot, and how many had none in time."""

    async def use() -> None:
        async with limited.slot("key"):
            pass

    for _ in range(LIMIT):
        await use()
    tasks = [asyncio.create_task(use()) for _ in range(LIMIT if case == "alone" else 2 * LIMIT)]
    begun = time.perf_counter()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    victims, waiters = ([], tasks) if case == "alone" else (tasks[::2], tasks[1::2])
    if case == "in line":
        for victim in victims:
            victim.cancel()
    striking = asyncio.create_task(strike(victims if case == "hand-over" else []))
    _, late = await asyncio.wait(waiters, timeout=WINDOWS * per)
    took = time.perf_counter() - begun
    for task in (*late, *victims, striking):
        task.cancel()
    await asyncio.gather(*tasks, striking, return_exceptions=True)
    return took, len(late)


def main() -> None:
    """Run all cases and print the table."""
    args = arguments(__doc__, only=NAMES, rounds=3, per=2.0).parse_args()
    peers = installed(args.only)

    async def case_of_all(case: str) -> list[tuple[float, int]]:
        return await asyncio.gather(*(served(peer.make(LIMIT, args.per), case, args.per) for peer in peers))

    rounds = [{case: asyncio.run(case_of_all(case)) for case in CASES} for _ in range(args.rounds)]
    title = "Seconds until the last 20 waiters have their slot"
    report = Report("cancellation", title, ["", *CASES.values()], peers, raw=rounds)
    for index, peer in enumerate(peers):
        cells = []
        for case in CASES:
            took, missing = zip(*(found[case][index] for found in rounds), strict=True)
            cells.append(f"{max(missing)} of {LIMIT} never" if max(missing) else spread(took, 1))
        report.add(peer.name, *cells)
    report.notes.append(f"{args.rounds} rounds, all peers at once: median (least to most).")
    report.publish(args.folder)


if __name__ == "__main__":
    main()
