"""The readings of positions that the confirmed closes of a client have in common.

Each close for itself would need several, and the exchange answers 10 in 2 s for a whole user id: of a hundred closes at
once the time would be over before they were proven. One answer shows the positions of all of them.
"""

import asyncio
from collections.abc import Callable, Sequence

from okx_async._calls.caller import Caller
from okx_async._flatten.guard import Reading
from okx_async._flatten.readings import PositionReader
from okx_async._quota import Priority


class _LaneReader(PositionReader):
    """A reader whose tasks know nothing of each other: one without patience ends no reading of another."""

    def _until(self, by: float) -> float:
        return max([by, *(until for _, until in self._waiters.values())])


class _Lane:
    """The one reader of the confirmed closes of one priority, and who uses it."""

    def __init__(self, calls: Caller, priority: Priority) -> None:
        self.users: set[SharedReader] = set()
        self.reader = _LaneReader(calls, None, priority, self._show)

    def _show(self, reading: Reading) -> None:
        for user in tuple(self.users):
            user.take(reading)


class SharedReadings:
    """The lanes of one client; a lane ends with its last user."""

    def __init__(self) -> None:
        self._lanes: dict[Priority, _Lane] = {}

    def reader(
        self,
        calls: Caller,
        inst_ids: Sequence[str] | None,
        priority: Priority,
        on_reading: Callable[[Reading], None],
    ) -> "SharedReader":
        """Return a reader of one instrument; the arguments are those of `PositionReader`."""
        lane = self._lanes.get(priority)
        if lane is None:
            lane = self._lanes[priority] = _Lane(calls, priority)
        return SharedReader(calls, inst_ids, priority, on_reading, lane, lambda: self._end(priority, lane))

    def _end(self, priority: Priority, lane: _Lane) -> None:
        if self._lanes.get(priority) is lane:
            del self._lanes[priority]


class SharedReader(PositionReader):
    """The reader of one confirmed close, which has its readings in common with others.

    What it knows is its own: `latest` is the last reading that covers its instrument and was begun after it was made.
    """

    def __init__(  # noqa: PLR0917 - the first four are those of `PositionReader`
        self,
        calls: Caller,
        inst_ids: Sequence[str] | None,
        priority: Priority,
        on_reading: Callable[[Reading], None],
        lane: _Lane,
        on_end: Callable[[], None],
    ) -> None:
        super().__init__(calls, inst_ids, priority, on_reading)
        (self._inst_id,) = inst_ids or ("",)
        self._lane = lane
        self._on_end = on_end
        self._made = asyncio.get_running_loop().time()
        lane.users.add(self)

    def take(self, reading: Reading) -> None:
        """Take a reading, unless it is of before or of other instruments."""
        if reading.started >= self._made and reading.covers(self._inst_id):
            self.latest = reading
            self._on_reading(reading)

    async def read_since(self, moment: float, by: float, inst_id: str | None = None) -> bool:  # noqa: ARG002 - it has one
        """Wait for a reading of the instrument; see `PositionReader.read_since`."""
        reader = self._lane.reader
        was_read = await reader.read_since(moment, by, self._inst_id)
        self.failure = reader.failure
        if was_read and not self._has_own(moment) and reader.latest is not None:
            self.take(reader.latest)  # it came before this close, in the same moment of a coarse clock
        return was_read and self._has_own(moment)

    def _has_own(self, moment: float) -> bool:
        return self.latest is not None and self.latest.started >= moment

    def close_started(self) -> None:
        """Note that a close is about to be written."""
        self._lane.reader.close_started()

    def close_ended(self) -> None:
        """Note that a close has ended."""
        self._lane.reader.close_ended()

    async def aclose(self) -> None:
        """Leave the lane; the last one ends the reading that is on its way."""
        self._lane.users.discard(self)
        if not self._lane.users:
            self._on_end()
            await self._lane.reader.aclose()
