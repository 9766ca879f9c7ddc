"""The `close` and `positions` commands: keys from the environment, consent, one call, and its result.

All arguments are checked before the question for consent, which is asked once.
"""

import asyncio
from typing import Any

from okx_async import (
    Attempt,
    Client,
    ClosedPosition,
    ClosePosition,
    Credentials,
    InvalidRequestError,
    NotSentError,
    OkxError,
    Outcome,
    OutcomeUnknownError,
    RateLimitedError,
    UnavailableError,
)
from okx_async._flatten.survey import Survey, survey
from okx_async._rest.records import unreadable_positions
from okx_async._rest.requests import close_body
from okx_async.cli.consent import Stopped, ask, no_terminal
from okx_async.cli.exits import ExitCode, attempt_record, emit, exit_code, failure_record, say, say_error, show
from okx_async.cli.signals import Stop, run
from okx_async.cli.target import Target
from okx_async.cli.waits import told, watched


def close(
    request: ClosePosition, target: Target, *, max_wait: float | None, confirm: bool, yes: bool, as_json: bool
) -> ExitCode:
    """Close one position, and report the result."""
    attempts: list[Attempt] = []
    try:
        credentials = Credentials.from_env()
        close_body(request)
        client = target.client(credentials, attempts.append)
        stop = Stop()
        refusal = None if yes or target.simulated(credentials) else _ask(request, target, stop)
    except InvalidRequestError as error:
        say_error(error)
        return exit_code(error)
    ending: ClosedPosition | OkxError | Stopped | None = refusal
    if ending is None:
        try:
            ending = run(_close(client, request, max_wait, attempts, stop, confirm=confirm, live=not as_json), stop)
        except NotSentError as error:  # no event loop could be made
            ending = error
    if ending is None:
        text = f"{stop.word}: {request.inst_id}: it may have been sent and executed, look at positions"
        ending = Stopped(text, ExitCode.UNKNOWN)
    if stop.asked and not isinstance(ending, Stopped):
        say(f"{stop.word}: the close was on the wire, its answer was awaited")
    return _ended(request, target, ending, attempts, as_json=as_json)


def positions(inst_ids: list[str] | None, target: Target, *, as_json: bool) -> ExitCode:
    """List the open positions."""
    stop = Stop()
    try:
        listed = run(_positions(target.client(Credentials.from_env()), inst_ids), stop)
    except OkxError as error:
        say_error(error)
        if hint := target.doctor_hint(error):
            say(hint)
        if as_json and exit_code(error) is not ExitCode.USAGE:
            emit(failure_record(error))
        return exit_code(error)
    if listed is None:
        text = f"{stop.word}: the positions were not read"
        say(text)
        if as_json:
            emit({"outcome": "not_read", "error": "Stopped", "text": text})
        return ExitCode.FAILED
    found = [dict(position.raw) for position in listed.positions]
    odd = unreadable_positions(listed.unreadable) if listed.unreadable else None
    if as_json and odd is not None:
        records = [dict(record.position.raw) for record in listed.unreadable]
        emit(failure_record(odd) | {"listed": found, "unreadable": records})
    elif as_json:
        emit({"positions": found})
    else:
        from okx_async.cli.tables import print_lines, print_positions  # noqa: PLC0415 - not for JSON

        if found or odd is None:
            print_positions(listed.positions)
        print_lines((f"cannot be read: {record.reason}" for record in listed.unreadable), to_stderr=True)
    if odd is None:
        return ExitCode.DONE
    say_error(odd)
    return exit_code(odd)


async def _positions(client: Client, inst_ids: list[str] | None) -> Survey:
    wanted = None if inst_ids is None else list(dict.fromkeys(inst_ids))
    async with client:
        # Client.positions raises at a record that cannot be read, and so shows none of the others.
        return await survey(client._caller, wanted)  # noqa: SLF001 - as flatten shows what is open


async def _close(
    client: Client,
    request: ClosePosition,
    max_wait: float | None,
    attempts: list[Attempt],
    stop: Stop,
    *,
    confirm: bool,
    live: bool,
) -> ClosedPosition | OkxError | Stopped:
    ending: ClosedPosition | OkxError | None = None
    stop.gently = client.aclose
    try:
        async with client, watched(told(client.limiter) if live else None):
            try:
                ending = await client.close_position(
                    request.inst_id,
                    request.mgn_mode,
                    pos_side=request.pos_side,
                    ccy=request.ccy,
                    auto_cxl=request.auto_cxl,
                    cl_ord_id=request.cl_ord_id,
                    tag=request.tag,
                    max_wait=max_wait,
                    confirm=confirm,
                )
            except OkxError as error:
                ending = error
    except asyncio.CancelledError as cancelled:
        # An answer that arrived before the interrupt still counts.
        return ending or _stopped(request, getattr(cancelled, "__notes__", []), attempts, stop)
    return _stopped(request, _notes(request, attempts), attempts, stop) if stop.asked and _cut_short(ending) else ending


def _cut_short(ending: ClosedPosition | OkxError) -> bool:
    """Whether a close that was stopped could have come to another end."""
    return isinstance(ending, NotSentError | RateLimitedError | UnavailableError | OutcomeUnknownError)


def _notes(request: ClosePosition, attempts: list[Attempt]) -> list[str]:
    unknown = any(attempt.outcome is Outcome.UNKNOWN for attempt in attempts)
    return [f"{request.inst_id}: already sent, outcome unknown"] if unknown else []


def _stopped(request: ClosePosition, notes: list[str], attempts: list[Attempt], stop: Stop) -> Stopped:
    """Return what is known of a close that was cut short."""
    if notes or any(attempt.outcome in {Outcome.UNKNOWN, Outcome.ACCEPTED} for attempt in attempts):
        known = "; ".join(notes) or f"{request.inst_id}: already sent"
        return Stopped(f"{stop.word}: {known}; it may have been executed, look at positions", ExitCode.UNKNOWN)
    refused = next((attempt.code for attempt in reversed(attempts) if attempt.code), "")
    became = f"refused so far ({refused}), nothing was executed" if refused else "nothing was sent"
    return Stopped(f"{stop.word}: {request.inst_id}: {became}", ExitCode.FAILED)


def _ask(request: ClosePosition, target: Target, stop: Stop) -> Stopped | None:
    """Show the request and ask for consent; return None for consent, else the end of the command."""
    if refusal := no_terminal(request.inst_id):
        return refusal
    say(
        "To be closed at market, the whole position:\n"
        f"  instrument  {request.inst_id}\n"
        f"  mode        {request.mgn_mode}{f', {request.ccy}' if request.ccy else ''}\n"
        f"  side        {request.pos_side or 'net (none named)'}\n"
        f"  orders      {'cancel pending close orders first' if request.auto_cxl else 'stay; pending ones refuse it'}\n"
        f"  where       {target.description()}"
    )
    return ask("Close it?", stop)


def _ended(
    request: ClosePosition,
    target: Target,
    ending: ClosedPosition | OkxError | Stopped,
    attempts: list[Attempt],
    *,
    as_json: bool,
) -> ExitCode:
    """Print the result of the close, as text or as one record, and the next steps."""
    look = f"see what is left: {target.positions_command(request.inst_id)}"
    record: dict[str, Any] = {"inst_id": request.inst_id, "mgn_mode": request.mgn_mode, "flat": False}
    match ending:
        case OkxError():
            code = exit_code(ending)
            say_error(ending)
            if hint := target.doctor_hint(ending):
                say(hint)
            record |= failure_record(ending)
        case Stopped(text, code):
            say(text)
            outcome = "unknown" if code is ExitCode.UNKNOWN else "not_executed"
            record |= {"outcome": outcome, "error": "Stopped", "text": text.strip()}
        case _:
            code = ExitCode.DONE
            record |= {"outcome": "accepted", "pos_side": ending.pos_side, "cl_ord_id": ending.cl_ord_id}
            record |= {"tag": ending.tag, "flat": ending.flat}
            if not as_json and ending.flat:
                show(f"{request.inst_id}: closed, the exchange no longer lists it")
            elif not as_json:
                show(f"{request.inst_id}: accepted. That is not yet proof of being flat;\n{look}")
    if code is ExitCode.UNKNOWN:
        say(look)
    if as_json and code is not ExitCode.USAGE:
        emit(record | {"attempts": [attempt_record(attempt) for attempt in attempts]})
    return code
