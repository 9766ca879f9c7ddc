"""Following positions to their end: slots, sends and readings as `_flatten` says, each leg in a task of its own.

Nothing is decided here but what time and cancellation decide: nothing is written after the deadline, what is on the
wire by then is awaited, and a refused API key or a closed client stops all legs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from math import inf
from typing import Final

from okx_async._calls.caller import Caller
from okx_async._calls.sender import WithheldError
from okx_async._errors import (
    AuthenticationError,
    InvalidRequestError,
    NotSentError,
    OkxError,
    SlotTimeoutError,
    without_frames,
)
from okx_async._flatten.guard import Reading, Sight
from okx_async._flatten.leg import Leg, Move
from okx_async._flatten.readings import Readings
from okx_async._models import Attempt, ClosePosition, Outcome, Position
from okx_async._quota import Priority
from okx_async._rest import requests
from okx_async._rest.responses import Answer

logger = logging.getLogger("okx_async")

UNREAD: Final = 1.0
"""Seconds for which a first close waits, in its slot, for a reading."""


class Pursuit:
    """The legs of one flatten, or of one close that is to be confirmed.

    `deadline`: until when closes may be written and readings begun, by the loop's clock; or else `patience`: so many
    seconds from what the first close came to. `changed`: called with a leg when something about it has changed.
    """

    def __init__(
        self,
        calls: Caller,
        inst_ids: Sequence[str] | None,
        priority: Priority,
        *,
        deadline: float = inf,
        patience: float | None = None,
        changed: Callable[[Leg], object] | None = None,
    ) -> None:
        self._calls = calls
        self._priority = priority
        self._changed = changed
        self._patience = patience
        self.send_by = self.look_by = deadline
        self.readings = Readings(calls, inst_ids, priority, self._told)
        self.latest: Reading | None = None
        self.legs: list[Leg] = []
        self.answers: dict[Leg, Answer] = {}
        """The last acceptance of each leg."""
        self.stopped: OkxError | None = None
        """Why nothing is sent any more, and nothing read."""
        self._requests: dict[Leg, ClosePosition] = {}

    def add(self, before: Position, reading: Reading, request: ClosePosition) -> Leg:
        """Take up a position that `reading` lists."""
        leg = Leg(before, reading.started)
        self.legs.append(leg)
        self._requests[leg] = request
        return leg

    async def follow(self, leg: Leg) -> None:
        """Do what there is to do about a position until there is nothing more, or no time."""
        loop = asyncio.get_running_loop()
        try:
            while not self.stopped:
                now = loop.time()
                move, at = leg.step(now)
                by = self.send_by if move is Move.SEND else self.look_by
                if move is Move.REST or now >= by:
                    break
                if at > now:
                    await asyncio.sleep(min(at, by) - now)
                elif move is Move.SEND:
                    await self._send(leg)
                else:
                    await self._look(leg)
        except asyncio.CancelledError as cancelled:
            if leg.pending and not getattr(cancelled, "__notes__", None):
                cancelled.add_note(unproven(leg.before.inst_id))
            raise
        leg.ended = loop.time()

    def stop(self, error: OkxError) -> None:
        """Send nothing any more, of no leg."""
        if self.stopped is None:
            self.stopped = error
            logger.warning("nothing more is sent: %s", error)
            for leg in self.legs:
                leg.halt(error)

    def check(self) -> None:
        """Stop if the API key is refused or the client was closed."""
        failure = self.readings.failure
        if isinstance(failure, AuthenticationError):
            self.stop(failure)
        elif self._calls.closing:
            self.stop(NotSentError("the client was closed: nothing more is sent"))

    def note(self, cancelled: asyncio.CancelledError) -> None:
        """Note of each leg, also of those that have come to rest, that a close of it was taken and is not proven."""
        noted = {note.partition(":")[0] for note in getattr(cancelled, "__notes__", ())}
        for leg in self.legs:
            if leg.pending and leg.before.inst_id not in noted:
                cancelled.add_note(unproven(leg.before.inst_id))

    async def aclose(self) -> None:
        """End what is on its way."""
        await self.readings.aclose()

    async def _look(self, leg: Leg) -> None:
        loop = asyncio.get_running_loop()
        seen, inst_id = leg.guard.seen, leg.before.inst_id
        await self.readings.after(loop.time(), self.look_by, inst_id if leg.doubtful else None)
        if leg.guard.seen == seen:
            leg.unreadable(loop.time())
        self.check()

    async def _send(self, leg: Leg) -> None:
        loop = asyncio.get_running_loop()
        request = self._requests[leg]
        flying = blind = False

        async def permit() -> float | None:
            nonlocal flying, blind
            until, blind = await self._permit(leg)
            if until is not None:
                self.readings.sent()
                flying = True
            return until

        def writing() -> bool:
            return self._writing(leg, blind=blind)

        outcome, attempts = Outcome.ACCEPTED, tuple[Attempt, ...]()
        failure: OkxError | None = None
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
            )
        except WithheldError:
            leg.withheld(loop.time())
            return
        except InvalidRequestError as error:
            outcome, failure = Outcome.FATAL, error
        except OkxError as error:
            attempts, failure = error.attempts, without_frames(error)
            outcome = attempts[-1].outcome if attempts else Outcome.NOT_SENT
        finally:
            if flying:
                self.readings.landed()
        now = loop.time()
        if self._patience is not None:
            self.look_by = min(self.look_by, now + self._patience)
            # Whoever has little time is told at once that there is no slot in it.
            self.send_by = now if isinstance(failure, SlotTimeoutError) else min(self.send_by, self.look_by)
        leg.answered(outcome, failure, attempts, now, self._calls.draw())
        if isinstance(failure, AuthenticationError):
            self.stop(failure)
        self.check()
        self._tell(leg)

    async def _permit(self, leg: Leg) -> tuple[float | None, bool]:
        """Return until when a close may be written, by a reading made now if need be, and whether without any."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self.stopped or now >= self.send_by:
            return None, False
        blind = False
        until = leg.until()
        if until is None or until <= now:
            unread = leg.unread
            by = min(self.send_by, now + UNREAD) if unread else self.send_by
            told = await self.readings.after(now, by, leg.before.inst_id)
            blind = leg.unread and ((unread and not told) or leg.guard.sight is Sight.UNCLEAR)
            until = inf if blind else leg.until()
            self.check()
        return (None if until is None or self.stopped else min(until, self.send_by)), blind

    def _writing(self, leg: Leg, *, blind: bool) -> bool:
        """Note that a close is written now, and return whether it still may be.

        It may have waited for its connection behind the very reading that forbids it.
        """
        if self.stopped or not (leg.unread if blind else leg.until() is not None):
            return False
        leg.sent()
        return True

    def _told(self, reading: Reading) -> None:
        self.latest = reading
        now = asyncio.get_running_loop().time()
        for leg in self.legs:
            sight = leg.guard.sight
            if leg.saw(reading, now) and leg.guard.sight is not sight:
                self._warn(leg)
                self._tell(leg)

    def _tell(self, leg: Leg) -> None:
        if self._changed is not None:
            self._changed(leg)

    def _warn(self, leg: Leg) -> None:
        guard = leg.guard
        if guard.sight is not Sight.OTHER or guard.listed is None:
            return
        turned = guard.listed.c_time == leg.before.c_time and guard.listed.pos_id == leg.before.pos_id
        logger.log(
            logging.ERROR if turned else logging.WARNING,
            "%s: %s position stands there now, it is left alone: %s contracts, before %s",
            leg.before.inst_id,
            "the turned" if turned else "another",
            guard.listed.pos,
            leg.before.pos,
        )


def unproven(inst_id: str) -> str:
    """Return the note of a close that was taken, or may have been, and whose position is not proven gone."""
    return f"{inst_id}: already sent, not proven closed"
