"""The `limits` command, and the limits that the other commands keep."""

import os
from dataclasses import asdict
from pathlib import Path

from okx_async import InvalidRequestError, OkxError, SlotSource
from okx_async._calls.default_source import VARIABLE
from okx_async._calls.wiring import check_lease
from okx_async._rest.remedies import by_option
from okx_async.cli.consent import Stopped, ask, at_terminal
from okx_async.cli.exits import ExitCode, emit, exit_code, say, say_error
from okx_async.cli.signals import Stop
from okx_async.doctor.finding import Finding, Level
from okx_async.doctor.limits import (
    UNUSED,
    is_unused,
    keys_in_use,
    other_terms,
    server_problems,
    server_words,
    terms_words,
)
from okx_async.stores._sqlite.places import default_path
from okx_async.stores.epoch import MEANWHILE
from okx_async.stores.reports import KeyReport, StoreReport, try_out
from okx_async.stores.store import StoreError
from okx_async.stores.url_options import PREFIX
from okx_async.stores.urls import PROCESS, NamedStore, report_of, shared_limiter, store_of

OWN_FILE = "sqlite:"


def command_limits() -> SlotSource | None:
    """Return the limiter of a command: the user's own file, or None if OKX_LIMITS says which.

    If the file cannot be used, the command goes on with a limiter of its own: nothing may stand before an exit.
    """
    if os.environ.get(VARIABLE):
        return None
    try:
        return _own_file()
    except (InvalidRequestError, StoreError) as error:
        say(f"warning: limits are not shared with other programs: {error}")
        return None


def _own_file() -> SlotSource:
    limiter = shared_limiter(OWN_FILE)
    try_out(default_path())
    return limiter


def way_out(error: OkxError) -> str:
    """Return how to exit without the limits that OKX_LIMITS names, if an error is about their file or name."""
    text = str(error)
    try:
        store = store_of(os.environ.get(VARIABLE) or PROCESS)
    except InvalidRequestError as unnamed:
        return MEANWHILE if str(unnamed) in text else ""
    about_it = store is not None and isinstance(store.place, Path) and str(store.place.parent) in text
    return MEANWHILE if about_it and MEANWHILE not in text else ""


def lease_finding(connect_timeout: float, timeout: float) -> Finding | None:
    """Return the finding about time limits that the limiter of the other commands does not go with; None: it does."""
    url = os.environ.get(VARIABLE)
    try:
        limiter = shared_limiter(url) if url else _own_file()
    except (InvalidRequestError, StoreError):  # which is a finding of its own; there is no such limiter then
        return None
    try:
        check_lease(limiter, connect_timeout + timeout)
    except InvalidRequestError as error:
        text, _, remedy = by_option(str(error)).partition(": ")
        return Finding("timeouts", Level.WARN, f"the other commands refuse these options: {text}", remedy)
    return None


def limits(store: str | None, *, prefix: str | None = None, vouch: bool, yes: bool = False, as_json: bool) -> ExitCode:
    """Show the keys in use."""
    done = ""
    try:
        named = store_of(store or os.environ.get(VARIABLE) or OWN_FILE)
        if named is None:
            say("error: limits of one process cannot be shown by another one; name a file or a server with --store")
            return ExitCode.USAGE
        others = named if prefix is None else named.at_prefix(prefix)
        found = report_of(others)
        name = _name(others, found)
        if vouch:
            if not yes and at_terminal() and (refusal := _ask(found, name)):
                return _refused(refusal, as_json=as_json)
            done = _vouched(found, name)
            found = report_of(others, vouch=True)
    except InvalidRequestError as error:
        say_error(error)
        return exit_code(error)
    except StoreError as error:
        say_error(error)
        if as_json:
            emit({"outcome": "not_read", "error": type(error).__name__, "text": str(error)})
        return ExitCode.FAILED
    if done:
        say(done)
    if as_json:
        emit({**asdict(found), "path": str(found.path)})
        return ExitCode.DONE
    from okx_async.cli.tables import print_lines  # noqa: PLC0415 - not for JSON, nor for the other commands

    print_lines(_lines(found, name, named if others == named else None))
    return ExitCode.DONE


def _ask(found: StoreReport, name: str) -> Stopped | None:
    """Ask whether no program is about that a store has forgotten; return None for a yes."""
    state = "nothing is paused there now"
    if is_unused(found):
        state = UNUSED
    elif found.paused:
        state = f"it lost its memory {found.age:.1f} s ago, nothing is granted for {found.paused:.1f} s"
    say(
        f"{name}: {state}\n"
        "To vouch for it lets programs send at once. If one that it has forgotten sends, too, the limit is exceeded."
    )
    return ask("Has no program of its accounts run lately?", Stop(), "nothing was changed")


def _refused(refusal: Stopped, *, as_json: bool) -> ExitCode:
    say(refusal.text)
    if as_json:
        emit({"outcome": "not_read", "error": "Stopped", "text": refusal.text})
    return refusal.code


def _vouched(before: StoreReport, name: str) -> str:
    """Return what vouching does, by what stood there before."""
    if isinstance(before.path, Path) and not before.path.exists():
        return f"{before.path} is not there: a new file has no pause that could be ended"
    ended = "there was no pause to end"
    if is_unused(before):
        ended = "the first program will not wait"
    elif before.paused:
        ended = f"its pause, {before.paused:.1f} s yet, is ended"
    return f"vouched for {name}: {ended}"


def _name(store: NamedStore, found: StoreReport) -> str:
    """Return how a store is called, without user and password."""
    prefix = store.options.prefix
    return f"{found.path}{f' (prefix {prefix})' if prefix != PREFIX else ''}"


def _lines(found: StoreReport, name: str, used: NamedStore | None) -> list[str]:
    """Return the lines about a store; `used` is that of the other commands, None if it is another one."""
    lines = [f"{name}: {keys_in_use(found)}"]
    if found.server is not None:
        lines.append(server_words(found.server))
        lines += [f"warning: {text}; {remedy}" for _, text, remedy in server_problems(found.server)]
    if terms := terms_words(found):
        lines.append(f"terms: {terms}")
    in_use = found.server or found.keys or found.paused
    if used is not None and in_use and (text := other_terms(found, used.options.terms)):
        lines.append(f"warning: the other commands cannot use it: {text}")
    if is_unused(found):
        lines.append(f"{UNUSED}; if no program of this account ran lately: --vouch")
    if found.paused:
        lines.append(
            f"it lost its memory {found.age:.1f} s ago, nothing is granted for {found.paused:.1f} s; if no program of "
            "this account ran lately: --vouch"
        )
    for key in found.keys:
        lines += [f"{' '.join(key.key)}", f"  {_tokens(key)}"]
        lines += [
            f"  {words} {_processes(by)}" for words, by in (("held by", key.holders), ("waits:", key.waiters)) if by
        ]
    return lines


def _tokens(key: KeyReport) -> str:
    quota = key.quota
    text = f"{key.free} free, {key.in_flight} in flight, {key.cooling} cooling, of {quota.limit} in {quota.per:g} s"
    if key.usable < quota.limit:
        text += f", {key.usable} used after refusals"
    if key.blocked:
        text += f", blocked for {key.blocked:.1f} s"
    return text + (f"; the next comes back within {key.next_free:.1f} s" if key.in_flight + key.cooling else "")


def _processes(by: dict[str, int]) -> str:
    return ", ".join(f"process {process} ({count})" for process, count in by.items())
