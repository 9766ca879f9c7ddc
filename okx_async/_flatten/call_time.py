"""When a flatten was called, by the exchange's clock: what was opened later is left alone.

A position may be listed for the first time after the first reading, if that came from a copy of the books that lags.
Only its `c_time` tells whether it was there before. The exchange takes requests from a clock that is 30 s off, so this
machine's alone decides about nothing that is near: the exchange is asked for its time then.
"""

import asyncio
from math import inf
from typing import Final

from okx_async._calls.caller import Caller
from okx_async._errors import OkxError
from okx_async._log import logger
from okx_async._models import Position
from okx_async._quota import Priority
from okx_async._rest.records import server_time
from okx_async._rest.requests import PUBLIC_TIME
from okx_async._rest.signing import END_OF_TIME

SKEW: Final = 60.0
"""Seconds that this machine's clock may be off while the exchange answers: 30 s at its check, and the way there."""
MILLISECOND: Final = 0.001
"""The exchange's times are cut to milliseconds."""
MOST_ASKED: Final = 3


class CallTime:
    """The time of one flatten's call; it is made at that time."""

    def __init__(self, calls: Caller) -> None:
        self._calls = calls
        self._begun = asyncio.get_running_loop().time()
        at = calls.exchange_time()
        self._at = at - calls.clock_offset if 0.0 <= at < END_OF_TIME else -inf
        """By this machine's clock; long ago if that has no time."""
        self._told: float | None = None
        self._asked = 0

    @property
    def by_exchange(self) -> float:
        """The time of the call by the exchange's clock as far as that is known, in Unix seconds."""
        return self._at + self._calls.clock_offset if self._told is None else self._told

    def is_after(self, position: Position) -> bool:
        """Return whether a position is known to have been opened before the call."""
        slack = SKEW if self._told is None else 0.0
        return 0 < position.c_time <= (self.by_exchange - slack) * 1000

    def may_be_after(self, position: Position) -> bool:
        """Return whether only the exchange's clock can tell that a position was opened before the call."""
        unsure = self._told is None and self._asked < MOST_ASKED and not self.is_after(position)
        return unsure and 0 < position.c_time <= (self.by_exchange + SKEW) * 1000

    async def ask(self, priority: Priority, by: float) -> None:
        """Ask the exchange for its time; the time of the call stays what it is if it does not tell one.

        Args:
            priority: The lane in which the question waits.
            by: Until when to wait for its slot, by the loop's clock.
        """
        loop = asyncio.get_running_loop()
        self._asked += 1
        sent = 0.0

        async def stamp() -> float:
            nonlocal sent
            sent = loop.time()  # inside the slot
            return inf

        try:
            left = max(0.0, by - loop.time())
            answer, _ = await self._calls.call(PUBLIC_TIME, priority, left, once=True, permit=stamp)
        except OkxError as failure:
            logger.warning("positions that appeared are left alone: the exchange's time is not known: %s", failure)
            return
        time = server_time(answer)
        if time is None or abs(time - (loop.time() - self._begun) - self.by_exchange) > SKEW:
            logger.warning("positions that appeared are left alone: the exchange's time cannot be used")
            return
        # It was told between the two, so the call was between these. A clock that agrees is more exact than the way.
        earliest, latest = (time - (moment - self._begun) for moment in (loop.time(), sent - MILLISECOND))
        self._told = self.by_exchange if earliest <= self.by_exchange <= latest else earliest
