"""Calling the functions that users pass in: an error of theirs is logged and never disturbs a close."""

from asyncio import iscoroutine
from collections.abc import Callable
from typing import Any

from okx_async._log import logger


def notify(callback: Callable[[Any], object], value: object) -> None:
    """Call a user's function with a value; an error that it raises is logged, CancelledError included.

    KeyboardInterrupt and SystemExit go on, with the value in a note and in the log.
    """
    try:
        answer = callback(value)
    except (KeyboardInterrupt, SystemExit) as stop:
        stop.add_note(f"raised by a callback that was called with {value!r}")
        logger.exception("a callback raised %s, called with %r", type(stop).__name__, value)
        raise
    except BaseException:
        logger.exception("%r raised", callback)
    else:
        if answer is not None and iscoroutine(answer):
            answer.close()
            logger.error("%r is to be a plain function: the coroutine that it returned was not awaited", callback)
