from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tests.simulator.conftest import Desk, Reply

SWAP = "BTC-USDT-SWAP"  # at 60087.9, in lots of 0.01


def place(desk: Desk, **changes: Any) -> Reply:
    plain = {"instId": SWAP, "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "3"}
    body = {name: value for name, value in {**plain, **changes}.items() if value is not None}
    return desk.post(orjson.dumps(body), "/api/v5/trade/order")


def test_a_market_order_opens_a_position_at_the_price(desk: Desk) -> None:
    desk.exchange.set_price(SWAP, 60000)
    reply = place(desk, clOrdId="mine", tag="t")
    (item,) = reply.data
    assert (reply.status, reply.code, item["sCode"], item["clOrdId"]) == (200, "0", "0", "mine")
    assert set(reply.body) == {"code", "data", "inTime", "outTime", "msg"}
    desk.exchange.set_price(SWAP, 61000)
    (row,) = desk.get("account/positions").data
    assert (row["pos"], row["avgPx"], row["markPx"], row["upl"]) == ("3", "60000", "61000", "30")
    (order,) = desk.get(f"trade/order?instId={SWAP}&ordId={item['ordId']}").data
    assert (order["state"], order["accFillSz"], order["avgPx"], order["px"], order["tag"]) == (
        *("filled", "3", "60000", ""),
        "t",
    )
    assert [row.executed for row in desk.exchange.journal if row.method == "POST"] == [True]


def test_orders_add_reduce_and_turn_a_net_position(desk: Desk) -> None:
    seen = []
    for side, sz in (("buy", "3"), ("buy", "1"), ("sell", "2"), ("sell", "5"), ("buy", "3")):
        desk.advance(0.25)
        assert place(desk, side=side, sz=sz).code == "0"
        (row,) = desk.get(f"account/positions?instId={SWAP}").data
        seen.append((row["pos"], (int(row["cTime"]) - 1768519672000) // 250))
    assert seen == [("3", 1), ("4", 1), ("2", 1), ("-3", 4), ("0", 4)]
    assert [trade.cause for trade in desk.exchange.trades] == ["order"] * 5


def test_sides_in_long_short_mode(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(pos_mode="long_short_mode")
    for side, pos_side, sz, code in (
        ("buy", "long", "3", "0"),
        ("sell", "short", "2", "0"),
        ("sell", "long", "1", "0"),
        ("buy", "short", "5", "51112"),  # more than there is
        ("sell", "long", "9", "51112"),
        ("buy", "", "1", "51000"),
    ):
        assert place(desk, side=side, posSide=pos_side, sz=sz).data[0]["sCode"] == code
    assert desk.pos() == {f"{SWAP}/cross/long": "2", f"{SWAP}/cross/short": "2"}


@pytest.mark.parametrize("flag", [True, "true"])
def test_reduce_only_never_opens_or_turns(desk: Desk, flag: Any) -> None:
    assert place(desk, reduceOnly=flag).data[0]["sCode"] == "51169"
    desk.exchange.open_position(SWAP, 3)
    assert place(desk, reduceOnly=flag).data[0]["sCode"] == "51169"
    assert place(desk, side="sell", sz="5", reduceOnly=flag).code == "0"
    assert desk.pos() == {}


@pytest.mark.parametrize(
    ("kind", "side", "px", "state"),
    [
        ("limit", "buy", "60000", "live"),
        ("limit", "buy", "60087.9", "filled"),
        ("limit", "sell", "60000", "filled"),
        ("limit", "sell", "60088", "live"),
        ("post_only", "buy", "60000", "live"),
        ("post_only", "buy", "60100", "canceled"),
        ("ioc", "buy", "60100", "filled"),
        ("ioc", "buy", "60000", "canceled"),
        ("fok", "sell", "60088", "canceled"),
    ],
)
def test_what_crosses_the_price_fills_and_a_limit_order_rests(
    desk: Desk, kind: str, side: str, px: str, state: str
) -> None:
    (item,) = place(desk, ordType=kind, side=side, px=px).data
    (order,) = desk.get(f"trade/order?instId={SWAP}&ordId={item['ordId']}").data
    assert (order["state"], order["px"]) == (state, px)
    assert bool(desk.exchange.positions) is (state == "filled")
    assert [one.ord_id for one in desk.exchange.pending_orders] == ([item["ordId"]] if state == "live" else [])


def test_a_pending_close_order_stands_in_the_way_of_a_close(desk: Desk) -> None:
    assert place(desk).code == "0"
    assert place(desk, side="sell", ordType="limit", px="70000", reduceOnly=True).code == "0"
    assert desk.close().code == "51115"
    assert desk.close(autoCxl=True).code == "0"
    assert desk.exchange.pending_orders == ()


@pytest.mark.parametrize(
    ("side", "more", "pos", "pos_ccy"),
    [
        ("buy", {"sz": "1206.175"}, "0.5", "ETH"),
        ("buy", {"sz": "0.5", "tgtCcy": "base_ccy"}, "0.5", "ETH"),
        ("sell", {"sz": "0.5"}, "0.5", "USDT"),
    ],
)
def test_a_pair(desk: Desk, side: str, more: dict[str, str], pos: str, pos_ccy: str) -> None:
    assert place(desk, instId="ETH-USDT", side=side, ccy="USDT", **more).code == "0"
    (row,) = desk.get("account/positions").data
    assert (row["instType"], row["pos"], row["posCcy"], row["ccy"]) == ("MARGIN", pos, pos_ccy, "USDT")
    assert desk.close("ETH-USDT", ccy="USDT").code == "0"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"instId": None}, "50014"),
        ({"instId": "NO-SUCH-SWAP"}, "51001"),
        ({"tdMode": "cash"}, "51000"),
        ({"side": "long"}, "51000"),
        ({"ordType": "stop"}, "51000"),
        ({"posSide": "long"}, "51000"),
        ({"sz": ""}, "50014"),
        ({"sz": "many"}, "51000"),
        ({"sz": "NaN"}, "51000"),
        ({"sz": "-1"}, "51000"),
        ({"sz": "1e99"}, "51000"),
        ({"sz": 1}, "51000"),
        ({"sz": "0.001"}, "51020"),
        ({"sz": "1.005"}, "51121"),
        ({"ordType": "limit"}, "50014"),
        ({"ordType": "limit", "px": "0"}, "51000"),
        ({"reduceOnly": "yes"}, "51000"),
        ({"reduceOnly": 1}, "51000"),
        ({"reduceOnly": []}, "51000"),
        ({"clOrdId": "a-b"}, "51000"),
    ],
)
def test_what_is_refused_is_told_in_an_item(desk: Desk, changes: dict[str, Any], code: str) -> None:
    reply = place(desk, **changes)
    (item,) = reply.data
    assert (reply.status, reply.code, item["sCode"], item["ordId"]) == (200, "1", code, "")
    assert item["sMsg"]
    assert (desk.exchange.positions, desk.exchange.pending_orders) == ((), ())
    assert desk.exchange.journal[0].code == code


def test_a_name_that_a_live_order_has(desk: Desk) -> None:
    limit = {"ordType": "limit", "px": "1", "clOrdId": "a"}
    assert place(desk, **limit).code == "0"
    assert place(desk, **limit).data[0]["sCode"] == "51016"
    assert desk.post(orjson.dumps({"instId": SWAP, "clOrdId": "a"}), "/api/v5/trade/cancel-order").code == "0"
    assert place(desk, **limit).code == "0"


def test_orders_of_an_instrument_are_counted_by_themselves(desk: Desk) -> None:
    assert [place(desk).code for _ in range(61)] == ["0"] * 60 + ["50011"]
    assert place(desk, instId="ETH-USDT-SWAP").code == desk.close().code == "0"


def test_several_orders_each_with_its_own_result(desk: Desk) -> None:
    plain = {"tdMode": "cross", "side": "buy", "ordType": "market", "sz": "1"}

    def post(*orders: Any) -> Reply:
        return desk.post(orjson.dumps(orders), "/api/v5/trade/batch-orders")

    reply = post({**plain, "instId": SWAP}, {**plain, "instId": "NO-SUCH-SWAP"}, {**plain, "instId": "ETH-USDT-SWAP"})
    assert (reply.code, [item["sCode"] for item in reply.data]) == ("2", ["0", "51001", "0"])
    assert desk.pos() == {f"{SWAP}/cross/net": "1", "ETH-USDT-SWAP/cross/net": "1"}
    assert [row.executed for row in desk.exchange.journal][:1] == [True]
    assert post().code == "50014"
    assert post(*[{}] * 21).code == "50025"
    assert post({}).data[0]["sCode"] == "50014"
