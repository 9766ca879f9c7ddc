"""A limit of real time for histories whose code never returns to the event loop."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_TICKS: Final = 10
"""Of those that fall into a time in which the process is stopped one comes afterwards."""


class TimeLimitError(KeyboardInterrupt):
    """The time limit was reached. A KeyboardInterrupt, as tasks and the event loop may catch Exception."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeLimitError in the block after so many seconds; those for which the process is stopped do not count.

    There is no limit on Windows, outside the main thread, or where an alarm is set already (by pytest-timeout, say).
    The alarm is of real time, as one of CPU time would make the clocks of CPU time coarse.
    """
    timed = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    if not timed or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return

    ticks = _TICKS

    def stop(_: int, frame: FrameType | None) -> None:
        nonlocal ticks
        ticks -= 1
        if ticks:
            return
        place = "" if frame is None else f", in {frame.f_code.co_qualname} at line {frame.f_lineno}"
        raise TimeLimitError(f"no end within {seconds:g} s{place}")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds / _TICKS, seconds / _TICKS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
