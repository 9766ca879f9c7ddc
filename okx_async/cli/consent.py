"""Consent to requests that trade: one question at a terminal, and a refusal where there is none."""

import sys
from contextlib import suppress
from dataclasses import dataclass

from okx_async.cli.exits import ExitCode, say
from okx_async.cli.signals import Stop, interruptible


@dataclass(frozen=True, slots=True)
class Stopped:
    """The end of a command whose call was not made or was cut short; `text` says what is known of the request."""

    text: str
    code: ExitCode


def at_terminal() -> bool:
    """Return whether there is a terminal to ask at."""
    with suppress(ValueError):  # it was closed
        return sys.stdin is not None and sys.stdin.isatty()
    return False


def no_terminal(what: str) -> Stopped | None:
    """Return the end of a command that has to ask for `what` without a terminal; None if there is a terminal."""
    if at_terminal():
        return None
    text = f"error: {what}: no terminal to ask at; nothing was sent. Pass --yes to send without asking."
    return Stopped(text, ExitCode.USAGE)


def ask(question: str, stop: Stop, otherwise: str = "nothing was sent") -> Stopped | None:
    """Ask for consent at the terminal; return None for consent, else the end of the command, which says `otherwise`."""
    if stop.asked:
        return Stopped(f"{stop.word}: {otherwise}", ExitCode.FAILED)
    _forget_typed()
    # typer.confirm would write to stdout, which is for results.
    say(f"{question} [y/N] ", end="")
    answer = ""
    try:
        with interruptible(stop), suppress(OSError, ValueError):  # it may be gone, or have sent what is no text
            answer = sys.stdin.readline()
    except KeyboardInterrupt:
        say("")  # ends the line of the prompt
        return Stopped(f"{stop.word}: {otherwise}", ExitCode.FAILED)
    if answer.strip().lower() in {"y", "yes"}:
        return None
    if not answer:
        say("")  # the same after Ctrl-D
    return Stopped(f"not confirmed: {otherwise}", ExitCode.FAILED)


def _forget_typed() -> None:
    """Drop what was typed before the question could be read: it is no answer to it."""
    with suppress(ImportError, OSError, ValueError):  # on Windows, or no terminal
        import termios  # noqa: PLC0415 - not on Windows

        with suppress(termios.error):
            termios.tcflush(sys.stdin, termios.TCIFLUSH)
