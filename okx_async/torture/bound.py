"""The end of a history that comes to none by itself: code that never gives the loop its turn back."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["EndlessError", "bounded"]


class EndlessError(KeyboardInterrupt):
    """The time is over. Only what interrupts a program ends a task, and the loop, whatever they catch."""


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raise EndlessError in the block after so many seconds of this process's CPU time.

    By a signal: on Windows, and outside the main thread, nothing is bounded.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_: int, frame: FrameType | None) -> None:
        place = "" if frame is None else f", in {frame.f_code.co_qualname} at line {frame.f_lineno}"
        raise EndlessError(f"no end within {seconds:g} s of CPU{place}")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)
