"""`flatten`: everything out, proven out, and every position with its word.

What is agreed to is what was shown: a position that appears after the question is left alone, and told. With ``--yes``
nothing is shown first, since a reading more is time that somebody in a hurry may not have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

from okx_async import (
    Attempt,
    Client,
    Credentials,
    FlattenReport,
    FlattenRow,
    FlattenState,
    InvalidRequestError,
    OkxError,
    Outcome,
    Position,
)
from okx_async._rest.rate_keys import check_inst_id
from okx_async.cli.consent import Stopped, ask, no_terminal
from okx_async.cli.exits import ExitCode, attempt_record, emit, exit_code, failure_record, say
from okx_async.cli.signals import Stop, run
from okx_async.cli.target import Target

__all__ = ["Wish", "flatten"]

_SECOND_LOOK: Final = 0.25
"""Seconds until positions are read again where none was listed: one reading alone may lag behind."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be closed, and how; see Client.flatten."""

    inst_ids: Sequence[str] | None
    mgn_mode: str | None
    auto_cxl: bool
    deadline: float
    dry_run: bool

    def check(self) -> None:
        """Raise InvalidRequestError for what cannot be meant."""
        for inst_id in self.inst_ids or ():
            check_inst_id(inst_id)
        if self.mgn_mode not in {None, "cross", "isolated"}:
            raise InvalidRequestError(f"--mgn-mode must be cross or isolated, got {self.mgn_mode!r}")
        if not 0 < self.deadline < inf:
            raise InvalidRequestError(f"--deadline must be a positive number of seconds, got {self.deadline:g}")

    def holds(self, position: Position) -> bool:
        """Whether a position is meant."""
        return self.mgn_mode in {None, position.mgn_mode}

    def narrowed(self) -> str:
        """Return a sentence for where nothing was found: perhaps it was looked for in the wrong place."""
        options = [f"--inst {inst_id}" for inst_id in self.inst_ids or ()]
        options += [f"--mgn-mode {self.mgn_mode}"] * (self.mgn_mode is not None)
        return f"looked at {' '.join(options)} only: other positions may be open" if options else ""


@dataclass(slots=True)
class _Agreed:
    """The positions that were shown before the question; None: nobody was asked, all are meant."""

    wish: Wish
    shown: frozenset[tuple[object, ...]] | None = None
    left_alone: dict[tuple[object, ...], Position] = field(default_factory=dict)
    """Those that appeared since."""

    def holds(self, position: Position) -> bool:
        """Whether a position may be closed."""
        if not self.wish.holds(position):
            return False
        if self.shown is None or _identity(position) in self.shown:
            return True
        self.left_alone[_identity(position)] = position
        return False


def _identity(position: Position) -> tuple[object, ...]:
    slot = position.inst_id, position.mgn_mode, position.pos_side, position.ccy, position.pos_ccy
    return *slot, position.pos_id, position.c_time


def flatten(wish: Wish, target: Target, *, yes: bool, as_json: bool) -> ExitCode:
    """Close what is wished for, and say what became of each position."""
    attempts: list[Attempt] = []
    stop = Stop()
    try:
        credentials = Credentials.from_env()
        wish.check()
        client = target.client(credentials, attempts.append)
        asks = not (wish.dry_run or yes or target.simulated(credentials))
        stopped = no_terminal("flatten") if asks else None
        agreed = _Agreed(wish)
        if stopped is None and (asks or wish.dry_run):
            listed = run(_listed(target.client(credentials), wish), stop)
            if listed is None:
                stopped = Stopped(f"{stop.word}: nothing was sent", ExitCode.FAILED)
            elif wish.dry_run or not listed:
                return _nothing_sent(listed, wish, as_json=as_json)
            else:
                agreed.shown = frozenset(map(_identity, listed))
                stopped = _ask(listed, target, wish, stop)
        ending = stopped or run(_flatten(client, agreed, attempts, stop, live=not as_json), stop)
    except OkxError as error:  # of the first reading
        return _failed(error, target, attempts, as_json=as_json)
    if ending is None:
        ending = _stopped([], attempts, stop)
    return _ended(ending, agreed, target, attempts, as_json=as_json)


async def _listed(client: Client, wish: Wish) -> list[Position]:
    async with client:
        listed = [position for position in await client.positions(wish.inst_ids) if wish.holds(position)]
        if not listed:
            await asyncio.sleep(_SECOND_LOOK)
            listed = [position for position in await client.positions(wish.inst_ids) if wish.holds(position)]
        return listed


async def _flatten(
    client: Client, agreed: _Agreed, attempts: list[Attempt], stop: Stop, *, live: bool
) -> FlattenReport | Stopped:
    wish = agreed.wish
    try:
        async with client:
            with _progress(live=live) as told:
                return await client.flatten(
                    wish.inst_ids,
                    where=agreed.holds,
                    auto_cxl=wish.auto_cxl,
                    deadline=wish.deadline,
                    on_progress=told,
                )
    except asyncio.CancelledError as cancelled:
        return _stopped(getattr(cancelled, "__notes__", []), attempts, stop)


def _progress(*, live: bool) -> AbstractContextManager[Callable[[FlattenRow], object] | None]:
    if not live:
        return nullcontext(None)
    from okx_async.cli.flatten_page import progress  # noqa: PLC0415 - machines need no tables

    return progress()


def _ask(listed: Sequence[Position], target: Target, wish: Wish, stop: Stop) -> Stopped | None:
    from okx_async.cli.tables import print_positions  # noqa: PLC0415 - machines need no tables

    say("To be closed at market, each as a whole:")
    print_positions(listed, to_stderr=True)
    orders = "cancel pending close orders first" if wish.auto_cxl else "stay; pending ones refuse the close"
    say(f"  orders  {orders}\n  where   {target.words()}")
    return ask(f"Close {len(listed)} position{'s' * (len(listed) > 1)}?", stop)


def _nothing_sent(listed: Sequence[Position], wish: Wish, *, as_json: bool) -> ExitCode:
    """Show what would be closed, or that there is nothing."""
    if as_json:
        positions = [dict(position.raw) for position in listed]
        emit({"outcome": "not sent", "dry_run": wish.dry_run, "flat": not listed, "positions": positions})
        return ExitCode.DONE
    from okx_async.cli.tables import print_positions  # noqa: PLC0415 - machines need no tables

    print_positions(listed)
    if listed:
        say("dry run: nothing was sent")
    elif narrowed := wish.narrowed():
        say(narrowed)
    return ExitCode.DONE


def _stopped(notes: Sequence[str], attempts: Sequence[Attempt], stop: Stop) -> Stopped:
    """Say what is known of a flatten that was cut short: nothing of it may be in flight unsaid."""
    doubtful = {
        attempt.request.inst_id: "already sent, outcome unknown"
        for attempt in attempts
        if attempt.outcome is Outcome.UNKNOWN
    }
    taken = {attempt.request.inst_id for attempt in attempts if attempt.outcome is Outcome.ACCEPTED} - set(doubtful)
    known = list(dict.fromkeys(notes)) or [f"{inst_id}: {what}" for inst_id, what in doubtful.items()]
    noted = {note.partition(":")[0] for note in known}
    known += [f"{inst_id}: accepted, not proven closed" for inst_id in sorted(taken - noted)]
    if not known:
        refused = sum(attempt.code != "" for attempt in attempts)
        became = f"{refused} closes were refused, nothing was executed" if refused else "no close was sent"
        return Stopped(f"{stop.word}: {became}", ExitCode.FAILED)
    return Stopped("\n".join([f"{stop.word}, in flight or not proven:", *known]), ExitCode.UNKNOWN)


def _failed(error: OkxError, target: Target, attempts: Sequence[Attempt], *, as_json: bool) -> ExitCode:
    """Say that nothing was begun: the first reading failed, or an argument was wrong."""
    say(f"error: {error}")
    if isinstance(error, InvalidRequestError):
        return exit_code(error)
    sent = any(attempt.sent is not None for attempt in attempts)
    if not sent:
        say("no close was sent")
    if hint := target.doctor_hint(error):
        say(hint)
    if as_json:
        emit({"flat": False} | failure_record(error) | {"outcome": "unknown" if sent else "not sent"})
    return ExitCode.UNKNOWN if sent else ExitCode.FAILED


def _ended(
    ending: FlattenReport | Stopped, agreed: _Agreed, target: Target, attempts: Sequence[Attempt], *, as_json: bool
) -> ExitCode:
    look = f"see what is left: {target.positions_command(*agreed.wish.inst_ids or ())}"
    left_alone = list(agreed.left_alone.values())
    if isinstance(ending, Stopped):
        say(ending.text)
        if attempts:
            say(f"{look}\nthen run it again: it begins with a new reading, and closes what is left")
        if as_json and ending.code is not ExitCode.USAGE:
            outcome = "unknown" if ending.code is ExitCode.UNKNOWN else "not executed"
            record: dict[str, Any] = {"flat": False, "outcome": outcome, "error": "Stopped", "text": ending.text}
            emit(record | {"attempts": [_attempt(attempt) for attempt in attempts]})
        return ending.code
    code = _code(ending, left_alone)
    if as_json:
        emit(_record(ending, left_alone))
    else:
        from okx_async.cli.flatten_page import print_report  # noqa: PLC0415 - machines need no tables

        print_report(ending, left_alone)
        if not ending.rows and (narrowed := agreed.wish.narrowed()):
            say(narrowed)
    if code is not ExitCode.DONE:
        say(look)
        hints = {target.doctor_hint(row.error): None for row in ending.rows if row.error is not None}
        for hint in filter(None, hints):
            say(hint)
    return code


def _code(report: FlattenReport, left_alone: Sequence[Position]) -> ExitCode:
    if any(row.state is FlattenState.UNKNOWN for row in report.rows):
        return ExitCode.UNKNOWN
    return ExitCode.DONE if report.flat and not left_alone else ExitCode.FAILED


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {"inst_id": attempt.request.inst_id} | attempt_record(attempt)


def _record(report: FlattenReport, left_alone: Sequence[Position]) -> dict[str, Any]:
    """Return the report for machines; positions and orders as they were received."""

    def raw(position: Position | None) -> dict[str, Any] | None:
        return None if position is None else dict(position.raw)

    rows = [
        {
            "inst_id": row.position.inst_id,
            "mgn_mode": row.position.mgn_mode,
            "pos_side": row.position.pos_side,
            "state": row.state.value,
            "before": raw(row.before),
            "after": raw(row.after),
            "seconds": round(row.seconds, 6),
            "error": None if row.error is None else failure_record(row.error),
            "attempts": [attempt_record(attempt) for attempt in row.attempts],
        }
        for row in report.rows
    ]
    orders = report.open_orders
    return {
        "flat": report.flat and not left_alone,
        "outcome": "unknown" if _code(report, left_alone) is ExitCode.UNKNOWN else "known",
        "rows": rows,
        "left_alone": [raw(position) for position in left_alone],
        "open_orders": None if orders is None else [dict(order.raw) for order in orders],
        "seconds": round(report.seconds, 6),
    }
