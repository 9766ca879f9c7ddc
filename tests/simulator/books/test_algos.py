from decimal import Decimal
from typing import Any

import pytest

from okx_async.simulator.books.algos import AlgoOrder, closing
from okx_async.simulator.books.instruments import describe
from okx_async.simulator.books.orders import Orders
from okx_async.simulator.books.positions import Position

MS = 1768519600000
UID = "1"


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


def position() -> Position:
    instrument = describe("BTC-USDT-SWAP")
    assert instrument is not None
    found = Position(UID, instrument, "cross", "net", "USDT", "1725119205811617792")
    found.trade(Decimal(3), MS)
    return found


def test_algo_orders_block_no_close() -> None:
    orders = Orders()
    one, other = algo(orders), algo(orders, mgn_mode="isolated")
    assert orders.blocking(position()) == orders.pending() == []
    assert orders.attached(position()) == [one]
    assert orders.algos(UID) == [other, one]
    orders.cancel([one], MS)
    assert orders.algos() == [other]


@pytest.mark.parametrize(
    ("pos_side", "side", "expected"),
    [
        ("long", "sell", True),
        ("long", "buy", False),
        ("short", "buy", True),
        ("short", "sell", False),
        ("net", "sell", False),
    ],
)
def test_in_long_short_mode_the_direction_tells(pos_side: str, side: str, *, expected: bool) -> None:
    where = {"pos_side": pos_side, "side": side, "reduce_only": False}
    assert closing(pos_side, side, reduce_only=False) is expected
    assert closing(pos_side, side, reduce_only=True) is True
    assert algo(Orders(), **where, close_fraction="", sz="1").closing is expected
    assert algo(Orders(), **where).closing is True


def test_a_record_has_an_order_price_for_each_trigger() -> None:
    row = algo(Orders(), trigger_px="70000").row()
    assert {name: row[name] for name in ("slTriggerPx", "slOrdPx", "tpTriggerPx", "tpOrdPx", "triggerPx", "ordPx")} == {
        "slTriggerPx": "50000",
        "slOrdPx": "-1",
        "tpTriggerPx": "",
        "tpOrdPx": "",
        "triggerPx": "70000",
        "ordPx": "-1",
    }
    assert algo(Orders()).attached()["closeFraction"] == "1"
