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
from threading import Lock, RLock, Thread
from typing import Final, TypeVar

_T = TypeVar("_T")
_L = TypeVar("_L", Lock, RLock)
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


def unforked(lock: _L) -> _L:
    """Return a lock that no forked child finds held by a thread which the child does not have."""

    def release() -> None:
        with suppress(RuntimeError):  # the fork was made behind Python's back: it was not acquired before
            lock.release()

    if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=release)
    return lock


def at_end(act: Callable[[], object]) -> None:
    """Have a function called when the process ends."""
    _AT_END.append(act)


def _end() -> None:
    for act in _AT_END:
        act()


atexit.register(_end)
