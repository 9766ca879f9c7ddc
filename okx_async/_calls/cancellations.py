"""Whether what is raised ends the running task, or is an error of what the task has called."""

import asyncio
from typing import Any, Final

STOPS: Final = (KeyboardInterrupt, SystemExit)
"""What ends the program: it goes on its way, whatever raised it."""


def running_task() -> asyncio.Task[object] | None:
    """Return the running task, None if there is none, as where a coroutine is closed that nothing awaits any more."""
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop
        return None


def end(task: asyncio.Future[Any]) -> None:
    """Cancel a task or future; those of a closed event loop have ended with it, and asyncio would raise."""
    if not task.get_loop().is_closed():
        task.cancel()


def cancellations() -> int:
    """Return how often the running task was asked to end, and was not taken back."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


async def earlier_cancellations() -> int:
    """Return the `cancellations` that were met before: one that is on its way to the running task is met here.

    A task that was cancelled may make calls in its `finally`. What ends these are further cancellations only.
    """
    if cancellations():
        await asyncio.sleep(0)
    return cancellations()


def is_being_cancelled(earlier: int = 0) -> bool:
    """Return whether the running task was asked to end: else a CancelledError is of something that it has awaited.

    Args:
        earlier: The `cancellations` that do not count, since they were met before.
    """
    task = asyncio.current_task()
    return task is None or task.cancelling() > earlier


def ends_task(raised: BaseException, task: asyncio.Task[object] | None, earlier: int = 0) -> bool:
    """Return whether this goes on its way: a stop, a cancellation of the task itself, or the end of its coroutine.

    Args:
        raised: What was raised inside the task.
        task: The task. Its coroutine is closed from outside of it: a GeneratorExit that comes up while it runs is of
            other code.
        earlier: The `earlier_cancellations` of the task.
    """
    if isinstance(raised, GeneratorExit):
        return task is None or running_task() is not task
    return isinstance(raised, STOPS) or (isinstance(raised, asyncio.CancelledError) and is_being_cancelled(earlier))
