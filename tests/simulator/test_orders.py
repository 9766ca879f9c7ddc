from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from okx_async.simulator.instruments import describe
from okx_async.simulator.orders import AlgoOrder, Orders, PendingOrder
from okx_async.simulator.slots import Slot

MS = 1768519600000
UID = "1"


def order(orders: Orders, **changes: Any) -> PendingOrder:
    plain: dict[str, Any] = {
        "user_id": UID,
        "inst_id": "BTC-USDT-SWAP",
        "inst_type": "SWAP",
        "inst_family": "BTC-USDT",
        "mgn_mode": "cross",
        "pos_side": "net",
        "side": "sell",
        "ord_type": "limit",
        "px": "58000",
        "sz": "1",
        "reduce_only": True,
        "cl_ord_id": "",
        "ord_id": orders.new_id(),
        "c_time": MS,
    }
    return orders.add(PendingOrder(**{**plain, **changes}))


def algo(orders: Orders, **changes: Any) -> AlgoOrder:
    plain: dict[str, Any] = {
        "user_id": UID,
        "inst_id": "BTC-USDT-SWAP",
        "inst_type": "SWAP",
        "inst_family": "BTC-USDT",
        "mgn_mode": "cross",
        "pos_side": "net",
        "side": "sell",
        "ord_type": "conditional",
        "sz": "",
        "close_fraction": "1",
        "reduce_only": True,
        "tp_trigger_px": "",
        "sl_trigger_px": "50000",
        "trigger_px": "",
        "callback_ratio": "",
        "algo_id": orders.new_id(),
        "c_time": MS,
    }
    return orders.add_algo(AlgoOrder(**{**plain, **changes}))


def slot() -> Slot:
    instrument = describe("BTC-USDT-SWAP")
    assert instrument is not None
    found = Slot(UID, instrument, "cross", "net", "USDT", "1725119205811617792")
    found.trade(Decimal(3), MS)
    return found


@pytest.mark.parametrize(
    ("changes", "in_the_way"),
    [
        ({}, True),
        ({"reduce_only": False}, False),
        ({"mgn_mode": "isolated"}, False),
        ({"pos_side": "long", "reduce_only": False}, False),
        ({"inst_id": "ETH-USDT-SWAP"}, False),
        ({"user_id": "2"}, False),
    ],
)
def test_which_orders_stand_in_the_way(changes: dict[str, Any], *, in_the_way: bool) -> None:
    orders = Orders()
    one = order(orders, **changes)
    assert orders.in_the_way(slot()) == ([one] if in_the_way else [])
    assert orders.pending() == [one]
    assert orders.attached(slot()) == orders.algos() == []


def test_orders_are_their_user_s_and_newest_first() -> None:
    orders = Orders()
    first, other, last = order(orders), order(orders, user_id="2"), order(orders)
    assert orders.pending(UID) == [last, first]
    assert orders.pending() == [last, other, first]
    orders.cancel([first, other])
    assert orders.pending() == [last]


def test_algo_orders_stand_in_nobody_s_way() -> None:
    orders = Orders()
    one, other = algo(orders), algo(orders, mgn_mode="isolated")
    assert orders.in_the_way(slot()) == orders.pending() == []
    assert orders.attached(slot()) == [one]
    assert orders.algos(UID) == [other, one]
    orders.cancel([one])
    assert orders.algos() == [other]


@pytest.mark.parametrize(
    ("pos_side", "side", "closing"),
    [
        ("long", "sell", True),
        ("long", "buy", False),
        ("short", "buy", True),
        ("short", "sell", False),
        ("net", "sell", False),
    ],
)
def test_in_long_short_mode_the_direction_tells(pos_side: str, side: str, *, closing: bool) -> None:
    where = {"pos_side": pos_side, "side": side, "reduce_only": False}
    assert order(Orders(), **where).closing is closing
    assert algo(Orders(), **where, close_fraction="", sz="1").closing is closing
    assert algo(Orders(), **where).closing is True
