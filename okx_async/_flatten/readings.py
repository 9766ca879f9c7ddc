"""One reader of positions for many waiting tasks, with one reading in flight at a time.

A task asks for a reading that was begun after a given moment; if an earlier one is on its way, the task waits for the
next. Each reading is passed to `on_reading` before a waiting task goes on, so that all decide by the same knowledge.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from math import inf
from typing import Final

from okx_async._calls.caller import Caller
from okx_async._calls.gather import wait_ended
from okx_async._errors import OkxError, OutcomeUnknownError, SlotTimeoutError
from okx_async._flatten.guard import Reading, is_flat
from okx_async._flatten.leg import read_pause
from okx_async._flatten.named import named_or_all
from okx_async._log import DEBUG, WARNING, logger
from okx_async._models import Position
from okx_async._quota import Priority
from okx_async._rest import records, requests
from okx_async._rest.rate_keys import check_filter_id, check_listed
from okx_async._rest.responses import Answer
from okx_async._rest.retry import MAX_REPEATS

CLOSE_WAIT: Final = 0.1
"""Seconds that a reading waits for closes on the wire: begun before their answers, it would not count for them."""
AHEAD: Final = 60.0
"""Seconds by which the exchange's clock may be ahead of what is known of it: it takes no request that is 30 s off."""


class PositionReader:
    """Reads the positions of the filter, or of the instruments that tasks wait for, one reading at a time.

    Args:
        calls: Makes the calls.
        inst_ids: The filter, None for all instruments.
        priority: The lane in which readings wait for their slots.
        on_reading: Called with each reading.
    """

    def __init__(
        self, calls: Caller, inst_ids: Sequence[str] | None, priority: Priority, on_reading: Callable[[Reading], None]
    ) -> None:
        self._calls = calls
        self._priority = priority
        self._filter = inst_ids if inst_ids is not None and _may_name(inst_ids) else None
        self._by_name = True
        """Whether readings may name the instruments that tasks wait for."""
        self._on_reading = on_reading
        self._waiters: dict[object, tuple[str | None, float]] = {}
        """The instrument that each waiting task needs, None for all in the filter, and until when it waits."""
        self._task: asyncio.Task[bool] | None = None
        self._begun = -inf
        """When the last reading was begun."""
        self._complete_begun = -inf
        """When the last reading was begun that covers the filter."""
        self.latest: Reading | None = None
        self._failures = 0
        self._closes_on_wire = 0
        self._wire_idle = asyncio.Event()
        self.failure: OkxError | None = None
        """The error of the last reading, None if it did not fail."""

    @property
    def latest_complete(self) -> Reading | None:
        """The last reading if it covers the filter."""
        latest = self.latest
        return latest if latest is not None and latest.started == self._complete_begun else None

    def watch(self, see: Callable[[Reading], None]) -> None:
        """Call `see`, too, with each reading from now on."""
        on_reading = self._on_reading

        def both(reading: Reading) -> None:
            on_reading(reading)
            see(reading)

        self._on_reading = both

    async def read_first(self, max_wait: float) -> Reading:
        """Return a reading of the filter; it is repeated like any call and raises the error of the last attempt.

        A name that is refused bars no other; that of none that is open may have been mistyped, and is raised.
        """
        names = frozenset(self._filter or ())
        return await self._ask(self._filter, max_wait, once=False, answers=lambda found: bool(names & found.inst_ids))

    async def read_since(self, moment: float, by: float, inst_id: str | None = None) -> bool:
        """Wait for a reading that was begun at `moment` or later; return False if it failed or is not there in time.

        Args:
            moment: Not in the future, by the loop's clock.
            by: Until when to wait.
            inst_id: The instrument that the reading must cover, None for the whole filter.
        """
        loop = asyncio.get_running_loop()
        waiter = object()
        self._waiters[waiter] = inst_id, by
        try:
            while not self._has_reading(moment, inst_id):
                left = by - loop.time()
                if left <= 0:
                    return False
                task = self._task or self._begin(loop, by)
                begun = self._begun
                await asyncio.wait({task}, timeout=left)  # the reading goes on for other tasks
                if task.done() and begun >= moment and (task.cancelled() or not task.result()):
                    return False
            return True
        finally:
            del self._waiters[waiter]

    def close_started(self) -> None:
        """Note that a close is about to be written."""
        self._closes_on_wire += 1
        self._wire_idle.clear()

    def close_ended(self) -> None:
        """Note that a close has ended."""
        self._closes_on_wire -= 1
        if not self._closes_on_wire:
            self._wire_idle.set()

    async def aclose(self) -> None:
        """End the reading that is on its way."""
        if self._task is not None:
            self._task.cancel()
            await wait_ended({self._task})

    def _has_reading(self, moment: float, inst_id: str | None) -> bool:
        if self._complete_begun >= moment:
            return True
        latest = self.latest
        return inst_id is not None and latest is not None and latest.started >= moment and latest.covers(inst_id)

    def _begin(self, loop: asyncio.AbstractEventLoop, by: float) -> asyncio.Task[bool]:
        self._begun = loop.time()
        task = loop.create_task(self._read(by), name="okx_async reading of positions")
        if not task.done():  # an eager task may have ended within create_task
            self._task = task
        task.add_done_callback(_retrieve_exception)
        return task

    async def _read(self, by: float) -> bool:
        """Read positions and pass them on; return whether that was possible."""
        loop = asyncio.get_running_loop()
        try:
            if loop.get_task_factory() is not None:
                await asyncio.sleep(0)  # an eager task has begun before the others that wait for this reading
            if self._failures:
                await asyncio.sleep(read_pause(self._failures - 1))
            if self._closes_on_wire:
                with suppress(TimeoutError):
                    async with asyncio.timeout(CLOSE_WAIT):
                        await self._wire_idle.wait()
            inst_ids = self._scope()
            by = self._until(by)
            reading = await self._ask(inst_ids, max(0.0, by - loop.time()), once=True)
        except OkxError as failure:
            self.failure = failure
            self._failures += 1
            expected = self._calls.closing or isinstance(failure, SlotTimeoutError)  # no fault of the exchange
            logger.log(DEBUG if expected else WARNING, "positions could not be read: %s", failure)
            return False
        finally:
            self._task = None
        self.failure, self._failures, self.latest = None, 0, reading
        if inst_ids is self._filter or reading.complete:
            self._complete_begun = reading.started
        self._on_reading(reading)
        return True

    def _until(self, by: float) -> float:
        """Return until when to read, for a reading that was begun for a task that waits until `by`."""
        return by

    def _scope(self) -> Sequence[str] | None:
        """Return the instruments to ask for: those that tasks wait for if they are few, else all in the filter."""
        inst_ids = {inst_id for inst_id, _ in self._waiters.values()}
        named = sorted(inst_id for inst_id in inst_ids if inst_id is not None)
        if self._by_name and self._filter is None and 0 < len(inst_ids) == len(named) and _may_name(named):
            return named
        return self._filter

    async def _ask(
        self,
        inst_ids: Sequence[str] | None,
        max_wait: float,
        *,
        once: bool,
        answers: Callable[[Reading], bool] = lambda _: True,
    ) -> Reading:
        loop = asyncio.get_running_loop()
        by = loop.time() + max_wait
        started, latest = 0.0, inf

        async def stamp() -> float:
            nonlocal started, latest
            started = loop.time()  # inside the slot and before the connection, so before the request is written
            latest = (self._calls.exchange_time() + AHEAD) * 1000
            return inf

        async def read(named: Sequence[str] | None) -> Reading:
            async def ask() -> Answer:
                left, question = max(0.0, by - loop.time()), requests.positions(named)
                answer, _ = await self._calls.call(question, self._priority, left, once=once, permit=stamp)
                return answer

            return await _asked_again(ask, lambda answer: _reading(started, answer, named, latest), 0.0 if once else by)

        reading = await named_or_all(read, inst_ids, answers)
        if inst_ids is not None and reading.complete:  # a name was refused, and would be again
            self._filter, self._by_name = None, False
        return reading


async def list_positions(
    calls: Caller, inst_ids: Sequence[str] | None, priority: Priority = Priority.NORMAL
) -> tuple[list[Position], list[records.Unreadable]]:
    """Return the open positions, of all instruments (None) or of any number of named ones, and what cannot be read.

    Records that cannot be read may be of an open position.
    """
    pages: list[Sequence[str] | None] = [None]
    for inst_id in inst_ids or ():
        check_filter_id(inst_id)
    if inst_ids is not None and all(map(requests.is_nameable, inst_ids)):
        size = requests.MAX_POSITIONS_IDS
        pages = [inst_ids[i : i + size] for i in range(0, len(inst_ids), size)]
    names = frozenset(inst_ids or ())

    async def read(page: Sequence[str] | None) -> Reading:
        async def ask() -> Answer:
            answer, _ = await calls.call(requests.positions(page), priority, None)
            return answer

        return await _asked_again(ask, lambda answer: _reading(0.0, answer, page))

    readings: list[Reading] = []
    for page in pages:
        reading = await named_or_all(read, page, lambda found: bool(names & found.inst_ids))
        if reading.complete:
            readings = [reading]
            break
        readings.append(reading)
    found = [position for reading in readings for position in reading.positions]
    odd = [record for reading in readings for record in reading.unreadable]
    if inst_ids is not None:
        check_listed(inst_ids, {position.inst_id for position in (*found, *(record.position for record in odd))})
        found = [position for position in found if position.inst_id in names]
        odd = [record for record in odd if record.position.inst_id in {"", *names}]  # "": it cannot be read
    return [position for position in found if not is_flat(position)], odd


async def read_positions(calls: Caller, inst_ids: Sequence[str] | None) -> list[Position]:
    """Return the open positions, of all instruments (None) or of any number of named ones.

    Raises OutcomeUnknownError that names a record which cannot be read: without it, the list would look complete.
    """
    found, odd = await list_positions(calls, inst_ids)
    if odd:
        raise records.unreadable_positions(odd)
    return found


async def _asked_again(
    ask: Callable[[], Awaitable[Answer]], reading: Callable[[Answer], Reading], by: float = inf
) -> Reading:
    """Return the reading of an answer; one that is no list of positions is asked for again, as other odd answers are.

    Args:
        ask: Asks, repeats included.
        reading: Returns the reading of an answer, or raises OutcomeUnknownError.
        by: Until when to ask again, by the loop's clock.
    """
    loop = asyncio.get_running_loop()
    for count in range(MAX_REPEATS):
        answer = await ask()
        try:
            return reading(answer)
        except OutcomeUnknownError as odd:
            if loop.time() + read_pause(count) >= by:
                raise
            logger.warning("to be repeated: %s", odd)
        await asyncio.sleep(read_pause(count))
    return reading(await ask())


def _reading(started: float, answer: Answer, inst_ids: Sequence[str] | None, latest: float = inf) -> Reading:
    """Return the reading of an answer; a change that it dates after `latest` (Unix ms) has no known time.

    One such record would make all later ones look older than it, and so of no account.
    """
    listing = records.positions(answer, inst_ids)
    listed = [replace(each, u_time=0) if each.u_time > latest else each for each in listing.positions]
    return Reading(started, listed, inst_ids, listing.unreadable)


def _may_name(inst_ids: Sequence[str]) -> bool:
    """Return whether one request for positions may name these instruments."""
    return len(inst_ids) <= requests.MAX_POSITIONS_IDS and all(map(requests.is_nameable, inst_ids))


def _retrieve_exception(task: asyncio.Task[bool]) -> None:
    """Keep asyncio from logging an exception that no task waited for; waiting tasks raise it themselves."""
    if not task.cancelled():
        task.exception()
