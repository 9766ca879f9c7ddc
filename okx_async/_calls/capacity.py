"""The bound on requests on the wire, ours and not aiohttp's: a request that holds a token is written at once.

A place is for the time of one exchange of bytes only. Nobody keeps one while standing in line for a slot, or a
long line at one key would delay every other key. The other way round is allowed, and comes to an end: whoever holds
a place never waits for a slot.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TypeAlias

from okx_async._quota import Priority

_Lane: TypeAlias = "OrderedDict[asyncio.Future[None], None]"


class Gate:
    """At most `bound` places; a place that comes free is handed to the first in line, PANIC before NORMAL."""

    __slots__ = ("_lanes", "bound", "taken")

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self.taken = 0
        self._lanes: tuple[_Lane, _Lane, _Lane] = (OrderedDict(), OrderedDict(), OrderedDict())

    @property
    def free(self) -> bool:
        """Whether a place is free now."""
        return self.taken < self.bound

    def enter(self) -> bool:
        """Take a place if one is free now."""
        if self.taken >= self.bound:
            return False
        self.taken += 1
        return True

    async def wait(self, priority: Priority, *, holding: bool = False) -> None:
        """Take a place, in line if none is free; those who hold a slot already go first."""
        if self.enter():
            return
        lane = self._lanes[-1 if holding else priority]
        place = asyncio.get_running_loop().create_future()
        lane[place] = None
        try:
            await place
        except BaseException:
            if place.done() and not place.cancelled():
                self.leave()  # handed over in this very step: hand it on
            else:
                lane.pop(place, None)
            raise

    def leave(self) -> None:
        """Give a place back: to the next in line, if there is one."""
        normal, panic, holding = self._lanes
        while lane := holding or panic or normal:
            place, _ = lane.popitem(last=False)
            if not place.done():
                place.set_result(None)
                return
        self.taken -= 1
