"""The end of a history that comes to none by itself: code that never gives the loop its turn back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TimeLimitError(KeyboardInterrupt):
    """The time is over. Only what interrupts a program ends a task, and the loop, whatever they catch."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise EndlessError in the block after so many seconds.

    By an alarm: on Windows, outside the main thread, and where somebody else has set one (pytest-timeout, say), nothing
    is bounded. (One of CPU time would make the clocks of CPU time coarse for as long as it stands.)
    """
    timed = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    if not timed or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return

    def stop(_: int, frame: FrameType | None) -> None:
        place = "" if frame is None else f", in {frame.f_code.co_qualname} at line {frame.f_lineno}"
        raise TimeLimitError(f"no end within {seconds:g} s{place}")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
