"""Agents at a fork and at the end of the process.

A connection of SQLite must not cross a fork: child and parent would take each other's locks for their own. So it is
closed before, and each side opens another one when it needs it.
"""

import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from okx_async._threads import at_end, at_forks

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


def _take(held: list[Forkable]) -> Iterator[Forkable]:
    for agent in _living():
        if agent not in held:
            agent.before_fork()
            yield agent


def _begin_in_child(held: list[Forkable]) -> None:
    for agent in _living():
        agent.begin_in_child(prepared=agent in held)


def _at_exit(clock: Callable[[], float] = time.monotonic) -> None:
    until = clock() + ALL
    for agent in _living():
        agent.flush(max(0.0, min(FLUSH, until - clock())))


_FORK: Final = at_forks(threading.RLock(), _take, lambda agent: agent.after_fork(), _begin_in_child)
at_end(_at_exit)
