"""Tasks that go on a few in each turn of the event loop: hundreds at once would hold it up, or flood the other side."""

import asyncio
from collections import deque
from typing import Final

PORTION: Final = 50


class Portions:
    """Those that wait for one event, in the order in which they came; `open` lets them go on, 50 in each turn."""

    def __init__(self) -> None:
        self._portions: deque[asyncio.Future[None]] = deque()
        self._in_last = 0

    async def wait(self, seconds: float | None) -> None:
        """Wait until opened, for so many seconds at most."""
        if not self._portions or self._in_last == PORTION:
            self._portions.append(asyncio.get_running_loop().create_future())
            self._in_last = 0
        self._in_last += 1
        await asyncio.wait({self._portions[-1]}, timeout=seconds)  # who is cancelled leaves the others alone

    def open(self) -> None:
        """Let the first go on now, and the others in the next turns."""
        if self._portions:
            portion = self._portions.popleft()
            portion.set_result(None)
            portion.get_loop().call_soon(self.open)


class Pace:
    """A place that at most 50 pass in each turn of the event loop."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._left = PORTION

    async def wait(self) -> None:
        """Go on, after those that came before."""
        loop = asyncio.get_running_loop()
        if self._left == PORTION:
            loop.call_soon(self._next_turn)
        if self._left:
            self._left -= 1
            return
        place = loop.create_future()
        self._waiting.append(place)
        await place  # who is cancelled is counted all the same

    def _next_turn(self) -> None:
        self._left = PORTION
        while self._waiting and self._left:
            self._left -= 1
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
        if self._left < PORTION:
            asyncio.get_running_loop().call_soon(self._next_turn)
