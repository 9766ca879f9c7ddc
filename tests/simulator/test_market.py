from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from okx_async.simulator import SimulatedExchange
from tests.simulator.conftest import Desk


@pytest.mark.parametrize(
    ("inst_id", "pos", "mgn_mode", "ccy", "expected"),
    [
        ("BTC-USDT-SWAP", 3, "cross", None, (Decimal(3), "USDT")),
        ("BTC-USDT-SWAP", "-0.5", "isolated", None, (Decimal("-0.5"), "USDT")),
        ("BTC-USD-SWAP", Decimal(2), "cross", None, (Decimal(2), "BTC")),
        ("BTC-USD_UM-SWAP", 1, "cross", None, (Decimal(1), "USD")),
        ("BTC-USDT", "0.1", "cross", None, (Decimal("0.1"), "USDT")),
        ("BTC-USDT", "0.1", "cross", "BTC", (Decimal("0.1"), "BTC")),
    ],
)
def test_a_position_is_in_the_books(
    inst_id: str, pos: int | str | Decimal, mgn_mode: str, ccy: str | None, expected: tuple[Decimal, str]
) -> None:
    exchange = SimulatedExchange()
    holding = exchange.open_position(inst_id, pos, mgn_mode, ccy=ccy)
    assert exchange.positions == (holding,)
    assert (holding.pos, holding.ccy) == expected
    assert (holding.user_id, holding.inst_id, holding.mgn_mode) == (exchange.user_id, inst_id, mgn_mode)


def test_an_instrument_that_is_not_listed_is_listed() -> None:
    exchange = SimulatedExchange()
    assert "NEWCOIN-USDT-SWAP" not in exchange.instruments
    exchange.open_position("NEWCOIN-USDT-SWAP", 1)
    assert "NEWCOIN-USDT-SWAP" in exchange.instruments


@pytest.mark.parametrize(
    ("pos_mode", "args", "error", "rule"),
    [
        ("net_mode", ("BTC USDT SWAP", 1), ValueError, "no instrument id"),
        ("net_mode", ("BTC-USDT-SWAP", "many"), ValueError, "must be a number"),
        ("net_mode", ("BTC-USDT-SWAP", "NaN"), ValueError, "finite"),
        ("net_mode", ("BTC-USDT-SWAP", 0.5), TypeError, "Decimal"),
        ("net_mode", ("BTC-USDT-SWAP", True), TypeError, "Decimal"),
        ("net_mode", ("BTC-USDT-SWAP", 1, "crossed"), ValueError, "mgn_mode"),
        ("net_mode", ("BTC-USDT-SWAP", 1, "cross", "long"), ValueError, "must be net in net_mode"),
        ("long_short_mode", ("BTC-USDT-SWAP", 1), ValueError, "must be long or short"),
        ("long_short_mode", ("BTC-USDT", 1, "cross", "long"), ValueError, "must be net"),
        ("long_short_mode", ("BTC-USDT-SWAP", -1, "cross", "short"), ValueError, "not negative"),
    ],
)
def test_positions_that_cannot_be(pos_mode: Any, args: Any, error: type[Exception], rule: str) -> None:
    exchange = SimulatedExchange(pos_mode=pos_mode)
    with pytest.raises(error, match=rule):
        exchange.open_position(*args)
    assert exchange.positions == ()


def test_a_short_side_is_negative_in_the_books_and_not_in_the_answer(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(pos_mode="long_short_mode")
    assert desk.exchange.open_position("BTC-USDT-SWAP", 3, pos_side="short").pos == -3
    assert desk.pos() == {"BTC-USDT-SWAP/cross/short": "3"}


@pytest.mark.parametrize(("pos", "side"), [(3, "sell"), (-3, "buy"), (0, "sell")])
def test_a_pending_order_closes_by_default(pos: int, side: str) -> None:
    exchange = SimulatedExchange()
    exchange.open_position("BTC-USDT-SWAP", pos)
    order = exchange.add_pending_order("BTC-USDT-SWAP")
    assert (order.side, order.closing, order.px) == (side, True, "60087.9")
    assert exchange.pending_orders == (order,)


@pytest.mark.parametrize(("pos_side", "side"), [("long", "sell"), ("short", "buy")])
def test_a_pending_order_of_a_side_closes_it_by_default(pos_side: str, side: str) -> None:
    exchange = SimulatedExchange(pos_mode="long_short_mode")
    order = exchange.add_pending_order("BTC-USDT-SWAP", pos_side=pos_side, reduce_only=False)
    assert (order.side, order.closing) == (side, True)


def test_a_second_actor_may_take_the_position_away_and_open_another(desk: Desk) -> None:
    first = desk.exchange.open_position("BTC-USDT-SWAP", 3)
    desk.advance(1)
    desk.exchange.open_position("BTC-USDT-SWAP", 0)
    assert desk.close().code == "51023"
    desk.advance(1)
    second = desk.exchange.open_position("BTC-USDT-SWAP", 5)
    assert (second.pos_id, second.c_time) == (first.pos_id, first.c_time + 2000)


def test_profit_and_loss_follow_the_price(desk: Desk) -> None:
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    seen = []
    for px in ("59967.7", "60967", "60967.7"):
        desk.exchange.set_price("BTC-USDT-SWAP", px)
        (row,) = desk.get("account/positions").data
        seen.append((row["avgPx"], row["markPx"], row["upl"]))
    assert seen == [
        ("59967.7", "59967.7", "0"),
        ("59967.7", "60967", "29.979"),
        ("59967.7", "60967.7", "30"),
    ]
    with pytest.raises(ValueError, match="positive"):
        desk.exchange.set_price("BTC-USDT-SWAP", 0)


def test_a_kind_of_algo_order_that_does_not_exist(desk: Desk) -> None:
    with pytest.raises(ValueError, match="ord_type"):
        desk.exchange.add_algo_order("BTC-USDT-SWAP", "limit")


def test_an_instrument_has_sizes_of_its_own(desk: Desk) -> None:
    desk.exchange.list_instrument("BTC-USDT-SWAP", lot_sz="0.5", tick_sz="0.5", ct_val="2")
    (row,) = desk.get("public/instruments?instType=SWAP&instId=BTC-USDT-SWAP").data
    assert (row["lotSz"], row["minSz"], row["tickSz"], row["ctVal"]) == ("0.5", "0.5", "0.5", "2")
    desk.exchange.list_instrument("BTC-USDT-SWAP", state="suspend")
    (row,) = desk.get("public/instruments?instType=SWAP&instId=BTC-USDT-SWAP").data
    assert (row["lotSz"], row["state"]) == ("0.5", "suspend")
    for wrong in ({"lot_sz": "0"}, {"tick_sz": "-1"}, {"ct_val": "x"}):
        with pytest.raises(ValueError, match=r"positive|number"):
            desk.exchange.list_instrument("BTC-USDT-SWAP", **wrong)  # type: ignore[arg-type]
