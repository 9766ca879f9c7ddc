"""Running many coroutines of one kind, some begun in each turn of the event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar, cast

from okx_async._calls.cancellations import end

AT_ONCE: Final = 50
"""Coroutines begun in one turn of the loop: ten thousand at once would keep every other task waiting.

The bytes of a turn's requests leave at its end. With 100 in one turn the exchange idles until the last of them is
signed and then answers faster than answers are read: a warm book took 7 % longer. With 10, the turns themselves cost.
"""

_T = TypeVar("_T")
_Item = TypeVar("_Item")


async def gather_in_turns(work: Callable[[_Item], Awaitable[_T]], items: Iterable[_Item]) -> list[_T]:
    """Return the results of `work` for all items, in their order.

    The first error in that order is raised once all have ended. If this call is cancelled, it cancels all of them and
    collects the notes of their CancelledErrors, which say what was on the wire.
    """
    group = _Group(work)
    try:
        await group.begin(items)
        if group.left:
            await group.over
        for _, task in sorted(group.failed.items()):
            task.result()
    except BaseException as raised:
        # All in one step, however many: not one more goes out.
        for task in group.tasks:
            end(task)
        if isinstance(raised, asyncio.CancelledError):
            with suppress(asyncio.CancelledError):  # a further cancellation changes nothing
                await wait_ended(list(group.tasks))
        own = set(getattr(raised, "__notes__", ()))  # it may be of one of them
        for note in [each for each in group.notes if each not in own]:
            raised.add_note(note)
        raise
    return group.results


async def wait_ended(tasks: Collection[asyncio.Future[Any]]) -> None:
    """Wait until all tasks are done, however often this call is cancelled; then raise the last cancellation."""
    cancelled: asyncio.CancelledError | None = None
    while running := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(running)
        except asyncio.CancelledError as again:
            cancelled = again
    if cancelled is not None:
        raise cancelled


class _Group(Generic[_Item, _T]):
    """The tasks of one call, and a future that is done when all of them are.

    A task's result is taken over as it ends: ten thousand at the end of a batch would take milliseconds in one step.
    """

    __slots__ = ("_work", "failed", "left", "notes", "over", "results", "tasks")

    def __init__(self, work: Callable[[_Item], Awaitable[_T]]) -> None:
        self._work = work
        self.left = 0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.tasks: dict[asyncio.Task[_T], int] = {}
        """The running tasks, with the index of their results."""
        self.results: list[_T] = []
        self.failed: dict[int, asyncio.Task[_T]] = {}
        self.notes: list[str] = []

    async def begin(self, items: Iterable[_Item]) -> None:
        """Begin with all items, some in each turn of the loop."""
        loop = asyncio.get_running_loop()
        self.left = 1  # not over before all have begun
        for number, item in enumerate(items):
            if number and number % AT_ONCE == 0:
                await asyncio.sleep(0)
            task = loop.create_task(self._run(item))
            self.left += 1
            self.tasks[task] = number
            self.results.append(cast("_T", None))  # until it has ended
            task.add_done_callback(self._landed)
        self._less()

    async def _run(self, item: _Item) -> _T:
        try:
            return await self._work(item)
        except asyncio.CancelledError as cancelled:
            self.notes.extend(getattr(cancelled, "__notes__", ()))
            raise

    def _landed(self, task: asyncio.Task[_T]) -> None:
        number = self.tasks.pop(task)
        if task.cancelled() or task.exception() is not None:
            self.failed[number] = task
        else:
            self.results[number] = task.result()
        self._less()

    def _less(self) -> None:
        self.left -= 1
        if not self.left and not self.over.done():
            self.over.set_result(None)
