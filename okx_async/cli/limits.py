"""The `limits` command, and the limits that the other commands keep."""

import os
from dataclasses import asdict
from pathlib import Path

from okx_async import InvalidRequestError, OkxError, SlotSource
from okx_async._calls.default_source import VARIABLE
from okx_async._calls.wiring import check_lease
from okx_async._rest.remedies import by_option
from okx_async.cli.exits import ExitCode, emit, exit_code, say, say_error
from okx_async.doctor.finding import Finding, Level
from okx_async.doctor.limits import UNUSED, is_unused, keys_in_use, server_problems, server_words
from okx_async.stores.epoch import MEANWHILE
from okx_async.stores.places import default_path
from okx_async.stores.reports import KeyReport, StoreReport, try_out
from okx_async.stores.transactions import StoreError
from okx_async.stores.urls import PROCESS, place_of, report_of, shared_limiter

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
        place = place_of(os.environ.get(VARIABLE) or PROCESS)
    except InvalidRequestError as unnamed:
        return MEANWHILE if str(unnamed) in text else ""
    about_it = isinstance(place, Path) and str(place.parent) in text
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


def limits(store: str | None, *, vouch: bool, as_json: bool) -> ExitCode:
    """Show the keys in use."""
    try:
        path = place_of(store or os.environ.get(VARIABLE) or OWN_FILE)
        if path is None:
            say("error: limits of one process cannot be shown by another one; name a file or a server with --store")
            return ExitCode.USAGE
        found = report_of(path, vouch=vouch)
    except InvalidRequestError as error:
        say_error(error)
        return exit_code(error)
    except StoreError as error:
        say_error(error)
        if as_json:
            emit({"outcome": "not_read", "error": type(error).__name__, "text": str(error)})
        return ExitCode.FAILED
    if as_json:
        emit({**asdict(found), "path": str(found.path)})
        return ExitCode.DONE
    from okx_async.cli.tables import print_lines  # noqa: PLC0415 - not for JSON, nor for the other commands

    print_lines(_lines(found))
    return ExitCode.DONE


def _lines(found: StoreReport) -> list[str]:
    lines = [f"{found.path}: {keys_in_use(found)}"]
    if found.server is not None:
        lines.append(server_words(found.server))
        lines += [f"warning: {text}; {remedy}" for _, text, remedy in server_problems(found.server)]
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
