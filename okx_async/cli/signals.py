"""How a command is stopped from outside: Ctrl-C, SIGTERM and SIGHUP alike, and always with a word.

SIGHUP says that the terminal is gone. What is written to it then is lost, and must not decide how the command ends:
see `exits`. Whoever started the command so that it outlives the terminal (nohup) has SIGHUP ignored, and it stays so.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar

__all__ = ["Stop", "reading", "run"]

_T = TypeVar("_T")

_NAMES: Final = ("SIGTERM", "SIGHUP")  # the latter is not on Windows


class Stop:
    """What the person or the system is told of a stop."""

    __slots__ = ("word",)

    def __init__(self) -> None:
        self.word = "interrupted"

    def by(self, name: str) -> None:
        """Note which signal it was."""
        self.word = f"stopped by {name}"


def _signals() -> dict[signal.Signals, str]:
    """Return the signals that stop a command, each with its name; those that were ignored from the start do not."""
    named = {signal.Signals[name]: name for name in _NAMES if name in signal.Signals.__members__}
    return {number: name for number, name in named.items() if signal.getsignal(number) is not signal.SIG_IGN}


def run(work: Coroutine[Any, Any, _T], stop: Stop) -> _T | None:
    """Run `work`, cancelled by Ctrl-C or a signal; None if it ended by that, and not with a result of its own.

    A second Ctrl-C does not wait for what `work` does about the first. A second signal does: a terminal that goes away
    may send several at once.
    """

    async def stoppable() -> _T:
        task = asyncio.current_task()

        def terminate(name: str) -> None:
            if task is not None and not task.cancelling():
                stop.by(name)
                task.cancel()

        with suppress(NotImplementedError, RuntimeError, ValueError):  # Windows; not the main thread
            for number, name in _signals().items():
                asyncio.get_running_loop().add_signal_handler(number, terminate, name)
        return await work

    try:
        return asyncio.run(stoppable())
    except (KeyboardInterrupt, asyncio.CancelledError):
        work.close()  # it may not have begun
        return None


@contextmanager
def reading(stop: Stop) -> Iterator[None]:
    """Let a signal raise KeyboardInterrupt, as Ctrl-C does, while somebody is asked and no event loop runs."""
    names = _signals()

    def terminate(number: int, _: object) -> None:
        stop.by(names[signal.Signals(number)])
        raise KeyboardInterrupt

    before = {}
    try:
        for number in names:
            before[number] = signal.signal(number, terminate)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
