"""What event loops have the thread of an agent call, and how that thread begins.

To wake a thread costs a loop time, and what wakes it competes with the loop. So what may wait until the thread wakes by
itself is left for it.
"""

import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from math import inf
from queue import Empty, SimpleQueue

from okx_async.stores._agent import forks


class Inbox:
    """Functions that one thread calls; it begins with the first of them.

    Args:
        run: What the thread does from its begin to its end; it calls `take` again and again.
    """

    def __init__(self, run: Callable[[], object]) -> None:
        self.thread: threading.Thread | None = None
        self.looks_at = inf
        """When the thread next looks at what is due and at what was left; `inf`: not before it is woken."""
        self._run = run
        self._starting = threading.Lock()
        self._acts: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._left: deque[Callable[[], object]] = deque()

    def put(self, act: Callable[[], object]) -> bool:
        """Have a function called; return False if no thread can begin now, so that it stays until one can."""
        self._acts.put(act)
        if sys.is_finalizing():  # of a `__del__` at the very end: the thread does not run any more
            return False
        return self.thread is not None or self._begin()

    def leave(self, act: Callable[[], object]) -> None:
        """Have a function called when the thread wakes next, before all that is put after it."""
        self._left.append(act)

    def look_by(self, at: float) -> None:
        """Wake the thread unless it looks by that time; called after what it is to see is there."""
        if self.looks_at > at:
            self.put(_nothing)

    def take(self, rest: float) -> None:
        """Call all that was put or left; wait for what is put for `rest` seconds at most."""
        with suppress(Empty):
            act = self._acts.get(timeout=rest) if rest > 0 else self._acts.get_nowait()
            while True:
                self._take_left()
                act()
                act = self._acts.get_nowait()
        self._take_left()

    def lives(self) -> bool:
        """Return whether the thread has begun and not ended."""
        return self.thread is not None and self.thread.is_alive() and not sys.is_finalizing()

    def join(self, seconds: float) -> None:
        """Wait for the end of the thread for so many seconds, unless this is called in it."""
        if self.thread is not None and self.thread is not threading.current_thread():
            self.thread.join(seconds)

    def _take_left(self) -> None:
        while self._left:
            self._left.popleft()()

    def _begin(self) -> bool:
        with self._starting:
            if self.thread is None:
                # A daemon: a program that ends does not wait for it, except for what is still to be told.
                thread = threading.Thread(target=self._main, name="okx_async limits", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # there are too many, or the interpreter ends
                    return False
                self.thread = thread
                forks.expect_end()
        return True

    def _main(self) -> None:
        self.thread = threading.current_thread()  # before anything is called that may look at it
        self._run()


def _nothing() -> None:
    """Only wake the thread."""
