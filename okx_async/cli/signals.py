"""How a command is stopped from outside: Ctrl-C and SIGTERM alike, and always with a word."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

__all__ = ["Stop", "reading", "run"]

_T = TypeVar("_T")


class Stop:
    """What the person or the system is told of a stop."""

    __slots__ = ("word",)

    def __init__(self) -> None:
        self.word = "interrupted"

    def terminated(self) -> None:
        """Note that it was SIGTERM."""
        self.word = "stopped by SIGTERM"


def run(work: Coroutine[Any, Any, _T], stop: Stop) -> _T | None:
    """Run `work`, cancelled by Ctrl-C or SIGTERM; None if it ended by that, and not with a result of its own.

    A second Ctrl-C does not wait for what `work` does about the first.
    """

    async def stoppable() -> _T:
        task = asyncio.current_task()

        def terminate() -> None:
            stop.terminated()
            if task is not None:
                task.cancel()

        with suppress(NotImplementedError, RuntimeError, ValueError):  # Windows; not the main thread
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
        return await work

    try:
        return asyncio.run(stoppable())
    except (KeyboardInterrupt, asyncio.CancelledError):
        work.close()  # it may not have begun
        return None


@contextmanager
def reading(stop: Stop) -> Iterator[None]:
    """Let SIGTERM raise KeyboardInterrupt, as Ctrl-C does, while somebody is asked and no event loop runs."""

    def terminate(*_: object) -> None:
        stop.terminated()
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, terminate)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
