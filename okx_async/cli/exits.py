"""How a command ends: its exit code, what people read on stderr, what machines read on stdout.

Exit 2 is the only one that leaves stdout empty under ``--json``: the command was never begun.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from enum import IntEnum
from typing import Any, TextIO

import orjson
import typer

from okx_async import Attempt, InvalidRequestError, NotSentError, OkxError, OutcomeUnknownError

__all__ = ["ExitCode", "Page", "attempt_record", "emit", "exit_code", "failure_record", "log_to_stderr", "say", "show"]


class ExitCode(IntEnum):
    """What a script can act on; 130, as everywhere: interrupted before anything was begun."""

    DONE = 0
    FAILED = 1
    """Some legs were refused or not sent, or a promise did not hold."""
    USAGE = 2
    """A wrong option or value, a missing environment variable, no consent: nothing was begun."""
    UNKNOWN = 3
    """It may have been executed: look at positions first."""


def exit_code(error: OkxError) -> ExitCode:
    """Return the exit code that says what `error` says."""
    if isinstance(error, OutcomeUnknownError):
        return ExitCode.UNKNOWN
    return ExitCode.USAGE if isinstance(error, InvalidRequestError) else ExitCode.FAILED


def say(text: str, end: str = "\n") -> None:
    """Tell the person at the terminal; stdout is kept for results."""
    _write(f"{text}{end}", sys.stderr)


def show(text: str) -> None:
    """Write a result on stdout, at once: its reader may wait for it."""
    _write(f"{text}\n", sys.stdout)


def emit(record: dict[str, Any]) -> None:
    """Write one JSON object as one line on stdout."""
    show(orjson.dumps(record).decode())


def _write(text: str, stream: TextIO) -> None:
    try:
        typer.echo(text, stream, nl=False)  # flushes
    except OSError:
        _let_go(stream)


def _let_go(stream: TextIO) -> None:
    """Write to nowhere from now on: nobody reads any more, or the terminal is gone.

    The exit code must still tell what became of the order, and the interpreter's last flush must not change it.
    """
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class Page:
    """A stream for tables, to which writing never fails: what nobody reads is lost."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what can be written."""
        try:
            return self._stream.write(text)
        except OSError:
            _let_go(self._stream)
            return len(text)

    def flush(self) -> None:
        """Write out what was written."""
        try:
            self._stream.flush()
        except OSError:
            _let_go(self._stream)

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return its number."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:
        """How text becomes bytes."""
        return self._stream.encoding


def attempt_record(attempt: Attempt) -> dict[str, Any]:
    """Return what a machine may want to know of one attempt; times are Unix seconds."""
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
    """Return what a machine may want to know of a call that failed."""
    match error:
        case InvalidRequestError() | NotSentError():
            outcome = "not sent"
        case OutcomeUnknownError():
            outcome = "unknown"
        case _:
            outcome = "refused"
    return {
        "outcome": outcome,
        "error": type(error).__name__,
        "text": str(error),
        "code": error.code,
        "status": error.status,
        "message": error.message,
    }


class _Stderr(logging.Handler):
    """Writes to the stderr of the moment, one line a record."""

    def emit(self, record: logging.LogRecord) -> None:
        # An error logged alone is raised as well, and the command prints it.
        if not (record.msg == "%s" and isinstance(record.args, tuple) and isinstance(record.args[0], OkxError)):
            say(f"{record.levelname.lower()}: {self.format(record)}")


_HANDLER = _Stderr()


def log_to_stderr(*, verbose: bool) -> None:
    """Send the library's log to stderr: warnings, or all of it."""
    logger = logging.getLogger("okx_async")
    logger.addHandler(_HANDLER)  # a second time has no effect
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING)
