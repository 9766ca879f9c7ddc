"""The `flatten` command: consent, one call of Client.flatten, and the report.

Consent covers only the positions that were shown: one that appears after the question is left alone and reported. With
``--yes`` nothing is shown first, because one more reading would delay the first close.
"""

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
    Limiter,
    OkxError,
    Outcome,
    Position,
    Quota,
)
from okx_async._flatten.report import FLAT_STATES
from okx_async._flatten.survey import Survey, survey
from okx_async._rest.rate_keys import check_filter_id
from okx_async.cli.consent import Stopped, ask, no_terminal
from okx_async.cli.exits import ExitCode, attempt_record, emit, exit_code, failure_record, say
from okx_async.cli.signals import Stop, run
from okx_async.cli.target import Target

_SECOND_LOOK: Final = 0.25
"""Seconds until an empty list of positions is read again: a single reading may lag behind."""


@dataclass(frozen=True, slots=True)
class FlattenOptions:
    """The options of the command; see Client.flatten. `quota`: closes of an instrument in 2 s, None for all 20."""

    inst_ids: Sequence[str] | None
    mgn_mode: str | None
    auto_cxl: bool
    deadline: float
    dry_run: bool
    pos_side: str | None = None
    inst_type: str | None = None
    quota: int | None = None

    def check(self) -> None:
        """Raise InvalidRequestError for an option that Client.flatten would not take."""
        for inst_id in self.inst_ids or ():
            check_filter_id(inst_id)
        for option, value, words in self._filters():
            if value not in {None, *words}:
                raise InvalidRequestError(f"{option} must be {', '.join(words[:-1])} or {words[-1]}, got {value!r}")
        if self.quota is not None and not 1 <= self.quota <= Quota().limit:
            raise InvalidRequestError(f"--quota must be from 1 to {Quota().limit}, got {self.quota}")
        if not 0 < self.deadline < inf:
            raise InvalidRequestError(f"--deadline must be a positive number of seconds, got {self.deadline:g}")

    def holds(self, position: Position) -> bool:
        """Whether `position` is to be closed."""
        of = {"--mgn-mode": position.mgn_mode, "--pos-side": position.pos_side, "--inst-type": position.inst_type}
        return all(value in {None, of[option]} for option, value, _ in self._filters())

    def may_hold(self, position: Position) -> bool:
        """Whether a record that cannot be read may be meant: nothing that it says is certainly outside."""
        of = {"--mgn-mode": position.mgn_mode, "--pos-side": position.pos_side, "--inst-type": position.inst_type}
        return all(value in {None, of[option]} or of[option] not in words for option, value, words in self._filters())

    def narrowed(self) -> str:
        """Return a sentence that names the filters, "" without any; shown where no position was found."""
        return f"looked at {self.filter()} only: other positions may be open" if self.filter() else ""

    def filter(self) -> str:
        """Return the filters as they are typed, "" without any."""
        options = [f"--inst {inst_id}" for inst_id in self.inst_ids or ()]
        return " ".join([*options, *(f"{option} {value}" for option, value, _ in self._filters() if value is not None)])

    def limiter(self) -> Limiter | None:
        """Return a limiter with the share of the limit that was asked for; None: the whole limit."""
        return None if self.quota is None else Limiter(Quota(limit=self.quota))

    def _filters(self) -> tuple[tuple[str, str | None, tuple[str, ...]], ...]:
        """Return each option that filters, its value, and the words that it takes.

        A typing error must not match nothing, which would look flat.
        """
        return (
            ("--mgn-mode", self.mgn_mode, ("cross", "isolated")),
            ("--pos-side", self.pos_side, ("net", "long", "short")),
            ("--inst-type", self.inst_type, ("MARGIN", "SWAP", "FUTURES", "OPTION")),
        )


def _is_readable(position: Position) -> bool:
    """Return whether mode and side are those of the record; flatten asks about each one that may be meant."""
    side = position.raw.get("posSide")
    return position.raw.get("mgnMode") == position.mgn_mode and side in {position.pos_side, "", None}


@dataclass(slots=True)
class _Consent:
    """The positions that may be closed: those that match the options and, after a question, were shown by it."""

    options: FlattenOptions
    shown: frozenset[tuple[object, ...]] | None = None
    """None if no question was asked."""
    left_alone: dict[tuple[object, ...], Position] = field(default_factory=dict)
    """Positions that match and appeared after the question."""

    def holds(self, position: Position) -> bool:
        """Whether `position` may be closed."""
        if not _is_readable(position):
            return self.options.may_hold(position)  # it is not closed, and a row of its own
        if not self.options.holds(position):
            return False
        if self.shown is None or _identity(position) in self.shown:
            return True
        self.left_alone[_identity(position)] = position
        return False


def _identity(position: Position) -> tuple[object, ...]:
    address = position.inst_id, position.mgn_mode, position.pos_side, position.ccy, position.pos_ccy
    return *address, position.pos_id, position.c_time


def flatten(options: FlattenOptions, target: Target, *, yes: bool, as_json: bool) -> ExitCode:
    """Close the positions that match, and report each."""
    attempts: list[Attempt] = []
    stop = Stop()
    try:
        credentials = Credentials.from_env()
        options.check()
        client = target.client(credentials, attempts.append, options.limiter())
        asks = not (options.dry_run or yes or target.simulated(credentials))
        stopped = no_terminal("flatten") if asks else None
        consent = _Consent(options)
        if stopped is None and (asks or options.dry_run):
            listed = run(_listed(target.client(credentials), options), stop)
            if listed is None:
                stopped = Stopped(f"{stop.word}: nothing was sent", ExitCode.FAILED)
            elif options.dry_run or not listed.positions:
                return _nothing_sent(listed, options, as_json=as_json)
            else:
                consent.shown = frozenset(map(_identity, listed.positions))
                stopped = _ask(listed, target, options, stop)
        ending = stopped or run(_flatten(client, consent, attempts, stop, live=not as_json), stop)
    except OkxError as error:  # raised by the first reading
        return _failed(error, target, attempts, as_json=as_json)
    if ending is None:
        ending = _stopped([], attempts, stop)
    if stop.asked and not isinstance(ending, Stopped):
        say(f"{stop.word}: everything was closed by then")
    return _ended(ending, consent, target, attempts, as_json=as_json)


async def _listed(client: Client, options: FlattenOptions) -> Survey:
    """Return the positions that match, and records that may; an empty list is read twice."""

    async def read() -> Survey:
        listed = await survey(client._caller, options.inst_ids)  # noqa: SLF001 - positions() raises at an odd record
        odd = [one for one in listed.unreadable if options.may_hold(one.position)]
        return Survey([position for position in listed.positions if options.holds(position)], odd)

    async with client:
        if any(listed := await read()):
            return listed
        await asyncio.sleep(_SECOND_LOOK)
        return await read()


async def _flatten(
    client: Client, consent: _Consent, attempts: list[Attempt], stop: Stop, *, live: bool
) -> FlattenReport | Stopped:
    options = consent.options
    stop.gently = client.aclose
    try:
        async with client:
            with _progress(live=live) as on_progress:
                report = await client.flatten(
                    options.inst_ids,
                    where=consent.holds,
                    auto_cxl=options.auto_cxl,
                    deadline=options.deadline,
                    on_progress=on_progress,
                )
        left = [row for row in report.rows if row.state not in FLAT_STATES]
        if not stop.asked or report.flat:
            return report
        return _stopped([], [attempt for row in left for attempt in row.attempts], stop)
    except OkxError:
        if stop.asked and not any(attempt.sent for attempt in attempts):  # during the first reading
            return _stopped([], attempts, stop)
        raise
    except asyncio.CancelledError as cancelled:
        return _stopped(getattr(cancelled, "__notes__", []), attempts, stop)


def _progress(*, live: bool) -> AbstractContextManager[Callable[[FlattenRow], object] | None]:
    if not live:
        return nullcontext(None)
    from okx_async.cli.flatten_page import progress  # noqa: PLC0415 - not for JSON

    return progress()


def _ask(listed: Survey, target: Target, options: FlattenOptions, stop: Stop) -> Stopped | None:
    from okx_async.cli.tables import print_positions  # noqa: PLC0415 - not for JSON

    say("To be closed at market, each as a whole:")
    print_positions(listed.positions, to_stderr=True)
    _say_unreadable(listed)
    orders = "cancel pending close orders first" if options.auto_cxl else "stay; pending ones refuse the close"
    say(f"  filter  {options.filter() or 'none: everything that is open'}")
    say(f"  orders  {orders}\n  where   {target.description()}")
    return ask(f"Close {len(listed.positions)} position{'s' * (len(listed.positions) > 1)}?", stop)


def _say_unreadable(listed: Survey) -> None:
    for record in listed.unreadable:
        say(f"not to be closed, since it cannot be read: {record.reason}")


def _nothing_sent(listed: Survey, options: FlattenOptions, *, as_json: bool) -> ExitCode:
    """Print the positions that would be closed, and records that cannot be read: with those, it may not be flat."""
    code = ExitCode.FAILED if listed.unreadable else ExitCode.DONE
    if as_json:
        positions = [dict(position.raw) for position in listed.positions]
        odd = [dict(record.position.raw) for record in listed.unreadable]
        record = {"outcome": "not sent", "dry_run": options.dry_run, "flat": not any(listed)}
        emit(record | {"positions": positions, "unreadable": odd})
        return code
    from okx_async.cli.tables import print_positions  # noqa: PLC0415 - not for JSON

    if listed.positions or not listed.unreadable:
        print_positions(listed.positions)
    _say_unreadable(listed)
    if options.dry_run and any(listed):
        say("dry run: nothing was sent")
    elif narrowed := options.narrowed():
        say(narrowed)
    return code


def _stopped(notes: Sequence[str], attempts: Sequence[Attempt], stop: Stop) -> Stopped:
    """Return what is known of a flatten that was cut short; every request in flight is named."""
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
    """Report a flatten that raised: the first reading failed, or an argument was wrong."""
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
    ending: FlattenReport | Stopped, consent: _Consent, target: Target, attempts: Sequence[Attempt], *, as_json: bool
) -> ExitCode:
    """Print the report, as text or as one record, and the next steps."""
    look = f"see what is left: {target.positions_command(*consent.options.inst_ids or ())}"
    left_alone = list(consent.left_alone.values())
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
        from okx_async.cli.flatten_page import print_report  # noqa: PLC0415 - not for JSON

        print_report(ending, left_alone)
        if not ending.rows and (narrowed := consent.options.narrowed()):
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
    """Return the JSON record of a report; positions and orders as they were received."""

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
