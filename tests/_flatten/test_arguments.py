from math import inf
from typing import Any

import pytest

from okx_async import InvalidRequestError, OpenOrder
from okx_async._flatten.arguments import FlattenArguments
from tests.odd_values import ODD, SHOWN

ORDER = OpenOrder("BTC-USDT-SWAP", "limit", "buy", "net", None, False, "live", "1", "", "", {})  # noqa: FBT003


async def coroutine(*_: Any) -> bool:
    return False


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("cancel_orders", "all"), ("cancel_orders", True), ("cancel_orders", coroutine), ("cancel_orders", [])),
        *(("look_again", -1.0), ("look_again", None), ("look_again", True), ("look_again", inf), ("look_again", "2")),
        *(("deadline", 0.0), ("unread", "maybe"), ("auto_cxl", "false"), ("where", coroutine), ("tag", "a b")),
        *(("inst_ids", []), ("priority", 1), ("on_progress", "print")),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_wrong_arguments_are_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=name):
        FlattenArguments(**{name: value})


def test_the_filter_has_each_id_once() -> None:
    assert FlattenArguments(iter(["BTC-USDT", "BTC-USDT"])).filter_ids == ["BTC-USDT"]
    assert FlattenArguments().filter_ids is None


@pytest.mark.parametrize(
    ("may", "answer", "failure"),
    [
        ("entries", True, ""),
        (lambda _: 1, True, ""),
        (lambda _: "", False, ""),
        (lambda _: 1 / 0, False, "raised ZeroDivisionError"),
        (lambda _: coroutine(), False, "must be a plain function"),
        (lambda _: (each for each in (0,)), False, "must be a plain function"),
    ],
)
def test_the_callers_function_decides_of_each_order(*, may: Any, answer: bool, failure: str) -> None:
    arguments = FlattenArguments(cancel_orders=may)
    assert [arguments.may_cancel(ORDER) for _ in range(2)] == [answer] * 2
    assert list(arguments.failures) == [f"orders were left alone: cancel_orders {failure}"] * bool(failure)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_stop_of_the_program_goes_on(stop: type[BaseException]) -> None:
    def raises(_: OpenOrder) -> bool:
        raise stop

    with pytest.raises(stop):
        FlattenArguments(cancel_orders=raises).may_cancel(ORDER)


@pytest.mark.parametrize("value", ODD, ids=SHOWN)
@pytest.mark.parametrize("name", ["auto_cxl", "tag", "deadline", "priority", "unread", "cancel_orders", "look_again"])
def test_a_value_that_cannot_be_compared_or_shown_is_refused_by_name(name: str, value: object) -> None:
    wrong: dict[str, Any] = {name: value}
    with pytest.raises(InvalidRequestError, match=f"^{name} must be "):
        FlattenArguments(**wrong)
