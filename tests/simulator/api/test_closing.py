import math
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tests.simulator.conftest import Desk

# --- parameters ---


@pytest.mark.parametrize(
    ("changes", "status", "code", "words"),
    [
        ({"instId": None}, 400, "50014", "instId"),
        ({"instId": ""}, 400, "50014", "instId"),
        ({"instId": 7}, 400, "51000", "instId"),
        ({"mgnMode": ""}, 400, "50014", "mgnMode"),
        ({"mgnMode": "crossed"}, 400, "51000", "mgnMode"),
        ({"mgnMode": ["cross"]}, 400, "51000", "mgnMode"),
        ({"clOrdId": "a-b"}, 400, "51000", "clOrdId"),
        ({"clOrdId": "a" * 33}, 400, "51000", "clOrdId"),
        ({"clOrdId": "é"}, 400, "51000", "clOrdId"),
        ({"clOrdId": "a\n"}, 400, "51000", "clOrdId"),
        ({"tag": "a" * 17}, 400, "51000", "tag"),
        ({"tag": {}}, 400, "51000", "tag"),
        ({"autoCxl": "yes"}, 400, "51000", "autoCxl"),
        ({"autoCxl": 1}, 400, "51000", "autoCxl"),
        ({"autoCxl": []}, 400, "51000", "autoCxl"),
        ({"ccy": 1}, 400, "51000", "ccy"),
        ({"posSide": "both"}, 400, "51000", "posSide"),
        ({"posSide": 1}, 400, "51000", "posSide"),
        ({"instId": "NO-SUCH-SWAP"}, 200, "51001", "Instrument"),
        ({"instId": "btc-usdt-swap"}, 200, "51001", "Instrument"),
        ({"instId": "\x00"}, 200, "51001", "Instrument"),
    ],
)
def test_bad_parameters(desk: Desk, changes: dict[str, Any], status: int, code: str, words: str) -> None:
    reply = desk.post(orjson.dumps({"instId": "BTC-USDT-SWAP", "mgnMode": "cross", **changes}))
    assert (reply.status, reply.code) == (status, code)
    assert words in reply.body["msg"]
    assert reply.data == []


@pytest.mark.parametrize(
    "params",
    [
        {"posSide": "", "ccy": "", "clOrdId": "", "tag": "", "autoCxl": ""},  # as OKX's own client sends them
        {"posSide": None, "autoCxl": None},
        {"posSide": "net", "ccy": "USDT", "clOrdId": "a" * 32, "tag": "A1" * 8, "autoCxl": False},
        {"unknown": 1},
    ],
)
def test_good_parameters(desk: Desk, params: dict[str, Any]) -> None:
    desk.exchange.open_position("BTC-USDT-SWAP", "-3")
    reply = desk.close(**params)
    echo = {
        "clOrdId": params.get("clOrdId", ""),
        "instId": "BTC-USDT-SWAP",
        "posSide": "net",
        "tag": params.get("tag", ""),
    }
    assert (reply.status, reply.body) == (200, {"code": "0", "data": [echo], "msg": ""})
    assert desk.exchange.journal[-1].executed
    assert not desk.exchange.positions


def test_the_cl_ord_id_of_a_live_order_is_taken_whatever_its_instrument(desk: Desk) -> None:
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    desk.exchange.open_position("BTC-USDT-SWAP", 3, account=desk.exchange.add_account())
    order = desk.exchange.add_pending_order("ETH-USDT-SWAP", cl_ord_id="mine1")
    assert desk.close(clOrdId="mine1").code == "51016"
    assert len(desk.exchange.positions) == 2
    assert desk.close(clOrdId="Mine1").code == "0"
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    desk.post(orjson.dumps({"instId": "ETH-USDT-SWAP", "ordId": order.ord_id}), "/api/v5/trade/cancel-order")
    assert desk.close(clOrdId="mine1").code == "0"


@pytest.mark.parametrize(("text", "code"), [("true", "0"), ("false", "51115"), ("True", "51000")])
@pytest.mark.parametrize("settings", [{}, {"lenient_booleans": True}, {"lenient_booleans": False}], ids=str)
def test_lenient_booleans(open_desk: Callable[..., Desk], settings: dict[str, bool], text: str, code: str) -> None:
    desk = open_desk(**settings)
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    desk.exchange.add_pending_order("BTC-USDT-SWAP")
    assert desk.close(autoCxl=text).code == (code if settings.get("lenient_booleans", True) else "51000")


# --- instrument, side, currency ---


@pytest.mark.parametrize(
    ("state", "market_orders", "code"),
    [
        ("live", True, "0"),
        ("suspend", True, "51022"),
        ("preopen", True, "51021"),
        ("post_only", True, "51110"),
        ("settling", True, "51029"),
        ("live", False, "51066"),
    ],
)
def test_what_the_instrument_allows(desk: Desk, state: str, code: str, *, market_orders: bool) -> None:
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    desk.exchange.list_instrument("BTC-USDT-SWAP", state=state, market_orders=market_orders)
    reply = desk.close()
    assert (reply.status, reply.code) == (200, code)
    desk.exchange.list_instrument("BTC-USDT-SWAP")
    assert desk.close().code == ("51023" if code == "0" else "0")


def test_a_delisted_instrument_is_unknown(desk: Desk) -> None:
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    desk.exchange.delist("BTC-USDT-SWAP")
    assert desk.close().code == "51001"
    assert desk.pos() == {"BTC-USDT-SWAP/cross/net": "3"}


@pytest.mark.parametrize(
    ("pos_mode", "inst_id", "pos_side", "code"),
    [
        ("net_mode", "BTC-USDT-SWAP", None, "51023"),
        ("net_mode", "BTC-USDT-SWAP", "net", "51023"),
        ("net_mode", "BTC-USDT-SWAP", "long", "51000"),
        ("net_mode", "BTC-USDT-SWAP", "short", "51000"),
        ("long_short_mode", "BTC-USDT-SWAP", None, "51000"),
        ("long_short_mode", "BTC-USDT-SWAP", "net", "51000"),
        ("long_short_mode", "BTC-USDT-SWAP", "long", "51023"),
        ("long_short_mode", "BTC-USD-260327", "short", "51023"),
        ("long_short_mode", "BTC-USD-260327-60000-C", None, "51023"),  # options and pairs are always net
        ("long_short_mode", "BTC-USD-260327-60000-C", "long", "51000"),
        ("long_short_mode", "SOL-USDT", "net", "50014"),
    ],
)
def test_sides(open_desk: Callable[..., Desk], pos_mode: str, inst_id: str, pos_side: str | None, code: str) -> None:
    desk = open_desk(pos_mode=pos_mode)
    assert desk.close(inst_id, posSide=pos_side).code == code


@pytest.mark.parametrize(
    ("acct_lv", "mgn_mode", "ccy", "code"),
    [
        ("2", "cross", None, "50014"),
        ("2", "cross", "USDT", "0"),
        ("2", "cross", "BTC", "51023"),
        ("2", "isolated", None, "0"),
        ("3", "cross", None, "0"),
        ("3", "cross", "USDT", "0"),
    ],
)
def test_futures_mode_needs_the_currency_of_a_cross_margin_pair(
    desk: Desk, acct_lv: str, mgn_mode: str, ccy: str | None, code: str
) -> None:
    account = desk.exchange.add_account(acct_lv=acct_lv)
    desk.credentials = account.credentials
    desk.exchange.open_position("BTC-USDT", "0.5", mgn_mode, account=account)
    reply = desk.close("BTC-USDT", mgn_mode, ccy=ccy)
    assert reply.code == code


# --- the position ---


def test_only_the_position_that_is_named_is_closed(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(pos_mode="long_short_mode")
    for mgn_mode in ("cross", "isolated"):
        for pos_side in ("long", "short"):
            desk.exchange.open_position("BTC-USDT-SWAP", 3, mgn_mode, pos_side)
    assert desk.close("BTC-USDT-SWAP", "isolated", posSide="short").data[0]["posSide"] == "short"
    assert desk.pos() == {
        "BTC-USDT-SWAP/cross/long": "3",
        "BTC-USDT-SWAP/cross/short": "3",
        "BTC-USDT-SWAP/isolated/long": "3",
    }
    assert desk.close("BTC-USDT-SWAP", "isolated", posSide="short").code == "51023"


def test_a_wrong_margin_mode_looks_like_no_position(desk: Desk) -> None:
    desk.exchange.open_position("BTC-USDT-SWAP", 3, "isolated")
    assert desk.close().code == "51023"
    assert desk.pos() == {"BTC-USDT-SWAP/isolated/net": "3"}


def test_accounts_do_not_see_each_other(desk: Desk) -> None:
    other = desk.exchange.add_account()
    desk.exchange.open_position("BTC-USDT-SWAP", 3, account=other)
    assert desk.close().code == "51023"
    assert desk.pos() == {}
    desk.credentials = other.credentials
    assert desk.pos() == {"BTC-USDT-SWAP/cross/net": "3"}
    assert desk.close().code == "0"


def test_a_running_close_refuses_others_until_it_is_filled(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(fill_delay=1.0)
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    codes = []
    for _ in range(5):
        codes.append(desk.close().code)
        desk.advance(0.25)
    assert codes == ["0", "51032", "51032", "51032", "51023"]
    assert desk.close().status == 200


def test_a_close_may_never_end(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(fill_delay=math.inf)
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    assert desk.close().code == "0"
    desk.advance(100_000)
    assert desk.close().code == "51032"
    assert desk.pos() == {"BTC-USDT-SWAP/cross/net": "3"}


def test_a_position_that_is_gone_meanwhile_is_no_running_close(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(fill_delay=1.0)
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    assert desk.close().code == "0"
    desk.exchange.open_position("BTC-USDT-SWAP", 0)
    assert desk.close().code == "51023"


def test_a_fill_delay_may_be_a_range(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(fill_delay=(0.2, 0.4))
    for n in range(30):
        desk.exchange.open_position(f"A{n}-USDT-SWAP", 1)
        assert desk.close(f"A{n}-USDT-SWAP").code == "0"
    left = []
    for _ in range(5):
        left.append(len(desk.exchange.positions))
        desk.advance(0.1)
    assert left[:2] == [30, 30]
    assert 0 < left[3] < 30
    assert left[4] == 0


def test_pending_close_orders_stand_in_the_way(desk: Desk) -> None:
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    order = desk.exchange.add_pending_order("BTC-USDT-SWAP")
    other = desk.exchange.add_pending_order("ETH-USDT-SWAP")
    entry = desk.exchange.add_pending_order("BTC-USDT-SWAP", side="buy", reduce_only=False)
    reply = desk.close()
    assert (reply.status, reply.code, reply.data) == (429, "51115", [])
    assert len(desk.exchange.positions) == 1
    assert desk.close(autoCxl=True).code == "0"
    assert not desk.exchange.positions
    assert set(desk.exchange.pending_orders) == {other, entry}
    assert order.side == "sell"


@pytest.mark.parametrize("auto_cxl_algos", [False, True])
def test_whether_algo_orders_are_cancelled_can_be_chosen(
    open_desk: Callable[..., Desk], *, auto_cxl_algos: bool
) -> None:
    desk = open_desk(auto_cxl_algos=auto_cxl_algos)
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    stop, other = (desk.exchange.add_algo_order(f"{coin}-USDT-SWAP") for coin in ("BTC", "ETH"))
    assert desk.close(autoCxl=True).code == "0"
    assert set(desk.exchange.algo_orders) == ({other} if auto_cxl_algos else {stop, other})


@pytest.mark.parametrize(("insts", "codes"), [([], ["51156", "51156"]), (["BTC-USDT-SWAP"], ["51156", "0"])])
def test_a_lead_trader_is_refused(desk: Desk, insts: list[str], codes: list[str]) -> None:
    account = desk.exchange.account
    account.role_type, account.trader_insts = "1", insts
    for inst_id in ("BTC-USDT-SWAP", "ETH-USDT-SWAP"):
        desk.exchange.open_position(inst_id, 3)
    assert [desk.close(inst_id).code for inst_id in ("BTC-USDT-SWAP", "ETH-USDT-SWAP")] == codes
    (row,) = desk.get("account/config").data
    assert (row["roleType"], row["traderInsts"]) == ("1", insts)


def test_an_account_may_be_refused_as_a_whole(desk: Desk) -> None:
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    other = desk.exchange.add_account()
    other.refusal = "51024"
    assert desk.close().code == "0"
    desk.credentials = other.credentials
    assert desk.close().code == desk.close("ETH-USDT-SWAP").code == "51024"
    assert desk.get("account/positions").code == "0"
