"""What a cancelled waiter costs the others.

Run: python -m benchmarks.cancellation [--json FILE]

At 20 per 2 s, 20 slots are taken and left at once, then others wait. How long until the last 20 of them have theirs:

* alone: only those 20 wait;
* in line: 40 wait, every other one is cancelled at once;
* hand-over: 40 wait, every other one is cancelled in the very step in which it is woken, before it runs.

A limiter that charges cancelled waiters takes longer than alone. All peers and cases at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from benchmarks._table import Report, arguments, peers_of, spread
from benchmarks.peers import Limited

LIMIT, PER = 20, 2.0
PATIENCE = 12.0  # s; three windows and more: whoever is not served by then is not served
Tasks: TypeAlias = list["asyncio.Task[None]"]


async def wait_in_line(limited: Limited, count: int) -> tuple[Tasks, float]:
    """Use up the window, then let so many wait; return them and the time."""

    async def use() -> None:
        async with limited.slot("key"):
            pass

    for _ in range(LIMIT):
        await use()
    tasks = [asyncio.create_task(use()) for _ in range(count)]
    begun = time.perf_counter()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks, begun


async def served(tasks: Tasks, begun: float) -> tuple[float, int]:
    """Return the seconds until all had their slot, and how many had none in time."""
    _, late = await asyncio.wait(tasks, timeout=PATIENCE)
    took = time.perf_counter() - begun
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return took, len(late)


async def alone(limited: Limited) -> tuple[float, int]:
    """Nobody is cancelled."""
    return await served(*await wait_in_line(limited, LIMIT))


async def in_line(limited: Limited) -> tuple[float, int]:
    """Cancel every other one while it waits."""
    tasks, begun = await wait_in_line(limited, 2 * LIMIT)
    for victim in tasks[::2]:
        victim.cancel()
    return await served(tasks[1::2], begun)


async def handing_over(limited: Limited) -> tuple[float, int]:
    """Cancel every other one between its wake-up and its next step."""
    tasks, begun = await wait_in_line(limited, 2 * LIMIT)
    victims: list[Any] = list(tasks[::2])  # Any: what a task waits for has no public name

    async def strike() -> None:
        left = victims
        while left:
            for victim in left:
                if victim._fut_waiter is not None and victim._fut_waiter.done():  # noqa: SLF001
                    victim.cancel()
            left = [victim for victim in left if not victim.done()]
            await asyncio.sleep(0)  # every step of the loop: this runs before those who were woken in the last

    striking = asyncio.create_task(strike())
    try:
        return await served(tasks[1::2], begun)
    finally:
        striking.cancel()
        for victim in victims:
            victim.cancel()
        await asyncio.gather(striking, *victims, return_exceptions=True)


Case: TypeAlias = Callable[["Limited"], Coroutine[Any, Any, tuple[float, int]]]
CASES: dict[str, Case] = {"alone": alone, "in line": in_line, "hand-over": handing_over}


async def case_of_all(case: Case, limited: list[Limited]) -> list[tuple[float, int]]:
    """Run one case for all limiters at once."""
    return await asyncio.gather(*map(case, limited))


def main() -> None:
    """Run all cases and print the table."""
    args = arguments(__doc__, rounds=3).parse_args()
    peers = peers_of(args)
    found: dict[str, list[list[tuple[float, int]]]] = {name: [] for name in CASES}
    for _ in range(args.rounds):
        for name, case in CASES.items():
            found[name].append(asyncio.run(case_of_all(case, [peer.make(LIMIT, PER) for peer in peers])))
    report = Report(
        "Seconds until the last 20 waiters have their slot",
        ["", "alone", "half cancelled in line", "half cancelled at hand-over"],
        peers,
    )
    for index, peer in enumerate(peers):
        cells = []
        for rounds in found.values():
            took = spread((of_all[index][0] for of_all in rounds), 1)
            missing = max(of_all[index][1] for of_all in rounds)
            cells.append(f"{missing} of {LIMIT} never" if missing else took)
        report.add(peer.name, *cells)
    report.notes.append(f"{args.rounds} rounds, all peers at once: median (least to most).")
    report.raw = {
        name: {peer.name: [of_all[index] for of_all in rounds] for index, peer in enumerate(peers)}
        for name, rounds in found.items()
    }
    report.publish(args.json)


if __name__ == "__main__":
    main()
