"""Exit codes and output streams: messages on stderr, results and JSON on stdout.

Exit code 2 (the command was never begun) is the only one that leaves stdout empty under ``--json``.
"""

import json
import re
import sys
from enum import IntEnum
from typing import Any, Final, TextIO

import orjson
import typer

from okx_async import Attempt, InvalidRequestError, NotSentError, OkxError, OutcomeUnknownError
from okx_async._models import plain
from okx_async._rest.remedies import by_option
from okx_async.cli.phases import end
from okx_async.cli.streams import in_encoding, page

_HALF: Final = re.compile("[\ud800-\udfff]")


class ExitCode(IntEnum):
    """The exit codes of all commands; a command interrupted before it began exits with 130, as usual."""

    DONE = 0
    FAILED = 1
    """Some legs were refused or not sent, or a promise did not hold."""
    USAGE = 2
    """A wrong option or value, a missing environment variable, no consent: nothing was begun."""
    UNKNOWN = 3
    """It may have been executed: look at positions first."""


def exit_code(error: OkxError) -> ExitCode:
    """Return the exit code for `error`."""
    if isinstance(error, OutcomeUnknownError):
        return ExitCode.UNKNOWN
    return ExitCode.USAGE if isinstance(error, InvalidRequestError) else ExitCode.FAILED


def say(text: str, end: str = "\n") -> None:
    """Write a message to stderr; stdout is kept for results."""
    _write(f"{text}{end}", sys.stderr)


def say_error(error: object) -> None:
    """Write an error to stderr, with the names of options in place of those of arguments."""
    say(f"error: {by_option(str(error))}")


def show(text: str) -> None:
    """Write a result to stdout and flush it: a reader may be waiting for it."""
    _write(f"{text}\n", sys.stdout)


def emit(record: dict[str, Any]) -> None:
    """Write one JSON object to stdout, as one line."""
    try:
        text = orjson.dumps(record).decode()
    except orjson.JSONEncodeError:  # bytes of a path that are no UTF-8: Python keeps each as half a surrogate pair
        text = _HALF.sub("\ufffd", json.dumps(plain(record), ensure_ascii=False))
    show(in_encoding(text))
    check_written("the JSON was")


def check_written(what: str) -> None:
    """Let the exit code tell if stdout did not take what was written; `what` names it, such as "the JSON was"."""
    failure = getattr(sys.stdout, "failure", None)
    if isinstance(failure, OSError):
        unwritten.append(f"{what} not written to stdout: {failure.strerror or failure}")


unwritten: list[str] = []
"""What was not written to stdout, and why; empty if all of it was."""


def finish(code: object) -> None:
    """End the process with a command's exit code; not with 0 if its results were not written."""
    if unwritten and not code:
        say(f"error: {unwritten[0]}")
        code = int(ExitCode.FAILED)
    end(code if isinstance(code, int) else int(bool(code)))
    sys.exit(code)  # type: ignore[arg-type]  # as typer gave it


def _write(text: str, stream: TextIO) -> None:
    typer.echo(text, page(stream), nl=False)  # flushes


def attempt_record(attempt: Attempt) -> dict[str, Any]:
    """Return the JSON record of one attempt; ``sent`` and ``settled`` are Unix seconds."""
    return {
        "waited_s": round(attempt.waited, 6),
        "sent": attempt.sent,
        "settled": attempt.settled,
        "code": attempt.code,
        "status": attempt.status,
        "outcome": attempt.outcome.value,
        "token": attempt.token,
    }


def failure_record(error: OkxError) -> dict[str, Any]:
    """Return the JSON record of a call that failed."""
    match error:
        case InvalidRequestError() | NotSentError():
            outcome = "not_sent"
        case OutcomeUnknownError():
            outcome = "unknown"
        case _:
            outcome = "refused"
    return {
        "outcome": outcome,
        "error": error.to_dict()["error"],  # of a public class
        "text": str(error),
        "code": error.code,
        "status": error.status,
        "message": error.message,
    }
