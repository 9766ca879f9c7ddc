"""Stopping a command from outside: Ctrl-C, SIGTERM and SIGHUP cancel it, and the reason is reported.

SIGHUP means that the terminal is gone. Output to it is then lost and must not change the exit code: see `exits`. Under
nohup SIGHUP is ignored from the start, and stays so.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final, TypeVar

_T = TypeVar("_T")

_NAMES: Final = ("SIGTERM", "SIGHUP", "SIGBREAK")  # SIGBREAK, Ctrl-Break, on Windows alone; no SIGHUP there


class Stop:
    """The reason of a stop, as messages name it."""

    __slots__ = ("word",)

    def __init__(self) -> None:
        self.word = "interrupted"

    def by(self, name: str) -> None:
        """Name the signal that stopped the command."""
        self.word = f"stopped by {name}"


def _signals() -> dict[signal.Signals, str]:
    """Return the signals that stop a command, with their names; signals ignored from the start are left out."""
    named = {signal.Signals[name]: name for name in _NAMES if name in signal.Signals.__members__}
    return {number: name for number, name in named.items() if signal.getsignal(number) is not signal.SIG_IGN}


def run(work: Coroutine[Any, Any, _T], stop: Stop) -> _T | None:
    """Run `work`, cancelled by Ctrl-C or a signal; return its result, None if it was cancelled.

    A second Ctrl-C ends it without waiting for its clean-up. A second signal changes nothing: a terminal that goes away
    may send several at once.
    """

    async def stoppable() -> _T:
        task = asyncio.current_task()

        def terminate(name: str) -> None:
            if task is not None and not task.cancelling():
                stop.by(name)
                task.cancel()

        with _handled(terminate):
            return await work

    try:
        return asyncio.run(stoppable())
    except (KeyboardInterrupt, asyncio.CancelledError):
        work.close()  # in case it was never begun
        return None


@contextmanager
def _handled(terminate: Callable[[str], None]) -> Iterator[None]:
    """Let signals call `terminate` in the running loop during the block, whether or not it takes signal handlers."""
    loop = asyncio.get_running_loop()
    before: dict[signal.Signals, Any] = {}
    with suppress(ValueError):  # not the main thread: signals are its matter
        for number, name in _signals().items():
            try:
                loop.add_signal_handler(number, terminate, name)
            except (NotImplementedError, RuntimeError):  # on Windows, or not in the main thread
                later = partial(loop.call_soon_threadsafe, terminate, name)
                before[number] = signal.signal(number, lambda *_, later=later: later())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interruptible(stop: Stop) -> Iterator[None]:
    """Let signals raise KeyboardInterrupt, as Ctrl-C does, while the block waits for input without an event loop."""
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
