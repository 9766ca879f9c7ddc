"""One close for many callers: calls for the same position while one is in flight await that one.

A flight is the call of the first caller, in a task of its own, so that no caller's cancellation ends it while others
wait. Each caller keeps its own `max_wait` and cancellation. A flight without a caller is cancelled, as the call itself
would be. Where the first caller's time ends before anything was sent, another caller begins a flight of its own, and so
it does where the close was refused for what only the first caller had asked for: its id or tag, or that it cancels no
pending orders. The close that a flatten is making of the position is a flight too, whose first caller is the flatten.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from copy import copy
from math import inf
from typing import TypeAlias

from okx_async._calls.cancellations import end
from okx_async._calls.gather import wait_ended
from okx_async._calls.on_wire import Address, ClosesOnWire, CloseTurn, SharedClose, address_named
from okx_async._errors import OkxError, OutcomeUnknownError, RejectedError, SlotTimeoutError, without_frames
from okx_async._log import logger
from okx_async._models import ClosedPosition, ClosePosition
from okx_async._quota import Priority
from okx_async._rest.remedies import refused_for_its_own

Work: TypeAlias = Callable[[CloseTurn, float | None, ClosedPosition | None], Awaitable[ClosedPosition]]
"""Makes a close: its turn, the seconds of `max_wait` that are left, and an acceptance that is only to be confirmed."""


class _Flight:
    """One close in flight, and the number of its callers."""

    __slots__ = ("_turn", "callers", "confirm", "left", "notes", "priority", "request", "shared", "task")

    def __init__(self, request: ClosePosition, priority: Priority, turn: CloseTurn, *, confirm: bool = False) -> None:
        self.request = request
        self.priority = priority
        self.confirm = confirm
        self._turn = turn
        self.shared: SharedClose | None = None
        self.callers = 0
        self.left = False
        """Whether it was ended because it has no caller any more, or was replaced."""
        self.notes: list[str] = []
        self.task: asyncio.Future[ClosedPosition]

    @classmethod
    def of_flatten(cls, shared: SharedClose) -> "_Flight":
        """Return a flight for one caller of the close of a flatten."""
        flight = cls(shared.request, Priority.PANIC, shared.turn)
        flight.callers, flight.task, flight.shared = 1, shared.result, shared
        return flight

    @property
    def turn(self) -> CloseTurn:
        """Its turn; of a flatten, that of the last try."""
        return self._turn if self.shared is None else self.shared.turn

    def end(self) -> None:
        """End it, for want of callers."""
        self.left = self.left or not self.task.done()
        end(self.task)

    async def fly(self, work: "Work", left: float | None, accepted: ClosedPosition | None) -> ClosedPosition:
        """Run the close, and keep the notes of its cancellation."""
        try:
            return await work(self.turn, left, accepted)  # begun here: the task may be cancelled before its first step
        except asyncio.CancelledError as cancelled:
            self.notes = list(getattr(cancelled, "__notes__", ()))
            raise


class JoinedCloses:
    """The closes in flight of one client that others may join; `on_wire` are all closes of the client."""

    def __init__(self, on_wire: ClosesOnWire) -> None:
        self._on_wire = on_wire
        self._flights: dict[Address, _Flight] = {}

    async def close(
        self, request: ClosePosition, priority: Priority, max_wait: float | None, work: Work, *, confirm: bool = False
    ) -> ClosedPosition:
        """Return the result of the close of this position that is in flight, or of a new one.

        A plain close joins any; one with `confirm` waits for a plain one, and then only confirms what that was told.

        Args:
            request: The close.
            priority: Its lane. A flight of a lower one that was not sent yet is replaced.
            max_wait: Seconds until it must be sent, None for no limit.
            work: Makes the close.
            confirm: Whether it is one with confirmation.
        """
        loop = asyncio.get_running_loop()
        deadline = inf if max_wait is None else loop.time() + max_wait
        address = address_named(request)
        accepted: ClosedPosition | None = None
        flight: _Flight | None = None
        while True:
            if flight is not None and accepted is None and deadline <= loop.time():
                raise _out_of_time(flight)
            flight = self._flights.get(address)
            if flight is not None and flight.task.done():
                flight = None  # it ended in this step; without a turn of the loop, it would be found again for ever
            if flight is None and accepted is None and (shared := self._on_wire.shared.get(address)) is not None:
                flight = _Flight.of_flatten(shared)
            first = flight is None or self._outranked(flight, priority)
            if flight is None or first:
                left = None if deadline == inf else max(0.0, deadline - loop.time())
                flight = _Flight(request, priority, CloseTurn(self._on_wire, request), confirm=confirm)
                self._begin(address, flight, flight.fly(work, left, accepted))
            await self._wait(flight, inf if first else deadline)
            if flight.task.cancelled():
                _check_left(flight)
                continue
            failure = flight.task.exception()
            again = not first and (
                isinstance(failure, SlotTimeoutError)  # of the first caller's time
                or (
                    isinstance(failure, RejectedError)
                    and refused_for_its_own(failure.code, failure.message, flight.request, request)
                )
            )
            if again:
                continue
            if confirm and not flight.confirm:
                accepted = None if failure is not None else flight.task.result()
                continue
            if failure is None:
                return flight.task.result()
            # One exception object cannot be raised in many callers.
            raise without_frames(copy(failure)) if isinstance(failure, OkxError) else failure

    def _begin(self, address: Address, flight: _Flight, work: Coroutine[object, object, ClosedPosition]) -> None:
        def landed(task: asyncio.Future[ClosedPosition]) -> None:
            if self._flights.get(address) is flight:
                del self._flights[address]
            if not task.cancelled():
                task.exception()  # every caller may have left before it

        self._flights[address] = flight
        flight.task = asyncio.get_running_loop().create_task(work, name="okx_async joined close")
        flight.task.add_done_callback(landed)

    @staticmethod
    def _outranked(flight: _Flight, priority: Priority) -> bool:
        """End a flight that waits in a lower lane, if nothing was sent; return whether that was so."""
        if flight.priority >= priority or flight.confirm or flight.turn.was_written or flight.task.done():
            return False
        flight.end()
        return True

    async def _wait(self, flight: _Flight, deadline: float) -> None:
        """Wait for the end of a flight; raise its last failure if it is not sent until `deadline`."""
        loop = asyncio.get_running_loop()
        flight.callers += 1
        try:
            while not flight.task.done():
                left = deadline - loop.time()
                # What is on the wire is awaited, and a confirmed close until it is proven or not.
                if left <= 0 and not (flight.turn.was_written if flight.confirm else flight.turn.on_wire):
                    raise _out_of_time(flight)
                timeout = None if left == inf else left if left > 0 else _LOOK
                await asyncio.wait({flight.task}, timeout=timeout)
        except asyncio.CancelledError as cancelled:
            await self._leave(flight, cancelled)
            raise
        finally:
            flight.callers -= 1
            if not flight.callers:
                flight.end()

    @staticmethod
    async def _leave(flight: _Flight, cancelled: asyncio.CancelledError) -> None:
        """Note on a caller's cancellation what becomes of the close; the last caller ends it."""
        inst_id, turn = flight.request.inst_id, flight.turn
        if flight.callers > 1:
            so_far = "already sent, outcome unknown" if turn.was_written else "not sent yet"
            cancelled.add_note(f"{inst_id}: {so_far}; it goes on for other callers")
            if turn.was_written:
                logger.warning("%s: cancelled after it was sent, outcome unknown; it goes on for others", inst_id)
            return
        flight.end()
        with suppress(asyncio.CancelledError):  # a second one: the first goes on, with the notes
            await wait_ended({flight.task})
        for note in flight.notes:
            cancelled.add_note(note)
        if turn.was_written and not flight.notes:
            became = "accepted" if not flight.task.cancelled() and not flight.task.exception() else "refused"
            became = "outcome unknown" if flight.task.cancelled() else became
            cancelled.add_note(f"{inst_id}: already sent, {became}")
            logger.warning("%s: cancelled after it was sent, %s", inst_id, became)


_LOOK = 0.05
"""Seconds between looks at a flight that is on the wire when a caller's time ends."""


def _check_left(flight: _Flight) -> None:
    """Raise OutcomeUnknownError if a close that was cancelled was so by other code, and after it was sent.

    Else it was replaced, left by its last caller before this one joined it, or is a flatten's without a result.
    """
    if not flight.left and flight.shared is None and flight.turn.was_written:
        text = f"{flight.request.inst_id}: the close was cancelled after it was sent, by other code than its callers"
        raise OutcomeUnknownError(f"{text}; it may have been executed: ask positions, do not blindly repeat")


def _out_of_time(flight: _Flight) -> OkxError:
    failure = flight.turn.failure
    if failure is not None:
        return without_frames(copy(failure))
    text = f"{flight.request.inst_id}: no slot within max_wait for the close that is joined; nothing was sent"
    return SlotTimeoutError(f"{text} so far, and it goes on for other callers" if flight.callers > 1 else text)
