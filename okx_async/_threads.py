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
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import RLock, Thread
from typing import Final, NamedTuple, TypeVar

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


class Fork(NamedTuple):
    """What is called at each fork."""

    before: Callable[[], None]
    in_parent: Callable[[], None]
    in_child: Callable[[], None]


def at_forks(
    lock: "RLock",
    take: Callable[[list[_T]], Iterable[_T]],
    give: Callable[[_T], object],
    begin: Callable[[list[_T]], object],
) -> Fork:
    """Hold what a child must not find in use by a thread which it does not have, from before each fork until after it.

    Args:
        lock: Held meanwhile: threads may fork at the same moment. Its thread may take it again: a handler of a signal
            may fork in the midst of another fork.
        take: Takes one after another; it is given what is held already, by a fork in whose midst this one is.
        give: Gives one back in the parent.
        begin: Begins anew in a child; it is given what is held there, nothing after a fork behind Python's back.
    """
    levels: list[list[_T]] = []  # one for each fork that has begun

    def held() -> list[_T]:
        return [each for level in levels for each in level]

    def before() -> None:
        lock.acquire()
        level: list[_T] = []
        taking = take(held())
        levels.append(level)
        level.extend(taking)

    def in_parent() -> None:
        if levels:  # else it was made in the midst of a fork of this child's parent
            level = levels.pop()
            while level:
                give(level.pop())
            lock.release()

    def in_child() -> None:
        begin(held())
        while levels:
            levels.pop()
            lock.release()

    if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
        os.register_at_fork(before=before, after_in_parent=in_parent, after_in_child=in_child)
    return Fork(before, in_parent, in_child)


def unforked(lock: "RLock") -> "RLock":
    """Return a lock that no forked child finds held by a thread which the child does not have."""
    nothing: Callable[[list[None]], tuple[None, ...]] = lambda _: ()  # noqa: E731 - its type is not inferred
    at_forks(lock, nothing, lambda _: None, nothing)
    return lock


def at_end(act: Callable[[], object]) -> None:
    """Have a function called when the process ends."""
    _AT_END.append(act)


def _end() -> None:
    for act in _AT_END:
        act()


atexit.register(_end)
