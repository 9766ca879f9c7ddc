"""Work beside the event loop: in a thread of its own, and when the process ends.

The threads of the loop's executor belong to the caller: all of them may be busy, and none takes work any more once the
interpreter ends, when a function of `atexit` may still have positions to close.

`atexit` calls first what was registered last. So our end is registered when the package is imported, which is before
what a program registers that imports it at its head.
"""

import asyncio
import atexit
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from threading import RLock, Thread
from typing import Final, TypeVar

_T = TypeVar("_T")
_AT_END: Final[list[Callable[[], object]]] = []


async def in_own_thread(work: Callable[[], _T]) -> _T:
    """Return what `work` returns or raises; where no thread can begin any more, it holds the loop."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_T] = loop.create_future()

    def tell(book: Callable[[], object]) -> None:
        if not done.done():  # else it was cancelled
            book()

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - it goes on in the loop
            raised = error  # `error` is unbound at the end of this block
            book: Callable[[], object] = lambda: done.set_exception(raised)  # noqa: E731 - as the one below
        else:
            book = lambda: done.set_result(result)  # noqa: E731 - a name for either
        with suppress(RuntimeError):  # the loop was closed
            loop.call_soon_threadsafe(tell, book)

    if sys.is_finalizing():  # a thread would be made and not run
        return work()
    try:
        Thread(target=run, name="okx_async", daemon=True).start()
    except RuntimeError:  # the interpreter ends
        return work()
    return await done


def unforked(lock: "RLock") -> "RLock":
    """Return a lock that no forked child finds held by a thread which the child does not have.

    It is one that its thread may take again: a handler of a signal may fork in the midst of another fork.
    """
    levels: list[int] = []  # one for each fork that has begun

    def before() -> None:
        lock.acquire()
        levels.append(0)

    def in_parent() -> None:
        if levels:
            levels.pop()
            lock.release()

    def in_child() -> None:  # no level: the fork was made behind Python's back
        while levels:
            in_parent()

    if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
        os.register_at_fork(before=before, after_in_parent=in_parent, after_in_child=in_child)
    return lock


def at_end(act: Callable[[], object]) -> None:
    """Have a function called when the process ends."""
    _AT_END.append(act)


def _end() -> None:
    for act in _AT_END:
        act()


atexit.register(_end)
