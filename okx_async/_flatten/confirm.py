"""One close with confirmation: it returns once the exchange no longer lists the position.

The position is read first, so that a close may be repeated under the guard and an unknown outcome can be resolved. If
the position is not listed, or nothing can be read within a second, the close goes out as without confirmation and the
exchange decides. Positions are then read until it is gone, but the close is never repeated after an unknown outcome.
"""

import asyncio
from dataclasses import replace
from math import inf
from typing import Final

from okx_async._calls.caller import Caller
from okx_async._calls.interruptions import keeps_notes, note_unproven
from okx_async._calls.on_wire import CloseTurn
from okx_async._errors import (
    AuthenticationError,
    CloseInProgressError,
    NothingToCloseError,
    OkxError,
    OutcomeUnknownError,
    RejectedError,
)
from okx_async._flatten.engine import FIRST_CLOSE_WAIT, CloseEngine
from okx_async._flatten.guard import Reading, is_flat
from okx_async._flatten.leg import PROOF_GAP, SHORT_PROOF_GAP, Leg, read_pause
from okx_async._flatten.report import FlattenState
from okx_async._flatten.shared_readings import SharedReadings
from okx_async._models import Attempt, ClosedPosition, ClosePosition, Outcome, Position
from okx_async._quota import Priority
from okx_async._rest import requests
from okx_async._rest.records import closed_position
from okx_async._rest.responses import Answer

_WORDS: Final = {
    FlattenState.PARTIAL: "closed in part, and the rest is still listed",
    FlattenState.IN_PROGRESS: "accepted, but still listed",
    FlattenState.UNKNOWN: "it may have been executed, and no reading has shown what came of it",
}


async def close_and_confirm(
    calls: Caller,
    request: ClosePosition,
    priority: Priority,
    max_wait: float | None,
    confirm_timeout: float,
    *,
    readings: SharedReadings,
    whole: CloseTurn | None = None,
) -> ClosedPosition:
    """Return once the position is proven gone; raises as `Client.close_position` says.

    Args:
        calls: Makes the calls.
        request: The close.
        priority: The lane of the close and of the readings.
        max_wait: Seconds until the close must have its slot, None for no limit.
        confirm_timeout: Seconds from the first answer to the close until the position must be proven gone.
        readings: What is read for all confirmed closes of the client.
        whole: Told that a close was written.
    """
    loop = asyncio.get_running_loop()
    job = requests.close_position(request)
    begun = loop.time()
    engine = CloseEngine(
        calls,
        [request.inst_id],
        priority,
        confirm_timeout=confirm_timeout,
        whole=whole,
        reader=readings.reader,
    )
    taken = False
    read_wait = FIRST_CLOSE_WAIT
    if max_wait is not None:
        engine.send_by = begun + max_wait
        engine.read_by = engine.send_by + confirm_timeout  # until an answer says when
        read_wait = min(read_wait, max_wait / 2)  # a reading that does not come must leave time for the close
    try:
        async with keeps_notes(engine.aclose):
            await engine.reader.read_since(begun, begun + read_wait, request.inst_id)
            reading = engine.reader.latest
            found = [] if reading is None else _matching(request, reading)
            engine.check_stopped()
            if engine.stop_error is not None:
                raise engine.stop_error
            if reading is not None and len(found) == 1:
                leg = engine.add_leg(found[0], reading, request)
                await _follow(engine, leg)
                return _result(engine, leg, request)
            left = None if max_wait is None else max(0.0, begun + max_wait - loop.time())
            try:
                turn = engine.turn(request)
                turn.by = begun + (max_wait or inf)  # by 0 nothing is waited for but its connection
                turn.patience = begun + (inf if max_wait is None else max_wait)
                answer, attempts = await calls.call(job, priority, left, request, permit=turn.permit, turn=turn)
            except OutcomeUnknownError as unknown:
                taken = True
                if not await _watch_until_gone(engine, request, loop.time() + confirm_timeout):
                    raise
                answer, attempts = Answer(200), unknown.attempts
            else:
                taken = True
                if not await _watch_until_gone(engine, request, loop.time() + confirm_timeout):
                    raise _unproven(engine, request, confirm_timeout, attempts)
            return replace(closed_position(answer, request, attempts), flat=True)
    except asyncio.CancelledError as cancelled:
        engine.add_notes(cancelled)
        if taken:
            note_unproven(cancelled, request.inst_id)
        raise


async def confirm_accepted(  # noqa: PLR0917 - private
    calls: Caller,
    request: ClosePosition,
    priority: Priority,
    accepted: ClosedPosition,
    confirm_timeout: float,
    readings: SharedReadings,
) -> ClosedPosition:
    """Return an accepted close once its position is proven gone; no close is sent.

    Args:
        calls: Makes the calls.
        request: The close.
        priority: The lane of the readings.
        accepted: What the exchange answered.
        confirm_timeout: Seconds from now until the position must be proven gone.
        readings: What is read for all confirmed closes of the client.
    """
    engine = CloseEngine(calls, [request.inst_id], priority, reader=readings.reader)
    try:
        if accepted.flat or await _watch_until_gone(
            engine, request, asyncio.get_running_loop().time() + confirm_timeout
        ):
            return replace(accepted, flat=True)
    except asyncio.CancelledError as cancelled:
        note_unproven(cancelled, request.inst_id)
        raise
    finally:
        await engine.aclose()
    raise _unproven(engine, request, confirm_timeout, accepted.attempts)


def _unproven(
    engine: CloseEngine, request: ClosePosition, seconds: float, attempts: tuple[Attempt, ...]
) -> OutcomeUnknownError:
    """Return the error of an accepted close without proof."""
    failure = engine.reader.failure
    why = f" in {seconds:g} s" if engine.stop_error is None else f" {_when(engine.stop_error)}"
    if engine.reads_over and failure is not None:
        why = f": positions could not be read ({failure})"
    text = f"accepted, but not proven closed{why}; look at positions"
    return OutcomeUnknownError(f"{request.inst_id}: {text}", attempts=attempts)


async def _follow(engine: CloseEngine, leg: Leg) -> None:
    """Follow a leg until the position is proven gone, or there is nothing more to do."""
    loop = asyncio.get_running_loop()
    while True:
        await engine.follow(leg)
        at, now = leg.proof_at, loop.time()
        unseen = leg.guard.may_move and leg.guard.observation is None
        if leg.proven or engine.stop_error or engine.reads_over or now >= engine.read_by or (at is None and not unseen):
            return
        await asyncio.sleep(SHORT_PROOF_GAP if at is None else max(0.0, at - now))
        await engine.reader.read_since(loop.time(), engine.read_by, leg.before.inst_id)
        engine.check_stopped()


class _Absence:
    """Since when all readings in a row have not listed the position that a close names.

    Args:
        request: The close.
        begun: The moment, by the loop's clock, from which on readings count.
    """

    def __init__(self, request: ClosePosition, begun: float) -> None:
        self._request = request
        self._begun = begun
        self.since: float | None = None
        """When the first of them was begun; None: the last reading has listed it, or there was none."""

    def see(self, reading: Reading) -> None:
        """Take any reading: also one for another close of the lane, of which the one that follows may not tell."""
        if reading.started < self._begun:
            return
        if _matching(self._request, reading) or _may_match(self._request, reading):
            self.since = None
        elif self.since is None:
            self.since = reading.started


async def _watch_until_gone(engine: CloseEngine, request: ClosePosition, by: float) -> bool:
    """Read until two readings in a row do not list the position; return False if they do not until `by`."""
    loop = asyncio.get_running_loop()
    absence = _Absence(request, loop.time())
    engine.reader.watch(absence.see)
    reads = 0
    while True:
        was_read = await engine.reader.read_since(loop.time(), by, request.inst_id)
        engine.check_stopped()
        if engine.reads_over:
            return False
        reading, since = engine.reader.latest, absence.since
        if was_read and reading is not None and since is not None and reading.started >= since + PROOF_GAP:
            return True
        pause = read_pause(reads) if since is None else PROOF_GAP
        reads += 1
        if loop.time() + pause >= by:
            return False
        await asyncio.sleep(pause)


def _matching(request: ClosePosition, reading: Reading) -> list[Position]:
    """Return the open positions that the exchange may close by this request."""
    return [
        position
        for position in reading.positions
        if not is_flat(position)
        and position.inst_id == request.inst_id
        and position.mgn_mode == request.mgn_mode
        and position.pos_side == (request.pos_side or "net")
        and (request.ccy is None or position.inst_type != "MARGIN" or position.ccy == request.ccy)
    ]


def _may_match(request: ClosePosition, reading: Reading) -> bool:
    """Return whether a record that cannot be read may be of such a position."""
    address = request.inst_id, request.mgn_mode, request.pos_side or "net", request.ccy or ""
    return reading.may_list(address) is not None


def _result(engine: CloseEngine, leg: Leg, request: ClosePosition) -> ClosedPosition:
    """Return the proven close, or raise the error of what happened instead."""
    state = leg.state(lambda _: True)
    if state is FlattenState.CLOSED:
        answer = engine.answers.get(leg, Answer(200))
        return replace(closed_position(answer, request, leg.attempts), flat=True)
    failure = _failure(leg, state, engine.stop_error)
    failure.attempts = leg.attempts
    raise failure


def _failure(leg: Leg, state: FlattenState, stop_error: OkxError | None) -> OkxError:
    """Return the error of a close whose position is not proven closed by it."""
    inst_id, met = leg.before.inst_id, leg.error
    if state is FlattenState.SUPERSEDED:
        pos = leg.guard.listed.pos if leg.guard.listed is not None else "?"
        return RejectedError(
            f"{inst_id}: superseded: the position is gone, and another one of {pos} stands there, which is left alone"
        )
    if state is FlattenState.ALREADY_FLAT:
        if isinstance(met, NothingToCloseError):
            return met
        return NothingToCloseError(f"{inst_id}: the position is gone, and not by this close")
    waited = state is FlattenState.IN_PROGRESS and isinstance(met, CloseInProgressError)
    why = met or stop_error
    words = ""
    if state in _WORDS and not waited:
        words = f"not proven closed {_when(stop_error)}: {_WORDS[state]}; look at positions, do not blindly repeat it"
    elif why is None:
        words = f"not proven closed {_when(stop_error)}; look at positions"
    elif any(attempt.outcome in {Outcome.ACCEPTED, Outcome.UNKNOWN} for attempt in leg.attempts):
        # "Refused, nothing executed" would be true of the last close only.
        words = f"not proven closed: an earlier close was taken, or may have been; look at positions: {why}"
    if why is not None and not words:
        return why
    code, status = ("", None) if why is None else (why.code, why.status)
    return OutcomeUnknownError(f"{inst_id}: {words}", code=code, status=status)


def _when(stop_error: OkxError | None) -> str:
    """Return by when a position was not proven closed."""
    if stop_error is None:
        return "in time"
    return (
        "before the API key was refused"
        if isinstance(stop_error, AuthenticationError)
        else "before the client was closed"
    )
