"""What a signal does to the process of a command, by how far the command is.

* Nothing has begun: the process ends by the signal, as every program does.
* Work has begun: the command is told, and goes on to its report and to the exit code that fits. While an event loop
  runs or a question waits, handlers of their own stand in front of this one: see `signals`.
* The command has ended: what is left (threads, functions of `atexit`) is not awaited, and the exit code stays.

Without this a second SIGTERM or SIGHUP, as supervisors and terminals send them, would end the process between a close
and the words about it.
"""

import atexit
import errno
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from okx_async.cli.streams import is_writing

_NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # SIGBREAK, Ctrl-Break, on Windows alone; no SIGHUP there


class _Phase:
    """How far the command of this process is; signal handlers belong to a process, and so does this."""

    def __init__(self) -> None:
        self.tell: Callable[[str], object] | None = None
        self.told = False
        self.code: int | None = None

    def handle(self, number: int, frame: Any) -> None:
        """Do what the phase asks for; the handler of all signals."""
        if self.code is not None:
            os._exit(self.code)
        if self.tell is None:
            _end_by(signal.Signals(number), frame)
            return
        self.tell(signal.Signals(number).name)
        again, self.told = self.told, True
        if again and is_writing():  # to a reader that takes nothing, which would hold the process for ever
            raise OSError(errno.ECANCELED, "interrupted")  # after EINTR a buffered stream would try again


_phase: Final = _Phase()


def guard_signals() -> None:
    """Handle the signals that stop a command; those that are ignored from the start stay so."""
    _phase.tell, _phase.code = None, None  # of a command that was run before in this process
    with suppress(ValueError):  # not the main thread: signals are its matter
        for number in _numbers():
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _phase.handle)
        atexit.register(_ignore)  # the last function to run, since it is the first one registered


def begin(tell: Callable[[str], object]) -> None:
    """Note that work begins; `tell` is called with the name of each signal that finds no other handler."""
    _phase.tell, _phase.told = tell, False


def end(code: int) -> None:
    """Note that the command has ended with this exit code."""
    _phase.code = code


def _end_by(number: signal.Signals, frame: Any) -> None:
    if number == signal.SIGINT:
        signal.default_int_handler(number, frame)
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def _ignore() -> None:
    """Ignore signals from here on: while the interpreter is taken down, it puts their default in place of a handler."""
    for number in _numbers():
        if signal.getsignal(number) == _phase.handle:
            signal.signal(number, signal.SIG_IGN)


def _numbers() -> list[signal.Signals]:
    return [signal.Signals[name] for name in _NAMES if name in signal.Signals.__members__]
