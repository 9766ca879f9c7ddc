"""Checks of arguments, before anything is sent: annotations do not bind callers without a type checker."""

import sys
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import partial
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from math import inf
from typing import Final, TypeVar

from okx_async._errors import InvalidRequestError, safe_repr
from okx_async._quota import Priority, Quota

_T = TypeVar("_T")
MOST = sys.float_info.max
"""An integer above it cannot be added to a time."""


_SHOWN: Final = 60


def short_repr(value: object) -> str:
    """Return the beginning of ``repr(value)``, for a message."""
    if isinstance(value, str | bytes):
        text = repr(value[:_SHOWN])
        return text if len(value) <= _SHOWN else f"{text}…"
    text = safe_repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def is_one_of(value: object, words: Collection[str]) -> bool:
    """Return whether a value is one of the words.

    What is no text is not compared: pandas.NA and arrays have an ``==`` that gives no bool, others have no hash.
    """
    return isinstance(value, str) and value in words


def check_seconds(**values: object) -> None:
    """Raise InvalidRequestError unless all are positive, finite numbers."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MOST:
            raise InvalidRequestError(f"{name} must be a positive number of seconds, got {short_repr(value)}")


def check_wait(max_wait: object) -> None:
    """Raise InvalidRequestError unless it is None or a number ≥ 0."""
    if max_wait is None:
        return
    if (
        isinstance(max_wait, bool)
        or not isinstance(max_wait, int | float)
        or not (0 <= max_wait <= MOST or max_wait == inf)
    ):
        raise InvalidRequestError(f"max_wait must be a number of seconds ≥ 0 or None, got {short_repr(max_wait)}")


def check_pause(seconds: object, name: str = "seconds") -> None:
    """Raise InvalidRequestError, which names the argument, unless it is a finite number ≥ 0."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= MOST:
        raise InvalidRequestError(f"{name} must be a finite number ≥ 0, got {short_repr(seconds)}")


def check_priority(priority: object) -> Priority:
    """Return the priority, or raise InvalidRequestError."""
    if not isinstance(priority, Priority):
        raise InvalidRequestError(f"priority must be Priority.NORMAL or Priority.PANIC, got {short_repr(priority)}")
    return priority


def check_slot(priority: object, max_wait: object, quota: object) -> None:
    """Raise InvalidRequestError unless a slot can be asked for by these arguments."""
    if max_wait is not None:
        check_wait(max_wait)
    check_priority(priority)
    if quota is not None and not isinstance(quota, Quota):
        raise InvalidRequestError(f"quota must be a Quota or None, got {short_repr(quota)}")


def check_bool(name: str, value: object, *, or_none: bool = False) -> bool:
    """Return `value`, checked to be a bool; raises InvalidRequestError that names the argument."""
    if not isinstance(value, bool) and not (or_none and value is None):
        raise InvalidRequestError(f"{name} must be True or False, got {short_repr(value)}")
    return bool(value)


def check_choice(name: str, value: object, *choices: str) -> None:
    """Raise InvalidRequestError, which names the argument, if `value` is none of the choices."""
    if not is_one_of(value, choices):
        raise InvalidRequestError(f"{name} must be {' or '.join(map(repr, choices))}, got {short_repr(value)}")


def check_count(name: str, value: object, *, least: int = 0) -> None:
    """Raise InvalidRequestError, which names the argument, if `value` is no integer of at least `least`."""
    if type(value) is not int or value < least:
        raise InvalidRequestError(f"{name} must be an integer ≥ {least}, got {short_repr(value)}")


def check_callback(name: str, value: object, *, or_none: bool = True) -> None:
    """Raise InvalidRequestError unless `value` is a plain function, or None.

    A coroutine function is refused, since its result would not be awaited, and so is a generator function: its record
    would never be written, and as a predicate it would be true of everything.
    """
    if value is None and or_none:
        return
    if not callable(value):
        raise InvalidRequestError(f"{name} must be callable, got {short_repr(value)}")
    function: object = value
    while isinstance(function, partial):
        function = function.func
    kinds = (iscoroutinefunction, isgeneratorfunction, isasyncgenfunction)
    called = (function, getattr(function, "__call__", None))  # noqa: B004 - of what kind, not whether
    if any(kind(each) for kind in kinds for each in called):
        raise InvalidRequestError(f"{name} must be a plain function, since it is not awaited, got {short_repr(value)}")


def check_clock(clock: Callable[[], float]) -> None:
    """Raise InvalidRequestError unless `clock` is a plain function and its first value is a finite number of seconds.

    One that fails now, such as the time of an event loop that does not run yet, may do later.
    """
    check_callback("clock", clock, or_none=False)
    now: object = 0.0
    with suppress(Exception):
        now = clock()
    if isinstance(now, bool) or not isinstance(now, int | float) or not -MOST <= now <= MOST:
        raise InvalidRequestError(f"clock must return a finite number of seconds, and returned {short_repr(now)}")


def check_list(name: str, values: Iterable[_T], kind: type[_T]) -> list[_T]:
    """Return `values` as a list; raise InvalidRequestError unless all are of type `kind`."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InvalidRequestError(f"{name} must be a list of {kind.__name__}, got {short_repr(values)}")
    found = list(values)
    for value in found:
        if not isinstance(value, kind):
            raise InvalidRequestError(f"{name} must hold {kind.__name__} only, got {short_repr(value)}")
    return found
