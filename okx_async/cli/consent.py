"""Asking before anything is sent that trades: once, at a terminal, and never anywhere else."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass

from okx_async.cli.exits import ExitCode, say
from okx_async.cli.signals import Stop, reading

__all__ = ["Stopped", "ask", "no_terminal"]


@dataclass(frozen=True, slots=True)
class Stopped:
    """There was no call, or it was cut short; `text` says what is known of the request."""

    text: str
    code: ExitCode


def no_terminal(what: str) -> Stopped | None:
    """Return the end of a command that would have to ask and cannot; None: there is somebody to ask."""
    if sys.stdin is not None and sys.stdin.isatty():
        return None
    text = f"error: {what}: no terminal to ask at; nothing was sent. Pass --yes to send without asking."
    return Stopped(text, ExitCode.USAGE)


def ask(question: str, stop: Stop) -> Stopped | None:
    """Ask for consent at the terminal; None is consent."""
    # Not typer.confirm: it writes to stdout, which is for results.
    say(f"{question} [y/N] ", end="")
    answer = ""
    try:
        with reading(stop), suppress(OSError):  # the terminal may be gone
            answer = sys.stdin.readline()
    except KeyboardInterrupt:
        say("")  # the prompt's line has no end
        return Stopped(f"{stop.word}: nothing was sent", ExitCode.FAILED)
    if answer.strip().lower() in {"y", "yes"}:
        return None
    if not answer:
        say("")  # the same, after Ctrl-D
    return Stopped("not confirmed: nothing was sent", ExitCode.FAILED)
