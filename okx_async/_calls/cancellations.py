"""Whether what is raised ends the running task, or is an error of what the task has called."""

import asyncio
from typing import Final

STOPS: Final = (KeyboardInterrupt, SystemExit, GeneratorExit)
"""What ends the program, or the coroutine: it goes on its way, whoever raised it."""


def cancellations() -> int:
    """Return how often the running task was asked to end, and was not taken back."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def is_being_cancelled() -> bool:
    """Return whether the running task was asked to end: else a CancelledError is of something that it has awaited."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def ends_task(raised: BaseException) -> bool:
    """Return whether this goes on its way: a stop, or a cancellation of the running task itself."""
    return isinstance(raised, STOPS) or (isinstance(raised, asyncio.CancelledError) and is_being_cancelled())
