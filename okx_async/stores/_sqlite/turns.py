"""Turns of the limiters of one process at one file.

Many limiters of a file in one process would wait for SQLite's lock by trying again and again, all beside the one that
holds it: the interpreter runs one thread at a time, so it would hold the lock for the longer the more of them try.
"""

import threading
from collections.abc import Callable
from typing import Final

from okx_async._threads import at_forks

NAP: Final = 0.01
"""Seconds after which one that waits sees whether it still may."""

_TURNS: Final[dict[str, threading.Lock]] = {}


def take(file: str, waits: Callable[[], bool]) -> "threading.Lock | None":
    """Return the turn at a file, to be released; None once `waits` returns False before it can be had."""
    turn = _TURNS.setdefault(file, threading.Lock())
    if turn.acquire(blocking=False):
        return turn
    while waits():
        if turn.acquire(timeout=NAP):
            return turn
    return None


def _begin_in_child(_: object) -> None:
    _TURNS.clear()  # a thread that the child does not have may hold one


at_forks(threading.RLock(), lambda _: (), lambda _: None, _begin_in_child)
