"""What callers pass: refused in words that name the argument, the rule and the value."""

import functools
import math
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from okx_async import ClosePosition, InvalidRequestError, Priority
from okx_async._validation import (
    check_callback,
    check_choice,
    check_list,
    check_pause,
    check_priority,
    check_seconds,
    check_slot,
    check_wait,
    short_repr,
)
from tests.odd_values import ODD, SHOWN


@pytest.mark.parametrize(
    "value", [0, -1, math.inf, math.nan, pytest.param(10**400, id="too large for a float"), True, "1", None]
)
def test_seconds(value: object) -> None:
    with pytest.raises(InvalidRequestError, match="timeout must be a positive number of seconds, got"):
        check_seconds(keepalive=15, timeout=value)


@pytest.mark.parametrize("value", [-0.1, math.nan, pytest.param(10**400, id="too large for a float"), True, "1", [1]])
def test_max_wait(value: object) -> None:
    with pytest.raises(InvalidRequestError, match="max_wait must be a number of seconds ≥ 0 or None, got"):
        check_wait(value)


@pytest.mark.parametrize("value", [None, 0, 0.0, 5, math.inf])
def test_a_good_max_wait(value: float | None) -> None:
    check_wait(value)


@pytest.mark.parametrize(
    "value", [-1, math.nan, math.inf, pytest.param(10**400, id="too large for a float"), "1", None]
)
def test_a_pause(value: object) -> None:
    with pytest.raises(InvalidRequestError, match="seconds must be a finite number ≥ 0, got"):
        check_pause(value)


@pytest.mark.parametrize("value", [7, 1, "PANIC", None, True])
def test_a_priority(value: object) -> None:
    with pytest.raises(InvalidRequestError, match=r"priority must be Priority\.NORMAL or Priority\.PANIC, got"):
        check_priority(value)
    assert check_priority(Priority.PANIC) is Priority.PANIC


def test_a_callback() -> None:
    check_callback("on_result", None)
    check_callback("on_result", print)
    with pytest.raises(InvalidRequestError, match="on_result must be callable, got 5"):
        check_callback("on_result", 5)
    with pytest.raises(InvalidRequestError, match="wall_clock must be callable, got None"):
        check_callback("wall_clock", None, or_none=False)


class Later:
    async def __call__(self, value: object) -> None:
        del value


async def later(value: object) -> None:
    del value


def one_by_one(value: object) -> Iterator[object]:
    yield value


async def slowly_one_by_one(value: object) -> AsyncIterator[object]:
    yield value


@pytest.mark.parametrize(
    "value",
    [later, functools.partial(later, 1), Later(), Later().__call__, AsyncMock(), one_by_one, slowly_one_by_one],
)
def test_a_callback_that_nobody_would_await(value: object) -> None:
    with pytest.raises(InvalidRequestError, match="where must be a plain function, since it is not awaited, got"):
        check_callback("where", value)


@pytest.mark.parametrize("value", [Mock(), functools.partial(print, 1), dict, "x".join])
def test_a_callback_of_another_kind(value: object) -> None:
    check_callback("where", value)


LEG = ClosePosition("BTC-USDT-SWAP", "cross")


@pytest.mark.parametrize("value", [None, 5, LEG, "BTC-USDT-SWAP"])
def test_what_is_no_list(value: Any) -> None:
    with pytest.raises(InvalidRequestError, match="requests must be a list of ClosePosition, got"):
        check_list("requests", value, ClosePosition)


def test_what_is_listed() -> None:
    kinds: list[Callable[[list[ClosePosition]], object]] = [list, tuple, iter]
    for kind in kinds:
        assert check_list("requests", kind([LEG, LEG]), ClosePosition) == [LEG, LEG]  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="inst_ids must hold str only, got 5"):
        check_list("inst_ids", ["BTC-USDT-SWAP", 5], str)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("abc", "'abc'"),
        ("a" * 60, repr("a" * 60)),
        ("a" * 10_000_000, repr("a" * 60) + "…"),
        ("\x1b[31m\n", r"'\x1b[31m\n'"),
        (list(range(1000)), "[" + ", ".join(map(str, range(1000)))[:59] + "…"),
        (None, "None"),
    ],
)
def test_short_repr(value: object, text: str) -> None:
    assert short_repr(value) == text


@pytest.mark.parametrize(("value", "shown"), list(zip(ODD, SHOWN, strict=True)), ids=SHOWN)
def test_a_value_that_cannot_be_compared_or_shown_is_refused_in_words(value: object, shown: str) -> None:
    assert short_repr(value) == shown
    checks: dict[str, Callable[[], object]] = {
        "max_wait": lambda: check_wait(value),
        "timeout": lambda: check_seconds(timeout=value),
        "seconds": lambda: check_pause(value),
        "priority": lambda: check_priority(value),
        "quota": lambda: check_slot(Priority.NORMAL, None, value),
        "unread": lambda: check_choice("unread", value, "close", "leave"),
        "legs": lambda: check_list("legs", [value], ClosePosition),
    }
    for name, check in checks.items():
        with pytest.raises(InvalidRequestError, match=f"^{name} must .*, got {shown}$"):
            check()


def test_an_integer_that_python_writes_no_more_is_refused_in_words() -> None:
    with pytest.raises(InvalidRequestError, match=r"max_wait must be .*, got <int>$"):
        check_wait(10**5000)
