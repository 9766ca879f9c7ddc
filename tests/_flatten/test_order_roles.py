from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from okx_async import OpenOrder, Position
from okx_async._flatten.order_roles import Role, orders_to_cancel, role_of, stands_at
from okx_async._rest.records import orders, positions
from okx_async._rest.responses import Answer

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"


def order(**fields: Any) -> OpenOrder:
    record = {"instId": BTC, "ordId": "1", "ordType": "limit", "side": "buy", "posSide": "net", "tdMode": "cross"}
    record |= {"sz": "1", "reduceOnly": "false"} | fields
    [found] = orders(Answer(200, "0", data=[record], listed=True, envelope=True))
    return found


def position(**fields: Any) -> Position:
    record = {"instId": BTC, "instType": "SWAP", "mgnMode": "cross", "posSide": "net", "pos": "3", "posId": "7"}
    [found] = positions(Answer(200, "0", data=[record | fields], listed=True, envelope=True)).positions
    return found


LONG, SHORT = position(), position(pos="-3")
HEDGED = position(posSide="long")
PAIR = position(instId="BTC-USDT", instType="MARGIN", posCcy="BTC", pos="0.5")
SHORT_PAIR = replace(PAIR, pos_ccy="USDT", pos=Decimal(20_000))
ALGO = {"ordId": "", "algoId": "9", "ordType": "conditional"}
STOPS = [{"algoId": "9", "slTriggerPx": "1"}]


@pytest.mark.parametrize(
    ("fields", "beside", "role"),
    [
        # nothing is open there
        ({}, [], Role.ENTRY),
        ({"side": "sell"}, [], Role.ENTRY),
        ({"reduceOnly": "true"}, [], Role.PROTECTIVE),
        ({"reduceOnly": True}, [], Role.PROTECTIVE),
        (ALGO, [], Role.ENTRY),
        (ALGO | {"closeFraction": "1", "sz": ""}, [], Role.PROTECTIVE),
        *((ALGO | {"ordType": kind}, [], Role.ENTRY) for kind in ("trigger", "iceberg", "twap", "chase")),
        # net positions
        ({"side": "buy"}, [LONG], Role.ENTRY),
        ({"side": "sell"}, [LONG], Role.PROTECTIVE),
        ({"side": "buy"}, [SHORT], Role.PROTECTIVE),
        ({"side": "sell"}, [SHORT], Role.ENTRY),
        ({"side": "sell", "sz": "3"}, [LONG], Role.PROTECTIVE),
        ({"side": "sell", "sz": "3.1"}, [LONG], Role.ENTRY),
        ({"side": "buy", "sz": "4"}, [SHORT], Role.ENTRY),
        (ALGO | {"side": "sell", "sz": ""}, [LONG], Role.PROTECTIVE),
        (ALGO | {"side": "buy"}, [LONG], Role.ENTRY),
        ({"side": "sell"}, [position(pos="0")], Role.ENTRY),
        ({"side": "buy"}, [position(pos="many")], Role.PROTECTIVE),
        # another place
        ({"side": "sell", "instId": ETH}, [LONG], Role.ENTRY),
        ({"side": "sell", "tdMode": "isolated"}, [LONG], Role.ENTRY),
        ({"side": "sell", "tdMode": ""}, [LONG], Role.PROTECTIVE),
        # long/short mode
        ({"posSide": "long", "side": "buy"}, [HEDGED], Role.ENTRY),
        ({"posSide": "long", "side": "buy", "reduceOnly": "true"}, [HEDGED], Role.ENTRY),
        ({"posSide": "long", "side": "sell", "sz": "9"}, [], Role.PROTECTIVE),
        ({"posSide": "short", "side": "buy"}, [HEDGED], Role.PROTECTIVE),
        ({"posSide": "short", "side": "sell"}, [HEDGED], Role.ENTRY),
        # a stop that the position lists as its own
        (ALGO, [position(closeOrderAlgo=STOPS)], Role.PROTECTIVE),
        (ALGO, [position(closeOrderAlgo=[{"algoId": "8"}, None])], Role.ENTRY),
        (ALGO, [position(closeOrderAlgo="9")], Role.ENTRY),
        ({"ordId": "9"}, [position(closeOrderAlgo=STOPS)], Role.ENTRY),
        # pairs: the side is the currency held, whatever the number
        ({"instId": "BTC-USDT", "side": "sell", "sz": "9"}, [PAIR], Role.PROTECTIVE),
        ({"instId": "BTC-USDT", "side": "buy"}, [PAIR], Role.ENTRY),
        ({"instId": "BTC-USDT", "side": "buy", "sz": "9"}, [SHORT_PAIR], Role.PROTECTIVE),
        ({"instId": "BTC-USDT", "side": "sell"}, [SHORT_PAIR], Role.ENTRY),
        # neither
        ({"tdMode": "cash"}, [], Role.OTHER),
        ({"tdMode": "cash", "side": "sell"}, [PAIR], Role.OTHER),
        ({"instId": ""}, [], Role.UNNAMED),
        ({"ordId": ""}, [], Role.UNNAMED),
    ],
)
def test_the_role_of_an_order(fields: dict[str, Any], beside: list[Position], role: Role) -> None:
    assert role_of(order(**fields), beside) is role


@pytest.mark.parametrize(
    ("fields", "at", "stands"),
    [
        ({}, LONG, True),
        ({"instId": ETH}, LONG, False),
        ({"tdMode": "isolated"}, LONG, False),
        ({"tdMode": ""}, LONG, True),
        ({"posSide": "long"}, HEDGED, True),
        ({"posSide": "short"}, HEDGED, False),
        ({"posSide": "long"}, LONG, True),
        ({"posSide": "net"}, HEDGED, True),
    ],
)
def test_where_an_order_stands(fields: dict[str, Any], at: Position, stands: bool) -> None:  # noqa: FBT001 - a parameter of the table
    assert stands_at(order(**fields), at) is stands


ENTRY, STOP, ELSEWHERE = order(), order(ordId="2", reduceOnly="true"), order(ordId="3", instId=ETH, reduceOnly="true")
CASH = order(ordId="4", tdMode="cash")
BEGUN = 1_768_519_672.0
ALL = [ENTRY, STOP, ELSEWHERE, CASH]


def chosen(beside: list[Position], *, flat: bool, only: str = "") -> list[OpenOrder]:
    return orders_to_cancel(ALL, beside, lambda one: only in {"", one.inst_id}, flat=flat, begun=BEGUN)


def test_entries_go_at_once_and_what_protects_only_after_the_proof() -> None:
    assert chosen([LONG], flat=False) == [ENTRY]
    assert chosen([], flat=False) == [ENTRY]
    assert chosen([], flat=True) == [ENTRY, STOP, ELSEWHERE]


def test_what_protects_a_position_out_of_the_filter_stays() -> None:
    assert chosen([LONG], flat=True) == [ENTRY, ELSEWHERE]
    assert chosen([position(pos="0")], flat=True) == [ENTRY, STOP, ELSEWHERE]


def test_an_order_out_of_the_filter_stays() -> None:
    assert chosen([], flat=True, only=ETH) == [ELSEWHERE]
    assert chosen([], flat=False, only=ETH) == []


@pytest.mark.parametrize(
    ("c_time", "stays"),
    [("1768519672000", False), ("1768519672001", True), ("", False), ("late", False), ("\u0661", False), (5, False)],
)
def test_what_was_placed_after_the_beginning_may_protect_something_new(c_time: object, stays: bool) -> None:  # noqa: FBT001 - a parameter of the table
    stop, entry = order(reduceOnly="true", cTime=c_time), order(cTime=c_time)
    found = orders_to_cancel([stop, entry], [], lambda _: True, flat=True, begun=BEGUN)
    assert found == ([entry] if stays else [stop, entry])
