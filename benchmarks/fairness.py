"""Who goes first: order within a key, newcomers, and whether a key in line delays another one.

Run: python -m benchmarks.fairness [--json FILE]

On one key at 20 per 2 s, 60 requests are wanted at once and 40 more while those wait: one every 0.1 s, and up to 20 in
a step of the loop in which somebody in line was woken and has not run yet. Each holds its slot for 10 ms. A pair is
inverted when the later comer is granted first. A newcomer overtakes when it is granted before anybody who stood in
line when it came. The last column is the wait of a request on another, free key while the first one has a line. All
peers at once.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from benchmarks._table import Report, arguments, peers_of, spread
from benchmarks.peers import Limited

LIMIT, PER = 20, 2.0
AT_ONCE, LATER, GAP, HOLD = 60, 20, 0.1, 0.01
CUNNING, CROWD = 20, 5  # those who come in the step of a hand-over, and how many in one step
LAST = 1_000_000  # the place of who was never served
PATIENCE = 40.0  # s; evenly spaced, 100 requests need 10


@dataclass(frozen=True, slots=True)
class Order:
    """What became of the order."""

    inverted: float
    """Share of all pairs."""
    overtaking: float
    """Share of all newcomers."""
    never: int
    other_key: float


class Line:
    """One key's line, and what becomes of the order in it."""

    def __init__(self, limited: Limited) -> None:
        self._limited = limited
        self._arrived = 0
        self._granted: dict[int, int] = {}  # number of arrival to place of grant
        self._ahead: dict[int, set[int]] = {}  # of each later comer: who stood in line
        self._come_in_this_step = 0
        self._tasks: list[Any] = []  # Any: what a task waits for has no public name

    async def _request(self, *, late: bool) -> None:
        number, self._arrived = self._arrived, self._arrived + 1
        if late:
            self._ahead[number] = set(range(number)) - self._granted.keys()
        async with self._limited.slot("key"):
            self._granted[number] = len(self._granted)
            await asyncio.sleep(HOLD)

    async def _cunning(self) -> None:
        """Come in a step in which somebody was woken, before whoever was woken runs."""
        while True:
            waiting = [task for task in self._tasks if not task.done()]
            if not waiting:
                return
            if self._come_in_this_step < CROWD and any(t._fut_waiter and t._fut_waiter.done() for t in waiting):  # noqa: SLF001
                self._come_in_this_step += 1
                await self._request(late=True)
                return
            await asyncio.sleep(0)
            self._come_in_this_step = 0

    async def _elsewhere(self) -> float:
        begun = time.perf_counter()
        async with self._limited.slot("another key"):
            return time.perf_counter() - begun

    async def watch(self) -> Order:
        """Let everybody come, and look at the order in which they are served."""
        self._tasks += [asyncio.create_task(self._request(late=False)) for _ in range(AT_ONCE)]
        await asyncio.sleep(GAP)
        cunning = [asyncio.create_task(self._cunning()) for _ in range(CUNNING)]
        other = asyncio.create_task(self._elsewhere())
        for _ in range(LATER):
            await asyncio.sleep(GAP)
            self._tasks.append(asyncio.create_task(self._request(late=True)))
        everybody = [*self._tasks, *cunning]
        _, never = await asyncio.wait(everybody, timeout=PATIENCE)
        for task in never:
            task.cancel()
        await asyncio.gather(*everybody, return_exceptions=True)
        place = self._granted
        pairs = list(combinations(sorted(place), 2))
        overtaking = [
            number
            for number, ahead in self._ahead.items()
            if any(place.get(number, LAST) < place.get(one, LAST) for one in ahead)
        ]
        inverted = sum(place[first] > place[second] for first, second in pairs) / len(pairs)
        return Order(inverted, len(overtaking) / len(self._ahead), len(never), await other)


async def watch(limited: list[Limited]) -> list[Order]:
    """Watch all limiters at once."""
    return await asyncio.gather(*(Line(one).watch() for one in limited))


def main() -> None:
    """Run the rounds and print the table."""
    args = arguments(__doc__, rounds=3).parse_args()
    peers = peers_of(args)
    found: list[list[Order]] = [
        asyncio.run(watch([peer.make(LIMIT, PER) for peer in peers])) for _ in range(args.rounds)
    ]
    report = Report(
        "Order within a key, and another key",
        ["", "inverted pairs, %", "newcomers that overtake, %", "never served", "another key waits, ms"],
        peers,
    )
    for peer, orders in zip(peers, zip(*found, strict=True), strict=True):
        report.add(
            peer.name,
            spread((order.inverted * 100 for order in orders), 1),
            spread(order.overtaking * 100 for order in orders),
            spread(order.never for order in orders),
            spread((order.other_key * 1000 for order in orders), 1),
        )
    report.notes.append(f"{args.rounds} rounds, all peers at once: median (least to most).")
    report.raw = {
        "orders": {
            peer.name: [asdict(one) for one in of_one]
            for peer, of_one in zip(peers, zip(*found, strict=True), strict=True)
        }
    }
    report.publish(args.json)


if __name__ == "__main__":
    main()
