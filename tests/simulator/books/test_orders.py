from decimal import Decimal
from typing import Any

import pytest

from okx_async.simulator.books.instruments import describe
from okx_async.simulator.books.orders import Orders, PendingOrder
from okx_async.simulator.books.positions import Position

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


def position() -> Position:
    instrument = describe("BTC-USDT-SWAP")
    assert instrument is not None
    found = Position(UID, instrument, "cross", "net", "USDT", "1725119205811617792")
    found.trade(Decimal(3), MS)
    return found


@pytest.mark.parametrize(
    ("changes", "blocking"),
    [
        ({}, True),
        ({"reduce_only": False}, False),
        ({"mgn_mode": "isolated"}, False),
        ({"pos_side": "long", "reduce_only": False}, False),
        ({"inst_id": "ETH-USDT-SWAP"}, False),
        ({"user_id": "2"}, False),
    ],
)
def test_which_orders_stand_in_the_way(changes: dict[str, Any], *, blocking: bool) -> None:
    orders = Orders()
    one = order(orders, **changes)
    assert orders.blocking(position()) == ([one] if blocking else [])
    assert orders.pending() == [one]


def test_orders_are_their_user_s_and_newest_first() -> None:
    orders = Orders()
    first, other, last = order(orders), order(orders, user_id="2"), order(orders)
    assert orders.pending(UID) == [last, first]
    assert orders.pending() == [last, other, first]
    orders.cancel([first, other], MS + 5)
    assert orders.pending() == [last]
    ended = orders.find(UID, first.ord_id)
    assert ended
    assert (ended.state, ended.u_time) == ("canceled", MS + 5)
    assert orders.find(UID, other.ord_id) is None


def test_a_name_means_the_latest_order_that_had_it() -> None:
    orders = Orders()
    first, last = (order(orders, cl_ord_id="a") for _ in range(2))
    other = order(orders, cl_ord_id="a", user_id="2")
    assert (orders.find(UID, cl_ord_id="a"), orders.find("2", cl_ord_id="a")) == (last, other)
    assert orders.find(UID, first.ord_id, "a") == first
    assert orders.find(UID, cl_ord_id="b") is orders.find(UID) is None


def test_the_last_orders_that_ended_are_remembered() -> None:
    orders = Orders()
    made = [order(orders, state="filled", cl_ord_id=f"o{n % 10_001}") for n in range(10_002)]
    assert orders.pending() == []
    assert orders.find(UID, made[1].ord_id) is None
    assert orders.find(UID, cl_ord_id="o1") is None
    assert orders.find(UID, made[2].ord_id) == made[2]
    assert orders.find(UID, cl_ord_id="o0") == made[-1]  # the first of that name is forgotten, the last is not
