"""One close, followed until the exchange no longer lists the position.

The position is read first, so that a close may be repeated under the guard and an unknown outcome can be resolved. If
it is not listed, or nothing can be read within a second, the close goes out all the same, as without confirmation: the
exchange decides. It is then watched, but, whatever stands there, never repeated after an unknown outcome.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

from okx_async._calls.caller import Caller
from okx_async._errors import CloseInProgressError, NothingToCloseError, OkxError, OutcomeUnknownError, RejectedError
from okx_async._flatten.engine import UNREAD, Pursuit, unproven
from okx_async._flatten.guard import Reading, is_flat
from okx_async._flatten.leg import APART, LOOKS, SOON, Leg
from okx_async._flatten.report import FlattenState
from okx_async._models import ClosedPosition, ClosePosition, Outcome, Position
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
    calls: Caller, request: ClosePosition, priority: Priority, max_wait: float | None, patience: float
) -> ClosedPosition:
    """Return once the position is proven gone; raises as `Client.close_position` says.

    `patience`: seconds from the first answer to the close.
    """
    loop = asyncio.get_running_loop()
    job = requests.close_position(request)
    begun = loop.time()
    pursuit = Pursuit(calls, [request.inst_id], priority, patience=patience)
    taken = False
    if max_wait is not None:
        pursuit.send_by = begun + max_wait
    try:
        await pursuit.readings.after(begun, min(begun + UNREAD, pursuit.send_by), request.inst_id)
        reading = pursuit.latest
        found = [] if reading is None else _matching(request, reading)
        pursuit.check()
        if pursuit.stopped is not None:
            raise pursuit.stopped
        if reading is not None and len(found) == 1:
            leg = pursuit.add(found[0], reading, request)
            await _follow(pursuit, leg)
            return _result(pursuit, leg, request)
        left = None if max_wait is None else max(0.0, begun + max_wait - loop.time())
        try:
            answer, attempts = await calls.call(job, priority, left, request)
        except OutcomeUnknownError as unknown:
            taken = True
            if not await _gone(pursuit, request, loop.time() + patience):
                raise
            answer, attempts = Answer(200), unknown.attempts
        else:
            taken = True
            if not await _gone(pursuit, request, loop.time() + patience):
                raise OutcomeUnknownError(
                    f"{request.inst_id}: accepted, but not proven closed in {patience:g} s: look at positions",
                    attempts=attempts,
                )
        return replace(closed_position(answer, request, attempts), flat=True)
    except asyncio.CancelledError as cancelled:
        pursuit.note(cancelled)
        if taken:
            cancelled.add_note(unproven(request.inst_id))
        raise
    finally:
        await pursuit.aclose()


async def _follow(pursuit: Pursuit, leg: Leg) -> None:
    """Follow the position until it is proven gone, or there is nothing more to do about it."""
    loop = asyncio.get_running_loop()
    while True:
        await pursuit.follow(leg)
        at, now = leg.proof_at, loop.time()
        unseen = leg.guard.unseen and leg.guard.sight is None
        if leg.proven or pursuit.stopped or now >= pursuit.look_by or (at is None and not unseen):
            return
        await asyncio.sleep(SOON if at is None else max(0.0, at - now))
        await pursuit.readings.after(loop.time(), pursuit.look_by, leg.before.inst_id)
        pursuit.check()


async def _gone(pursuit: Pursuit, request: ClosePosition, by: float) -> bool:
    """Look until two readings in a row list nothing in the slot; return whether that was so `by` then."""
    loop = asyncio.get_running_loop()
    since: float | None = None
    looks = 0
    while True:
        moment = loop.time()
        told = await pursuit.readings.after(moment, by, request.inst_id)
        if told and pursuit.latest is not None:
            if _matching(request, pursuit.latest):
                since = None
            elif since is None:
                since = pursuit.latest.started
            elif pursuit.latest.started >= since + APART:
                return True
        pause = APART if since is not None else LOOKS[min(looks, len(LOOKS) - 1)]
        looks += 1
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


def _result(pursuit: Pursuit, leg: Leg, request: ClosePosition) -> ClosedPosition:
    """Return the proven close, or raise what became of it instead."""
    state = leg.state(lambda _: True)
    if state is FlattenState.CLOSED:
        answer = pursuit.answers.get(leg, Answer(200))
        return replace(closed_position(answer, request, leg.attempts), flat=True)
    failure = _failure(leg, state, pursuit.stopped)
    failure.attempts = leg.attempts
    raise failure


def _failure(leg: Leg, state: FlattenState, stopped: OkxError | None) -> OkxError:
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
    why = met or stopped
    words = ""
    if state in _WORDS and not waited:
        words = f"not proven closed in time: {_WORDS[state]}; look at positions, do not blindly repeat it"
    elif why is None:
        words = "not proven closed in time; look at positions"
    elif any(attempt.outcome in {Outcome.ACCEPTED, Outcome.UNKNOWN} for attempt in leg.attempts):
        # Of all closes together "refused, nothing executed" would be a lie.
        words = f"not proven closed: an earlier close was taken, or may have been; look at positions: {why}"
    if why is not None and not words:
        return why
    code, status = ("", None) if why is None else (why.code, why.status)
    return OutcomeUnknownError(f"{inst_id}: {words}", code=code, status=status)
