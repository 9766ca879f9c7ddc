"""Stopping a command from outside: Ctrl-C, SIGTERM and SIGHUP end it, and the reason is reported.

A command that trades sends nothing more from the first signal on, and awaits what is on the wire, up to its time-out. A
second Ctrl-C or SIGTERM cancels it at once, as the first does with every other command.

SIGHUP means that the terminal is gone. Output to it is then lost and must not change the exit code: see `exits`. Under
nohup SIGHUP is ignored from the start, and stays so.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final, TypeVar

from okx_async.cli.log import stop_log
from okx_async.cli.loops import run as run_in_loop
from okx_async.cli.phases import begin

_T = TypeVar("_T")

_CTRL_C: Final = "SIGINT"
_NAMES: Final = ("SIGTERM", "SIGHUP", "SIGBREAK")  # SIGBREAK, Ctrl-Break, on Windows alone; no SIGHUP there


class Stop:
    """The reason of a stop, as messages name it."""

    __slots__ = ("asked", "gently", "word")

    def __init__(self) -> None:
        self.word = "interrupted"
        self.asked = False
        """Whether a signal has arrived."""
        self.gently: Callable[[], Coroutine[Any, Any, None]] | None = None
        """Ends the work of the command, but awaits what is on the wire; None: it is cancelled at once."""

    def by(self, name: str) -> None:
        """Name the signal that stopped the command."""
        self.asked = True
        if name != _CTRL_C:
            self.word = f"stopped by {name}"
        stop_log(self.word)


def _signals(*names: str) -> dict[signal.Signals, str]:
    """Return the signals of these names that are there, with their names; ones ignored from the start are left out."""
    named = {signal.Signals[name]: name for name in names if name in signal.Signals.__members__}
    return {number: name for number, name in named.items() if signal.getsignal(number) is not signal.SIG_IGN}


def run(work: Coroutine[Any, Any, _T], stop: Stop) -> _T | None:
    """Run `work`, ended by Ctrl-C or a signal; return its result, None if it was cancelled.

    The first signal runs `stop.gently`, if there is one, and leaves it to `work` to end; a second one cancels `work`.
    A second SIGHUP changes nothing: a terminal that goes away may send several at once. Ctrl-C after the cancellation
    does not wait for the clean-up. After the end of `work` signals end no process that is set up for it (see `phases`):
    what became of the requests is still to be told.
    """
    begin(stop.by)

    async def stoppable() -> _T:
        task = asyncio.current_task()
        ending: list[asyncio.Task[None]] = []

        def terminate(name: str) -> None:
            if task is None or task.cancelling() or (ending and name == "SIGHUP"):
                return
            if not stop.asked:
                stop.by(name)
            if stop.gently is not None and not ending:
                ending.append(asyncio.ensure_future(stop.gently()))
                return
            task.cancel()
            with suppress(ValueError):  # not the main thread
                signal.signal(signal.SIGINT, signal.default_int_handler)

        with _handled(terminate):
            if stop.asked and task is not None:  # between the question, or the work before, and this loop
                task.cancel()
            try:
                return await work
            finally:
                if ending:
                    await asyncio.wait(ending)

    try:
        return run_in_loop(stoppable())
    except (KeyboardInterrupt, asyncio.CancelledError):
        return None
    finally:
        work.close()  # in case it was never begun


@contextmanager
def _handled(terminate: Callable[[str], None]) -> Iterator[None]:
    """Let signals call `terminate` in the running loop during the block, whether or not it takes signal handlers."""
    loop = asyncio.get_running_loop()
    before: dict[signal.Signals, Any] = {}
    with suppress(ValueError):  # not the main thread: signals are its matter
        for number, name in _signals(_CTRL_C, *_NAMES).items():
            handler = signal.getsignal(number)
            try:
                loop.add_signal_handler(number, terminate, name)
            except (NotImplementedError, RuntimeError):  # on Windows, or not in the main thread
                later = partial(loop.call_soon_threadsafe, terminate, name)
                signal.signal(number, lambda *_, later=later: later())
            before[number] = handler
    try:
        yield
    finally:
        for number, handler in before.items():
            with suppress(NotImplementedError):
                loop.remove_signal_handler(number)  # when it is closed it would put the system's in place of this one
            signal.signal(number, handler)


@contextmanager
def interruptible(stop: Stop, *, at_once: bool = True) -> Iterator[None]:
    """Let signals raise KeyboardInterrupt, as Ctrl-C does, while the block waits or works without an event loop.

    Without `at_once` the first signal is only noted: the block looks at ``stop.asked`` where it can end.
    """
    names = _signals(_CTRL_C, *_NAMES)
    begin(stop.by)

    def terminate(number: int, _: object) -> None:
        again = stop.asked
        stop.by(names[signal.Signals(number)])
        if at_once or again:
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
