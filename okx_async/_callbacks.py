"""Calling the functions that users pass in: an error of theirs is logged and never disturbs a close."""

from __future__ import annotations

import logging
from asyncio import iscoroutine
from collections.abc import Callable
from typing import Any

logger = logging.getLogger("okx_async")


def notify(callback: Callable[[Any], object], value: object) -> None:
    """Call a user's function with a value; an error that it raises is logged."""
    try:
        answer = callback(value)
    except Exception:
        logger.exception("%r raised", callback)
    else:
        if answer is not None and iscoroutine(answer):
            answer.close()
            logger.error("%r is to be a plain function: the coroutine that it returned was not awaited", callback)
