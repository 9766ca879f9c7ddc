"""The `flatten` command: consent, one call of Client.flatten, and the report.

Consent covers only the positions and orders that were shown: what appears after the question is left alone and
reported. With ``--yes`` nothing is shown first, because one more reading would delay the first close.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

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
    SlotSource,
)
from okx_async._flatten.report import FLAT_STATES
from okx_async.cli.consent import Stopped, ask, no_terminal
from okx_async.cli.exits import ExitCode, attempt_record, emit, exit_code, failure_record, say, say_error
from okx_async.cli.flatten_consent import Consent, FlattenOptions, Found, find
from okx_async.cli.limits import way_out
from okx_async.cli.signals import Stop, run
from okx_async.cli.target import Target
from okx_async.cli.waits import Waits, told, watched


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
        consent = Consent(options)
        if stopped is None and (asks or options.dry_run):
            reader = target.client(credentials, limiter=client.limiter)
            found = run(find(reader, options, None if as_json else told(client.limiter)), stop)
            if found is None:
                stopped = Stopped(f"{stop.word}: nothing was sent", ExitCode.FAILED)
            elif options.dry_run or not (found.positions or found.orders):
                return _nothing_sent(found, options, as_json=as_json)
            else:
                consent.give(found)
                stopped = _ask(found, target, options, stop)
        ending = stopped or run(_flatten(client, consent, attempts, stop, live=not as_json), stop)
    except OkxError as error:  # raised by the first reading
        return _failed(error, target, attempts, as_json=as_json)
    if ending is None:
        ending = _stopped([], attempts, stop)
    if stop.asked and not isinstance(ending, Stopped):
        say(f"{stop.word}: everything was closed by then")
    return _ended(ending, consent, target, attempts, as_json=as_json)


async def _flatten(
    client: Client, consent: Consent, attempts: list[Attempt], stop: Stop, *, live: bool
) -> FlattenReport | Stopped:
    options = consent.options
    stop.gently = client.aclose
    try:
        async with client:
            with _progress(client.limiter, live=live) as (on_progress, waits):
                async with watched(waits):
                    report = await client.flatten(
                        options.inst_ids,
                        where=consent.holds,
                        auto_cxl=options.auto_cxl,
                        deadline=options.deadline,
                        on_progress=on_progress,
                        cancel_orders=None if options.keep_orders else consent.holds_order,
                        look_again=options.look_again,
                    )
        left = [row for row in report.rows if row.state not in FLAT_STATES]
        if not stop.asked or report.flat:
            return report
        ending = _stopped([], [attempt for row in left for attempt in row.attempts], stop)
        cancelled = f"\norders that were cancelled: {len(report.cancelled)}" if report.cancelled else ""
        return Stopped(ending.text + cancelled, ending.code)
    except OkxError:
        if stop.asked and not any(attempt.sent for attempt in attempts):  # during the first reading
            return _stopped([], attempts, stop)
        raise
    except asyncio.CancelledError as cancelled:
        return _stopped(getattr(cancelled, "__notes__", []), attempts, stop)


def _progress(
    limiter: SlotSource, *, live: bool
) -> AbstractContextManager[tuple[Callable[[FlattenRow], object] | None, Waits | None]]:
    if not live:
        return nullcontext((None, None))
    from okx_async.cli.flatten_page import progress  # noqa: PLC0415 - not for JSON

    return progress(limiter)


def _ask(found: Found, target: Target, options: FlattenOptions, stop: Stop) -> Stopped | None:
    from okx_async.cli.tables import print_lines, print_positions  # noqa: PLC0415 - not for JSON

    asked = []
    if found.positions:
        say("To be closed at market, each as a whole:")
        print_positions(found.positions, to_stderr=True)
        asked.append(f"close {_count(len(found.positions), 'position')}")
    _say_unreadable(found)
    _say_orders(found)
    if found.orders:
        asked.append(f"cancel {_count(len(found.orders), 'order')}")
    orders = "cancel pending close orders first" if options.auto_cxl else "stay; pending ones refuse the close"
    about = f"  filter  {options.filter() or 'none: everything that is open'}", f"  orders  {orders}"
    print_lines([*about, f"  where   {target.description()}"], to_stderr=True)
    return ask(f"{' and '.join(asked).capitalize()}?", stop)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' * (number > 1)}"


def _say_unreadable(found: Found) -> None:
    from okx_async.cli.tables import print_lines  # noqa: PLC0415 - not for JSON

    lines = (f"not to be closed, since it cannot be read: {record.reason}" for record in found.unreadable)
    print_lines(lines, to_stderr=True)


def _say_orders(found: Found) -> None:
    from okx_async.cli.flatten_page import order_lines  # noqa: PLC0415 - not for JSON
    from okx_async.cli.tables import print_lines  # noqa: PLC0415 - the same

    for orders, when in (
        (found.entries, "To be cancelled at once, since they may open a position:"),
        (found.protective, "To be cancelled once all of it is flat:"),
    ):
        if orders:
            print_lines([when, *order_lines(orders)], to_stderr=True)
    print_lines((f"pending orders that are not shown are not cancelled: {why}" for why in found.unread), to_stderr=True)


def _nothing_sent(found: Found, options: FlattenOptions, *, as_json: bool) -> ExitCode:
    """Print what would be closed and cancelled, and records that cannot be read: with those, it may not be flat."""
    code = ExitCode.FAILED if found.unreadable else ExitCode.DONE
    if as_json:
        positions = [dict(position.raw) for position in found.positions]
        odd = [dict(record.position.raw) for record in found.unreadable]
        record: dict[str, Any] = {"outcome": "not_sent", "dry_run": options.dry_run, "flat": not found.open}
        if not options.keep_orders:
            record["cancels"] = [dict(order.raw) for order in found.orders]
            record["unread_orders"] = found.unread
        emit(record | {"positions": positions, "unreadable": odd})
        return code
    from okx_async.cli.tables import print_positions  # noqa: PLC0415 - not for JSON

    if found.positions or not found.unreadable:
        print_positions(found.positions)
    _say_unreadable(found)
    _say_orders(found)
    if options.dry_run and (found.open or found.orders):
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
    say_error(error)
    if out := way_out(error):
        say(out)
    if isinstance(error, InvalidRequestError):
        return exit_code(error)
    sent = any(attempt.sent is not None for attempt in attempts)
    if not sent:
        say("no close was sent")
    if hint := target.doctor_hint(error):
        say(hint)
    if as_json:
        emit({"flat": False} | failure_record(error) | {"outcome": "unknown" if sent else "not_sent"})
    return ExitCode.UNKNOWN if sent else ExitCode.FAILED


def _ended(
    ending: FlattenReport | Stopped, consent: Consent, target: Target, attempts: Sequence[Attempt], *, as_json: bool
) -> ExitCode:
    """Print the report, as text or as one record, and the next steps."""
    look = f"see what is left: {target.positions_command(*consent.options.inst_ids or ())}"
    left_alone = list(consent.left_alone.values())
    if isinstance(ending, Stopped):
        say(ending.text)
        if attempts:
            say(f"{look}\nthen run it again: it begins with a new reading, and closes and cancels what is left")
        if as_json and ending.code is not ExitCode.USAGE:
            outcome = "unknown" if ending.code is ExitCode.UNKNOWN else "not_executed"
            record: dict[str, Any] = {"flat": False, "outcome": outcome, "error": "Stopped", "text": ending.text}
            emit(record | {"attempts": [_attempt(attempt) for attempt in attempts]})
        return ending.code
    code = _code(ending, left_alone)
    entries = consent.entries_left(ending)
    if entries and code is ExitCode.DONE:
        code = ExitCode.FAILED
    if as_json:
        emit(_record(ending, left_alone))
    else:
        from okx_async.cli.flatten_page import print_report  # noqa: PLC0415 - not for JSON

        print_report(ending, left_alone)
        if entries:
            say(f"{_count(len(entries), 'order')} that may open a position could not be cancelled, or came later")
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
        "cancelled": [dict(order.raw) for order in report.cancelled],
        "cancel_codes": dict(report.cancel_codes),
        "appeared": [raw(position) for position in report.appeared],
        "notes": list(report.notes),
        "orders_read": [dict(order.raw) for order in report.orders_read],
        "seconds": round(report.seconds, 6),
    }
