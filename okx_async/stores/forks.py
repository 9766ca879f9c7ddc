"""Agents at a fork and at the end of the process.

A connection of SQLite must not cross a fork: child and parent would take each other's locks for their own. So it is
closed before, and each side opens another one when it needs it.
"""

import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Final, Protocol

from okx_async._threads import at_end

FLUSH: Final = 0.2
"""Seconds for which a normal end of the process waits until the store knows what became of the last requests."""

ALL: Final = 1.0
"""Seconds for which it waits at most, however many limiters there are."""


class Forkable(Protocol):
    """What an agent does about it."""

    def before_fork(self) -> None:
        """Close what must not cross the fork, and keep it closed."""

    def after_fork(self) -> None:
        """Go on in the parent."""

    def begin_in_child(self, *, prepared: bool) -> None:
        """Begin anew; not prepared: the fork was made behind Python's back."""

    def flush(self, seconds: float) -> None:
        """Deliver what is to be told within so many seconds: the process ends."""


_AGENTS: "weakref.WeakValueDictionary[int, Forkable]" = weakref.WeakValueDictionary()
_FORKING: list[Forkable] = []
_LEVELS: Final[list[int]] = []
"""How many of them each fork found that has begun: a handler of a signal may fork in the midst of another fork."""
_ONE_FORK: Final = threading.RLock()
"""Held from before a fork until after it, on both sides: threads may fork at the same moment."""
_EXPECTED: set[int] = set()


def watch(agent: Forkable) -> None:
    """Tell an agent of forks and of the end, for as long as it lives."""
    _AGENTS[id(agent)] = agent


def expect_end() -> None:
    """See to it that the agents end well in this process too: a forked worker of multiprocessing skips `atexit`."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None and os.getpid() not in _EXPECTED:
        _EXPECTED.add(os.getpid())
        util.Finalize(None, _at_exit, exitpriority=0)


def _living() -> list[Forkable]:
    """Return the agents; copied at once, since other threads make limiters meanwhile."""
    return [agent for reference in _AGENTS.valuerefs() if (agent := reference()) is not None]


def _before() -> None:
    _ONE_FORK.acquire()
    _LEVELS.append(len(_FORKING))
    for agent in _living():
        if agent not in _FORKING:
            agent.before_fork()
            _FORKING.append(agent)


def _in_parent() -> None:
    if _LEVELS:  # else it was made in the midst of a fork of this child's parent
        level = _LEVELS.pop()
        while len(_FORKING) > level:
            _FORKING.pop().after_fork()
        _ONE_FORK.release()


def _in_child() -> None:
    for agent in _living():
        agent.begin_in_child(prepared=agent in _FORKING)
    _FORKING.clear()
    while _LEVELS:  # none: the fork was made behind Python's back
        _LEVELS.pop()
        _ONE_FORK.release()


def _at_exit(clock: Callable[[], float] = time.monotonic) -> None:
    until = clock() + ALL
    for agent in _living():
        agent.flush(max(0.0, min(FLUSH, until - clock())))


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
at_end(_at_exit)
