"""Readings of positions: one in flight, for all who wait.

A reading is asked for as "begun after this moment": whoever asked while an earlier one was on its way waits for the
next. Each is told to `tell` before anybody who waited goes on, so that all decide by the same knowledge.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf
from typing import Final

from okx_async._calls.caller import Caller
from okx_async._errors import OkxError
from okx_async._flatten.guard import Reading
from okx_async._models import Position
from okx_async._quota import Priority
from okx_async._rest import records, requests

logger = logging.getLogger("okx_async")

LULL: Final = 0.1
"""Seconds that a reading waits for closes on the wire: begun before their answers, it would not count for them."""
PAUSES: Final = (0.1, 0.2, 0.4, 0.8, 1.0)
"""Seconds after a reading that failed, and after each further one in a row."""


class Readings:
    """Reads positions, all in the filter or of the instruments that are waited for, one reading at a time.

    `inst_ids`: the filter, None for all. `tell`: called with each reading.
    """

    def __init__(
        self, calls: Caller, inst_ids: Sequence[str] | None, priority: Priority, tell: Callable[[Reading], None]
    ) -> None:
        self._calls = calls
        self._priority = priority
        self._filter = inst_ids if inst_ids is not None and len(inst_ids) <= requests.MAX_POSITIONS_IDS else None
        self._tell = tell
        self._wants: dict[object, str | None] = {}
        """Who waits, by the instrument; None: for all in the filter."""
        self._task: asyncio.Task[bool] | None = None
        self._begun = -inf
        """When the last one was begun."""
        self._complete = -inf
        """When the last one was begun that covers the filter."""
        self._latest: Reading | None = None
        self._failures = 0
        self._flying = 0
        self._landed = asyncio.Event()
        self.failure: OkxError | None = None
        """What the last reading met; None: it was read."""

    async def first(self, max_wait: float) -> Reading:
        """Return a reading, asked for as a call of its own: repeated, and raising what it meets in the end."""
        return await self._ask(self._filter, max_wait, once=False)

    async def after(self, moment: float, by: float, inst_id: str | None = None) -> bool:
        """Return once a reading begun at `moment` or later was told; False: it failed, or has not come `by` then.

        `moment` must not lie ahead. `inst_id`: it need speak of this instrument only; None: it covers the filter.
        """
        loop = asyncio.get_running_loop()
        want = object()
        self._wants[want] = inst_id
        try:
            while not self._told(moment, inst_id):
                left = by - loop.time()
                if left <= 0:
                    return False
                if self._task is None:
                    self._begin(loop, by)
                task, begun = self._task, self._begun
                if task is not None:
                    await asyncio.wait({task}, timeout=left)  # our end is not the reading's
                    if task.done() and begun >= moment and (task.cancelled() or not task.result()):
                        return False
            return True
        finally:
            del self._wants[want]

    def sent(self) -> None:
        """Note that a close is about to be written."""
        self._flying += 1
        self._landed.clear()

    def landed(self) -> None:
        """Note that it has ended."""
        self._flying -= 1
        if not self._flying:
            self._landed.set()

    async def aclose(self) -> None:
        """End the reading that is on its way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _told(self, moment: float, inst_id: str | None) -> bool:
        if self._complete >= moment:
            return True
        latest = self._latest
        return inst_id is not None and latest is not None and latest.started >= moment and latest.covers(inst_id)

    def _begin(self, loop: asyncio.AbstractEventLoop, by: float) -> None:
        self._begun = loop.time()
        self._task = loop.create_task(self._read(by), name="okx_async reading of positions")
        self._task.add_done_callback(_looked_at)

    async def _read(self, by: float) -> bool:
        """Read, and tell it; return whether that was possible."""
        loop = asyncio.get_running_loop()
        try:
            if self._failures:
                await asyncio.sleep(PAUSES[min(self._failures, len(PAUSES)) - 1])
            if self._flying:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LULL):
                        await self._landed.wait()
            inst_ids = self._scope()
            reading = await self._ask(inst_ids, max(0.0, by - loop.time()), once=True)
        except OkxError as failure:
            self.failure = failure
            self._failures += 1
            logger.warning("positions could not be read: %s", failure)
            return False
        finally:
            self._task = None
        self.failure, self._failures, self._latest = None, 0, reading
        if inst_ids is None or inst_ids is self._filter:
            self._complete = reading.started
        self._tell(reading)
        return True

    def _scope(self) -> Sequence[str] | None:
        """Return which instruments to ask for: those waited for if they are few, else all in the filter."""
        inst_ids = set(self._wants.values())
        named = sorted(inst_id for inst_id in inst_ids if inst_id is not None)
        if self._filter is None and 0 < len(inst_ids) == len(named) <= requests.MAX_POSITIONS_IDS:
            return named
        return self._filter

    async def _ask(self, inst_ids: Sequence[str] | None, max_wait: float, *, once: bool) -> Reading:
        loop = asyncio.get_running_loop()
        started = 0.0

        async def stamp() -> float:
            nonlocal started
            started = loop.time()  # in its slot, and its connection is yet to be had: before it is written
            return inf

        answer, _ = await self._calls.call(
            requests.positions(inst_ids), self._priority, max_wait, once=once, permit=stamp
        )
        return Reading(started, records.positions(answer), inst_ids)


async def read_positions(calls: Caller, inst_ids: Sequence[str] | None) -> list[Position]:
    """Return the open positions, of all instruments (None) or of any number of named ones."""
    pages = [requests.positions(None)]
    if inst_ids is not None:
        size = requests.MAX_POSITIONS_IDS
        pages = [requests.positions(inst_ids[i : i + size]) for i in range(0, len(inst_ids), size)]
    found: list[Position] = []
    for page in pages:
        answer, _ = await calls.call(page, Priority.NORMAL, None)
        found += [position for position in records.positions(answer) if position.pos != 0]
    return found


def _looked_at(task: asyncio.Task[bool]) -> None:
    if not task.cancelled():
        task.exception()  # whoever waited has it; if nobody did, it mattered to nobody
