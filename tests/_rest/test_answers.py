"""Answers by the request: a list is one list, items are decided one by one, and the code of a close decides."""

import orjson
import pytest

from okx_async import ClosePosition, Outcome
from okx_async._models import OpenOrder
from okx_async._rest.answers import answer_to
from okx_async._rest.outcomes import classify
from okx_async._rest.requests import cancel_orders, close_position, positions
from okx_async._rest.responses import Answer

BTC = "BTC-USDT-SWAP"


def of_close(*items: object, status: int = 200, code: str = "0", inst_id: str = BTC) -> Answer:
    body = orjson.dumps({"code": code, "msg": "", "data": items})
    return answer_to(close_position(ClosePosition(inst_id, "cross")), status, body)


@pytest.mark.parametrize(
    "items",
    [
        (),
        ({},),
        ({"instId": ""},),
        ({"instId": None},),
        ({"instId": 7},),
        ({"instId": BTC},),
        ({"instId": f" {BTC.lower()} "},),
        ({"instId": BTC, "posSide": "short", "clOrdId": "of another", "tag": "x"},),
        ({"instId": "ETH-USDT-SWAP"},),
        (None, {"instId": BTC}),
    ],
)
def test_whatever_the_echo_of_a_close_names_its_code_decides(items: tuple[object, ...]) -> None:
    answer = of_close(*items)
    assert (answer.ok, answer.contradictory, classify(answer)) == (True, False, Outcome.ACCEPTED)


def test_a_long_acceptance_keeps_its_echo_alone() -> None:
    echo = {"instId": BTC, "posSide": "net"}
    assert of_close(echo | {"more": "x" * 500}).data[0]["more"]
    assert of_close(echo | {"more": "x" * 1000}).data == [echo]


def test_a_refusal_is_a_refusal_whatever_it_names() -> None:
    assert classify(of_close({"instId": "ETH-USDT-SWAP"}, code="51000", status=400)) is Outcome.FATAL


def test_lists_are_read_as_lists_and_items_as_items() -> None:
    two = b'{"code":"0","msg":"","data":[]} {"code":"0","msg":"","data":[{"instId":"X"}]}'
    assert answer_to(positions(None), 200, two).contradictory
    order = OpenOrder(BTC, "limit", "buy", "net", None, False, "live", "1", "", "", {})  # noqa: FBT003 - reduce_only
    items = b'{"code":"2","msg":"","data":[{"ordId":"1","sCode":"51400"},{"ordId":"2","sCode":"0"}]}'
    assert answer_to(cancel_orders([order]), 200, items).ok
    assert answer_to(positions(None), 200, b'{"code":"0","msg":"","data":[{"instId":"X","sCode":"7"}]}').ok
