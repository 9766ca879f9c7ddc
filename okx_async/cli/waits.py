"""The slots that a command waits for, in words: without them a limit that is out of reach looks like a hang."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Final

from okx_async import SlotSource
from okx_async.cli.exits import say

SHORT: Final = 1.0
"""Seconds of a wait that is not worth a word."""
LOOKS: Final = 0.25
AGAIN: Final = 5.0
"""Seconds after which the same is said again, with the numbers of then."""
_PURPOSES: Final = {
    "account/positions": "to read positions",
    "account/config": "to ask for the user id",
    "trade/orders-pending": "to read pending orders",
    "trade/orders-algo-pending": "to read pending orders",
    "trade/cancel-batch-orders": "to cancel orders",
    "trade/cancel-algos": "to cancel orders",
}


class Waits:
    """What is waited for, by one limiter.

    Args:
        limiter: The limiter.
        tell: Called with the seconds since the beginning and with words whenever they say something new.
        clock: Seconds.
    """

    def __init__(
        self, limiter: SlotSource, tell: Callable[[float, str], object], clock: Callable[[], float] = monotonic
    ) -> None:
        self._limiter = limiter
        self._tell = tell
        self._clock = clock
        self._begun = clock()
        self._since: dict[str, float] = {}
        """Since when there is a wait for each purpose."""
        self._told: tuple[str, ...] = ()
        self._told_at = self._begun
        self.words = ""
        """What is waited for now, "" if nothing is for long."""

    def look(self) -> None:
        """Look at the limiter."""
        now, counts = self._clock(), _waiting(self._limiter)
        self._since = {purpose: self._since.get(purpose, now) for purpose in counts}
        long = tuple(purpose for purpose, since in self._since.items() if now - since >= SHORT)
        self.words = f"waiting for slots: {_listed(long, counts)}" if long else ""
        if self.words and (long != self._told or now - self._told_at >= AGAIN):
            self._told, self._told_at = long, now
            self._tell(now - self._begun, self.words)


def told(limiter: SlotSource) -> Waits:
    """Return waits of which each change is a line on stderr."""
    return Waits(limiter, lambda seconds, words: say(f"{seconds:7.2f} s  {words}"))


@asynccontextmanager
async def watched(waits: Waits | None) -> AsyncIterator[None]:
    """Look at the waits during the block; None: do nothing."""
    if waits is None:
        yield
        return

    async def look() -> None:
        while True:
            await asyncio.sleep(LOOKS)
            waits.look()

    task = asyncio.create_task(look())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


def _waiting(limiter: SlotSource) -> Counter[str]:
    """Return how many requests wait, by what they are for; sorted, since keys come in no order."""
    found = Counter[str]()
    for key in limiter.keys():  # noqa: SIM118 - a limiter is no mapping
        if (waiting := limiter.statistics(key).waiting) and isinstance(key, tuple):
            endpoint = str(key[-1]).partition(" ")[0]  # those of cancels have an instrument behind them
            found[_PURPOSES.get(endpoint, f"to close {key[-1]}")] += waiting
    return Counter(dict(sorted(found.items())))


def _listed(purposes: Sequence[str], counts: Counter[str]) -> str:
    return ", ".join(_counted(purpose, counts[purpose]) for purpose in purposes)


def _counted(purpose: str, count: int) -> str:
    return f"{purpose} ({count})" if count > 1 else purpose
