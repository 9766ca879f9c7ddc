"""Calling the functions that users pass in: an error of theirs is logged and never disturbs a close."""

from collections.abc import Callable
from inspect import isasyncgen, isawaitable, iscoroutine, isgenerator
from typing import Any

from okx_async._log import logger


def notify(callback: Callable[[Any], object], value: object) -> None:
    """Call a user's function with a value; an error that it raises is logged, CancelledError included.

    KeyboardInterrupt and SystemExit go on, with the value in a note and in the log.
    """
    try:
        answer = callback(value)
        begun = answer is not None and unawaited(answer)  # a lazy object may raise when it is looked at
    except (KeyboardInterrupt, SystemExit) as stop:
        stop.add_note(f"raised by a callback that was called with {value!r}")
        logger.exception("a callback raised %s, called with %r", type(stop).__name__, value)
        raise
    except BaseException:
        logger.exception("%r raised", callback)
    else:
        if begun:
            logger.error("%r is to be a plain function: what it returned was not awaited, or not run", callback)


def unawaited(answer: object) -> bool:
    """Return whether a user's function has only begun: it returned a coroutine, future or generator.

    That is true whatever the function would say, so a predicate that returns one would be true of everything.
    """
    if iscoroutine(answer) or isgenerator(answer):
        answer.close()  # else Python would warn of it
        return True
    return isawaitable(answer) or isasyncgen(answer)
