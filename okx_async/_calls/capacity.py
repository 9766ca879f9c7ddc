"""The bound on requests on the wire. It is ours and not aiohttp's: a request that holds a token is written at once.

A connection is held for one exchange of bytes only. A task that holds a connection never waits for a slot, so the two
cannot deadlock; a task that holds a slot may wait for a connection.
"""

import asyncio
from collections import OrderedDict
from typing import TypeAlias

from okx_async._quota import Priority

_Lane: TypeAlias = OrderedDict[asyncio.Future[None], None]


class CapacityLimiter:
    """At most `bound` requests on the wire; a place that comes free goes to the first waiter, PANIC before NORMAL."""

    __slots__ = ("_lanes", "bound", "taken")

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self.taken = 0
        self._lanes: tuple[_Lane, _Lane, _Lane] = (OrderedDict(), OrderedDict(), OrderedDict())

    @property
    def free(self) -> bool:
        """Whether a request may be sent now."""
        return self.taken < self.bound

    def enter(self) -> bool:
        """Take a place if one is free now."""
        if self.taken >= self.bound:
            return False
        self.taken += 1
        return True

    async def wait(self, priority: Priority, *, holds_slot: bool = False) -> None:
        """Take a place, waiting if none is free; tasks that hold a slot already go first."""
        if self.enter():
            return
        lane = self._lanes[-1 if holds_slot else priority]
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
        """Give a place back: to the next waiter, if there is one."""
        normal, panic, holds_slot = self._lanes
        while lane := holds_slot or panic or normal:
            place, _ = lane.popitem(last=False)
            if not place.done():
                place.set_result(None)
                return
        self.taken -= 1
