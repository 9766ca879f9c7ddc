"""The engine that moves legs: it sends, reads and waits as each Leg says, with a task for each leg.

It decides only about time and cancellation: nothing is written after the deadline, a close that is on the wire by then
is awaited, and a refused API key or a closed client stops all legs.
"""

import asyncio
from collections.abc import Callable, Sequence
from math import inf
from typing import Final

from okx_async._calls.caller import Caller
from okx_async._calls.interruptions import note_unproven
from okx_async._calls.on_wire import CloseTurn, SharedClose, address_named
from okx_async._calls.sender import WithheldError
from okx_async._errors import (
    AuthenticationError,
    InvalidRequestError,
    NotSentError,
    OkxError,
    OutcomeUnknownError,
    SlotTimeoutError,
    without_frames,
)
from okx_async._flatten.guard import Observation, Reading
from okx_async._flatten.leg import Leg, Move
from okx_async._flatten.leg_words import error_of, warn_of_other
from okx_async._flatten.readings import PositionReader
from okx_async._log import logger
from okx_async._models import Attempt, ClosedPosition, ClosePosition, Outcome, Position
from okx_async._quota import Priority
from okx_async._rest import requests
from okx_async._rest.codes import NO_PERMISSION
from okx_async._rest.records import closed_position
from okx_async._rest.responses import Answer

FIRST_CLOSE_WAIT: Final = 1.0
"""Seconds that a first close waits for a reading, in its slot; then it goes out without one."""


class CloseEngine:
    """The legs of one flatten, or of one close that is to be confirmed.

    Args:
        calls: Makes the calls.
        inst_ids: The instruments that readings must cover, None for all.
        priority: The lane of every close and reading.
        deadline: Until when closes may be written and readings begun, by the loop's clock.
        confirm_timeout: Instead of a deadline, seconds after the end of the first close, or of another of this client.
        may_send_blind: Whether a first close goes out without a reading if positions cannot be read.
        whole: Told that a close was written.
        reader: Makes the reader of positions.
        on_change: Called with a leg after a change of its state.
    """

    def __init__(
        self,
        calls: Caller,
        inst_ids: Sequence[str] | None,
        priority: Priority,
        *,
        deadline: float = inf,
        confirm_timeout: float | None = None,
        on_change: Callable[[Leg], object] | None = None,
        may_send_blind: bool = True,
        whole: CloseTurn | None = None,
        reader: Callable[..., PositionReader] = PositionReader,
    ) -> None:
        self._calls = calls
        self._may_send_blind = may_send_blind
        self._whole = whole
        self._priority = priority
        self._on_change = on_change
        self._confirm_timeout = confirm_timeout
        self._was_answered = False
        """Whether a close of ours has ended."""
        self.send_by = self.read_by = deadline
        self.reader = reader(calls, inst_ids, priority, self._on_reading)
        self.legs: list[Leg] = []
        self.answers: dict[Leg, Answer] = {}
        """The last acceptance of each leg."""
        self.stop_error: OkxError | None = None
        """Why nothing is sent any more."""
        self.reads_over = False
        """Whether nothing can be read any more."""
        self._requests: dict[Leg, ClosePosition] = {}
        self._shared: dict[Leg, SharedClose] = {}
        """The closes of a flatten that other calls may join."""

    def add_leg(self, before: Position, reading: Reading, request: ClosePosition) -> Leg:
        """Return a new leg for a position that `reading` lists."""
        leg = Leg(before, reading.started, reading.nameless(before))
        self.legs.append(leg)
        self._requests[leg] = request
        self._calls.on_wire.follow(address_named(request), self, lambda outcome: self._heard(leg, outcome))
        return leg

    def turn(self, request: ClosePosition) -> CloseTurn:
        """Return a turn for one close."""
        return CloseTurn(self._calls.on_wire, request, self, self._whole)

    async def follow(self, leg: Leg) -> None:
        """Make the moves of a leg until there is none left, or no time."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                now = loop.time()
                move, at = leg.step(now)
                by = self.send_by if move is Move.SEND else self.read_by
                if move is Move.DONE or now >= by:
                    break
                if self.reads_over and (move is Move.READ or not leg.may_send_blind):
                    break
                if self.stop_error and (move is Move.SEND or not leg.pending):
                    break
                if at > now:
                    await asyncio.sleep(min(at, by) - now)
                elif move is Move.SEND:
                    await self._send(leg)
                else:
                    await self._read(leg)
        except asyncio.CancelledError as cancelled:
            if leg.pending and not getattr(cancelled, "__notes__", None):
                note_unproven(cancelled, leg.before.inst_id)
            raise
        finally:
            self._end_shared(leg, None)
        leg.done_at = loop.time()

    def stop(self, error: OkxError) -> None:
        """Stop all legs: nothing is sent any more."""
        if self.stop_error is None:
            self.stop_error = error
            logger.warning("closing stops here: %s", error)
            for leg in self.legs:
                leg.halt(error_of(leg, error))

    def check_stopped(self) -> None:
        """Stop if the API key is refused or the client was closed; one that may not read may close all the same."""
        failure = self.reader.failure
        if isinstance(failure, AuthenticationError):
            self.reads_over = True
            if failure.code != NO_PERMISSION:
                self.stop(failure)
        elif self._calls.closing:
            self.reads_over = True
            self.stop(NotSentError("the client was closed: nothing more is sent"))

    def add_notes(self, raised: BaseException) -> None:
        """Add a note for each leg, done or not, of which a close was taken and is not proven."""
        noted = {note.partition(":")[0] for note in getattr(raised, "__notes__", ())}
        for leg in self.legs:
            if leg.pending and leg.before.inst_id not in noted:
                note_unproven(raised, leg.before.inst_id)

    async def aclose(self) -> None:
        """End the reading that is on its way."""
        for request in self._requests.values():
            self._calls.on_wire.unfollow(address_named(request), self)
        await self.reader.aclose()

    def _heard(self, leg: Leg, outcome: Outcome) -> None:
        """Note the end of another close of the position by this client."""
        now = asyncio.get_running_loop().time()
        leg.heard(outcome, now)
        if outcome is not Outcome.NOT_SENT:
            self._begin_confirming(now, ours=False)  # there may be no close of ours

    def _begin_confirming(self, now: float, *, ours: bool) -> None:
        """Begin the time to confirm, at the end of a close: the first of ours begins it anew."""
        if self._confirm_timeout is None:
            return
        by = now + self._confirm_timeout
        self.read_by = by if ours and not self._was_answered else min(self.read_by, by)
        self._was_answered = self._was_answered or ours

    async def _read(self, leg: Leg) -> None:
        """Have positions read, for one leg."""
        loop = asyncio.get_running_loop()
        observed_at, inst_id = leg.guard.observed_at, leg.before.inst_id
        await self.reader.read_since(loop.time(), self.read_by, inst_id if leg.doubtful else None)
        if leg.guard.observed_at == observed_at:
            leg.schedule_read(loop.time())
        self.check_stopped()

    async def _send(self, leg: Leg) -> None:
        """Send one close of a leg, if the guard allows it once there is a slot, and note its outcome."""
        loop = asyncio.get_running_loop()
        request = self._requests[leg]
        turn = self.turn(request)
        self._share(leg, turn, request)
        try:
            outcome, failure, attempts = await self._call(leg, request, turn)
        except asyncio.CancelledError:
            if turn.was_written:
                text = f"{request.inst_id}: the flatten whose close was joined was cancelled after it was sent"
                self._end_shared(leg, OutcomeUnknownError(f"{text}; look at positions, do not blindly repeat it"))
            raise
        now = loop.time()
        if outcome is None:
            leg.withheld(now, attempts)
            if self.send_by == inf:  # else what cannot be read any more would be awaited for ever
                self._begin_confirming(now, ours=False)
            return
        self._begin_confirming(now, ours=True)
        if self._confirm_timeout is not None:
            # Without a slot in the time that is left, the error is raised at once and not at the end of that time.
            self.send_by = now if isinstance(failure, SlotTimeoutError) else min(self.send_by, self.read_by)
        leg.answered(outcome, failure, attempts, now, self._calls.draw(), auto_cxl=request.auto_cxl)
        if outcome is not Outcome.NOT_SENT and leg.step(now).move is not Move.SEND:
            self._end_shared(leg, failure or closed_position(self.answers[leg], request, attempts))
        if isinstance(failure, AuthenticationError):
            self.stop(failure)
        self.check_stopped()
        self._notify_change(leg)

    async def _call(
        self, leg: Leg, request: ClosePosition, turn: CloseTurn
    ) -> tuple[Outcome | None, OkxError | None, tuple[Attempt, ...]]:
        """Make the call of a close; return how it ended (None: withheld), its error, and its attempts.

        An acceptance is kept.
        """
        loop = asyncio.get_running_loop()
        on_wire = blind = forbidden = False

        async def permit() -> float | None:
            nonlocal on_wire, blind
            until, blind = await self._permit(leg, turn)
            if until is not None:
                self.reader.close_started()
                on_wire = True
            return until

        def writing() -> bool:
            nonlocal forbidden
            forbidden = not self._writing(leg, turn, blind=blind)
            return not forbidden

        try:
            max_wait = None if self.send_by == inf else max(0.0, self.send_by - loop.time())
            self.answers[leg], attempts = await self._calls.call(
                requests.close_position(request),
                self._priority,
                max_wait,
                request,
                once=True,
                permit=permit,
                confirm_write=writing,
                turn=turn,
                made=len(leg.attempts),
            )
        except WithheldError:
            return None, None, ()
        except InvalidRequestError as error:
            return Outcome.FATAL, error, ()
        except OkxError as error:
            attempts = error.attempts
            outcome = attempts[-1].outcome if attempts else Outcome.NOT_SENT
            withheld = forbidden and outcome is Outcome.NOT_SENT
            return None if withheld else outcome, without_frames(error), attempts
        finally:
            if on_wire:
                self.reader.close_ended()
        return Outcome.ACCEPTED, None, attempts

    def _share(self, leg: Leg, turn: CloseTurn, request: ClosePosition) -> None:
        """Let other calls join the close that a flatten is about to make."""
        if self._confirm_timeout is not None:
            return
        shared = self._shared.get(leg)
        if shared is None:
            self._shared[leg] = SharedClose(self._calls.on_wire, turn, request)
        else:
            turn.failure = shared.turn.failure  # of the try before
            shared.turn = turn

    def _end_shared(self, leg: Leg, closed: ClosedPosition | OkxError | None) -> None:
        """Hand a result to the calls that have joined the close of a leg."""
        if (shared := self._shared.pop(leg, None)) is not None:
            shared.end(closed)

    async def _permit(self, leg: Leg, turn: CloseTurn) -> tuple[float | None, bool]:
        """Return until when a close may be written, None if not at all, and whether it goes out without a reading.

        Positions are read now if the last reading does not allow it.
        """
        loop = asyncio.get_running_loop()
        idle = await self._calls.on_wire.idle(turn, self.send_by)  # of other closes of the position
        now = loop.time()
        if self.stop_error or not idle or now >= self.send_by:
            return None, False
        blind = False
        until = leg.may_send_until()
        if until is None or until <= now:
            first = self._may_send_blind and leg.may_send_blind
            by = min(self.send_by, now + FIRST_CLOSE_WAIT) if first else self.send_by
            was_read = await self.reader.read_since(now, by, leg.before.inst_id)
            unclear = leg.guard.observation is Observation.UNCLEAR
            blind = self._may_send_blind and leg.may_send_blind and ((first and not was_read) or unclear)
            until = inf if blind else leg.may_send_until()
            self.check_stopped()
        return (None if until is None or self.stop_error else min(until, self.send_by)), blind

    def _writing(self, leg: Leg, turn: CloseTurn, *, blind: bool) -> bool:
        """Return whether a close may still be written, and note that it is written now.

        It may have waited for its connection behind a reading that forbids it.
        """
        if self.stop_error or not (leg.may_send_blind if blind else leg.may_send_until() is not None):
            return False
        if not turn.write():  # another close of the position is on the wire
            return False
        leg.close_started(blind=blind)
        return True

    def _on_reading(self, reading: Reading) -> None:
        """Show a reading to each leg."""
        now = asyncio.get_running_loop().time()
        for leg in self.legs:
            previous = leg.guard.observation, leg.proven
            if leg.observe(reading, now) and (leg.guard.observation, leg.proven) != previous:
                warn_of_other(leg)
                self._notify_change(leg)

    def _notify_change(self, leg: Leg) -> None:
        if self._on_change is not None:
            self._on_change(leg)
