"""Order within a key, newcomers, and whether a key with a line delays another one.

Run: python -m benchmarks.fairness [--rounds N] [--folder DIR]

On one key at 20 per 2 s, 60 requests are wanted at once and 40 more while those wait: one every 0.1 s, and up to 20 in
a step of the loop in which a waiter was woken and has not run yet. Each holds its slot for 10 ms. A pair is inverted
when the later comer is granted first. A newcomer overtakes when it is granted before one that stood in line when it
came. The last column is the wait of a request on another, free key while the first one has a line. All peers at once.
"""

import asyncio
import time
from itertools import combinations
from typing import Any

from benchmarks._table import Report, arguments, spread
from benchmarks.peers import NAMES, Limited, installed

LIMIT = 20
AT_ONCE, LATER, GAPS, HOLD = 60, 20, 20, 0.01
CUNNING, CROWD = 20, 5  # newcomers in the step of a hand-over, and the most of them in one step
LAST = 1_000_000  # the place of a request that is never served
KINDS = {"inverted pairs, %": 1, "newcomers that overtake, %": 0, "never served": 0, "another key waits, ms": 1}
WINDOWS = 20  # that all may take at most; evenly spaced, 100 requests need 5


class Line:
    """One key's line."""

    def __init__(self, limited: Limited, per: float) -> None:
        self._limited = limited
        self._per = per
        self._arrived = 0
        self._granted: dict[int, int] = {}  # number of arrival to place of grant
        self._ahead: dict[int, set[int]] = {}  # of each later comer: the requests in line
        self._come_in_this_step = 0
        self._tasks: list[Any] = []  # Any: a task's waiter has no public name

    async def _request(self, *, late: bool) -> None:
        number, self._arrived = self._arrived, self._arrived + 1
        if late:
            self._ahead[number] = set(range(number)) - self._granted.keys()
        async with self._limited.slot("key"):
            self._granted[number] = len(self._granted)
            await asyncio.sleep(HOLD)

    async def _cunning(self) -> None:
        """Come in a step in which a waiter was woken, before it runs."""
        while waiting := [task for task in self._tasks if not task.done()]:
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

    async def watch(self) -> dict[str, float]:
        """Let all come, look at the order in which they are served, and return the figures of KINDS."""
        self._tasks += [asyncio.create_task(self._request(late=False)) for _ in range(AT_ONCE)]
        await asyncio.sleep(self._per / GAPS)
        cunning = [asyncio.create_task(self._cunning()) for _ in range(CUNNING)]
        other = asyncio.create_task(self._elsewhere())
        for _ in range(LATER):
            await asyncio.sleep(self._per / GAPS)
            self._tasks.append(asyncio.create_task(self._request(late=True)))
        every = [*self._tasks, *cunning]
        _, never = await asyncio.wait(every, timeout=WINDOWS * self._per)
        for task in never:
            task.cancel()
        await asyncio.gather(*every, return_exceptions=True)
        place = self._granted
        pairs = list(combinations(sorted(place), 2))
        inverted = sum(place[first] > place[second] for first, second in pairs)
        overtaking = sum(
            any(place.get(number, LAST) < place.get(one, LAST) for one in ahead)
            for number, ahead in self._ahead.items()
        )
        shares = 100 * inverted / len(pairs), 100 * overtaking / len(self._ahead)
        return dict(zip(KINDS, (*shares, len(never), 1000 * await other), strict=True))


def main() -> None:
    """Run the rounds and print the table."""
    args = arguments(__doc__, only=NAMES, rounds=3, per=2.0).parse_args()
    peers = installed(args.only)

    async def watch() -> list[dict[str, float]]:
        return await asyncio.gather(*(Line(peer.make(LIMIT, args.per), args.per).watch() for peer in peers))

    rounds = [asyncio.run(watch()) for _ in range(args.rounds)]
    report = Report("fairness", "Order within a key, and another key", ["", *KINDS], peers, raw=rounds)
    for peer, found in zip(peers, zip(*rounds, strict=True), strict=True):
        report.add(peer.name, *(spread((of[kind] for of in found), digits) for kind, digits in KINDS.items()))
    report.notes.append(f"{args.rounds} rounds, all peers at once: median (least to most).")
    report.publish(args.folder)


if __name__ == "__main__":
    main()
