"""The bound on requests on the wire. It is ours and not aiohttp's: a request that holds a token is written at once.

A connection is held for one exchange of bytes only. A task that holds a connection never waits for a slot, so the two
cannot deadlock; a task that holds a slot may wait for a connection.

Those without a slot stand in one line for each key, and a few of each key at a time are handed a place to try for a
slot. Where one finds none, its line goes to the line for slots instead. Handed from one to the next, a place would
pass through all of the line before it came to another key.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, TypeAlias

from okx_async._quota import Priority

_Lane: TypeAlias = OrderedDict[asyncio.Future[bool], None]

TRY_AT_ONCE: Final = 20
"""How many of one key may try for a slot at once: as many as there are slots of the usual quota."""


class _Line:
    """Those of one key without a slot."""

    __slots__ = ("lanes", "leaving", "trying")

    def __init__(self) -> None:
        self.lanes: tuple[_Lane, _Lane] = (OrderedDict(), OrderedDict())
        """NORMAL and PANIC."""
        self.trying = 0
        """How many of them hold a place and try for a slot."""
        self.leaving = False
        """Whether they go to the line for slots, one in each turn of the event loop: all at once would hold it up."""


class CapacityLimiter:
    """At most `bound` requests on the wire; a free place goes to those with a slot first, then to PANIC before NORMAL.

    Those without a slot wait with `wait`, and tell with `tried` when they have a slot or gave their place back.
    """

    __slots__ = ("_holding", "_lines", "_ready", "bound", "taken")

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self.taken = 0
        self._holding: _Lane = OrderedDict()
        self._lines: dict[Hashable, _Line] = {}
        self._ready: tuple[OrderedDict[Hashable, None], ...] = (OrderedDict(), OrderedDict())
        """The keys of which one more may try for a slot, NORMAL and PANIC, in turn."""

    def free_for(self, key: Hashable) -> bool:
        """Return whether a request of `key` may be sent now: a place is free, and no line of that key stands."""
        return self.taken < self.bound and key not in self._lines

    def enter(self) -> bool:
        """Take a place if one is free now."""
        if self.taken >= self.bound:
            return False
        self.taken += 1
        return True

    async def wait_with_slot(self) -> None:
        """Take a place, waiting if none is free."""
        if self.enter():
            return
        place = asyncio.get_running_loop().create_future()
        self._holding[place] = None
        try:
            await place
        except BaseException:
            if place.done() and not place.cancelled():
                self.leave()  # handed over in this very step: hand it on
            else:
                self._holding.pop(place, None)
            raise

    async def wait(self, key: Hashable, priority: Priority) -> bool:
        """Wait for a place to try for a slot of `key`; return whether it was given, for others found no slot."""
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line()
        lane = line.lanes[priority]
        place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        lane[place] = None
        self._sort(key, line)
        self._hand_on()
        try:
            given = await place
        except BaseException:
            if not place.done() or place.cancelled():
                if place in lane:  # else it was passed over, and the line may have ended
                    del lane[place]
                    self._sort(key, line)
            elif place.result():  # handed over in this very step: hand it on
                self.tried(key)
                self.leave()
            else:
                self._send_away(key, line)
            raise
        if not given:
            self._send_away(key, line)
        return given

    def tried(self, key: Hashable, *, in_vain: bool = False) -> None:
        """Note that one of `key` tried for a slot; where that was `in_vain`, the others go to the line for slots."""
        line = self._lines[key]
        line.trying -= 1
        if in_vain and not line.leaving:
            self._send_away(key, line)
        else:
            self._sort(key, line)
        self._hand_on()

    def leave(self) -> None:
        """Give a place back: to the next waiter, if there is one."""
        self.taken -= 1
        self._hand_on()

    def _hand_on(self) -> None:
        while self.taken < self.bound and (place := self._next()) is not None:
            self.taken += 1
            place.set_result(True)

    def _next(self) -> asyncio.Future[bool] | None:
        if (place := _first(self._holding)) is not None:
            return place
        for priority in (Priority.PANIC, Priority.NORMAL):
            ready = self._ready[priority]
            while ready:
                key, _ = ready.popitem(last=False)
                line = self._lines[key]
                place = _first(line.lanes[priority])
                line.trying += place is not None
                self._sort(key, line)
                if place is not None:
                    return place
        return None

    def _send_away(self, key: Hashable, line: _Line) -> None:
        """Let the next of a line go to the line for slots; it calls this for the one after it."""
        normal, panic = line.lanes
        place = _first(panic) or _first(normal)
        line.leaving = place is not None
        if place is not None:
            place.set_result(False)
        self._sort(key, line)

    def _sort(self, key: Hashable, line: _Line) -> None:
        """Keep a key among those that may try where it belongs there, and forget a line that has ended."""
        may_try = line.trying < TRY_AT_ONCE and not line.leaving
        for ready, lane in zip(self._ready, line.lanes, strict=True):
            if may_try and lane:
                ready.setdefault(key)
            else:
                ready.pop(key, None)
        if not (line.trying or line.leaving or any(line.lanes)):
            del self._lines[key]


def _first(lane: _Lane) -> asyncio.Future[bool] | None:
    """Take the first of a lane that was not cancelled meanwhile."""
    while lane:
        place, _ = lane.popitem(last=False)
        if not place.done():
            return place
    return None
