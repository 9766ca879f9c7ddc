from collections.abc import Callable

import pytest

from tests.simulator.conftest import Desk

# --- account/positions ---


def test_flat_positions_appear_only_when_asked_for(desk: Desk) -> None:
    holding = desk.exchange.open_position("BTC-USDT-SWAP", 3)
    desk.exchange.open_position("ETH-USDT-SWAP", 2)
    assert desk.close().code == "0"
    flat = {"BTC-USDT-SWAP/cross/net": "0"}
    assert desk.pos() == {"ETH-USDT-SWAP/cross/net": "2"}
    assert desk.pos("?instType=SWAP") == {"ETH-USDT-SWAP/cross/net": "2"}
    assert desk.pos("?instId=BTC-USDT-SWAP") == flat
    assert desk.pos("?instId=&posId=") == {"ETH-USDT-SWAP/cross/net": "2"}
    assert desk.pos("?instId=BTC-USDT-SWAP,ETH-USDT-SWAP") == {**flat, "ETH-USDT-SWAP/cross/net": "2"}
    assert desk.pos("?instId=BTC-USDT-SWAP%2CETH-USDT-SWAP") == {**flat, "ETH-USDT-SWAP/cross/net": "2"}
    assert desk.pos(f"?posId={holding.pos_id}") == flat
    assert desk.pos("?instId=SOL-USDT-SWAP") == desk.pos("?instId=NO-SUCH-SWAP") == {}


def test_the_newest_holding_period_comes_first(desk: Desk) -> None:
    for inst_id in ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"):
        desk.exchange.open_position(inst_id, 1)
        desk.advance(1)
    desk.exchange.open_position("BTC-USDT-SWAP", 0)
    desk.exchange.open_position("BTC-USDT-SWAP", 1)
    assert [key[:3] for key in desk.pos()] == ["BTC", "SOL", "ETH"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("instId=" + ",".join(f"A{n}-USDT-SWAP" for n in range(10)), "0"),
        ("instId=" + ",".join(f"A{n}-USDT-SWAP" for n in range(11)), "50025"),
        ("posId=" + ",".join(map(str, range(20))), "0"),
        ("posId=" + ",".join(map(str, range(21))), "50025"),
        ("instType=SWAP", "0"),
        ("instType=swap", "51000"),
        ("instType=OPTION&instId=BTC-USDT-SWAP", "51015"),
    ],
)
def test_limits_of_a_positions_query(desk: Desk, query: str, code: str) -> None:
    assert desk.get(f"account/positions?{query}").code == code


def test_of_repeated_names_the_first_counts(desk: Desk) -> None:
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    assert desk.pos("?instId=BTC-USDT-SWAP&instId=ETH-USDT-SWAP") == {"BTC-USDT-SWAP/cross/net": "3"}


def test_a_reading_may_lag_behind_the_fill(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(positions_lag=0.5, fill_delay=0.25)
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    assert desk.pos() == {"BTC-USDT-SWAP/cross/net": "3"}
    assert desk.close().code == "0"
    assert desk.pos() == desk.pos() == {"BTC-USDT-SWAP/cross/net": "3"}
    assert not desk.exchange.positions
    assert desk.pos() == {}


def test_a_stop_for_the_whole_position_is_shown_with_it(desk: Desk) -> None:
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    order = desk.exchange.add_algo_order("BTC-USDT-SWAP")
    desk.exchange.add_algo_order("BTC-USDT-SWAP", sz="1")
    (row,) = desk.get("account/positions").data
    assert [algo["algoId"] for algo in row["closeOrderAlgo"]] == [order.algo_id]


# --- the rest ---


def test_config(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(pos_mode="long_short_mode")
    desk.credentials = desk.exchange.add_key(perm="read_only", ip="192.0.2.1")
    (row,) = desk.get("account/config").data
    assert list(row) == [
        "uid",
        "mainUid",
        "acctLv",
        "posMode",
        "perm",
        "ip",
        "kycLv",
        "label",
        "type",
        "level",
        "ctIsoMode",
        "mgnIsoMode",
        "roleType",
        "opAuth",
        "acctStpMode",
        "autoLoan",
        "enableSpotBorrow",
        "traderInsts",
        "settleCcy",
        "settleCcyList",
    ]
    assert (row["uid"], row["posMode"], row["perm"], row["ip"], row["acctLv"]) == (
        *(desk.exchange.user_id, "long_short_mode", "read_only", "192.0.2.1"),
        "2",
    )


def test_a_sub_account_has_a_uid_of_its_own_and_names_its_main_one(desk: Desk) -> None:
    sub = desk.exchange.add_account(main=desk.exchange.account)
    seen = []
    for credentials in (desk.exchange.credentials, sub.credentials, desk.exchange.add_key(sub)):
        desk.credentials = credentials
        (row,) = desk.get("account/config").data
        seen.append((row["uid"], row["mainUid"], row["type"]))
    uid = desk.exchange.user_id
    assert seen == [(uid, uid, "0"), (sub.user_id, uid, "1"), (sub.user_id, uid, "1")]
    assert sub.user_id != uid


def test_keys_of_one_uid_share_its_limits_and_accounts_do_not(desk: Desk) -> None:
    exchange = desk.exchange
    keys = [exchange.credentials, exchange.add_key()]
    codes = []
    for n in range(22):
        desk.credentials = keys[n % 2]
        codes.append(desk.close().code)
    assert codes == ["51023"] * 20 + ["50011"] * 2
    desk.credentials = exchange.add_account(main=exchange.account).credentials
    assert desk.close().code == "51023"


def test_time_is_the_server_s(desk: Desk) -> None:
    assert desk.get("public/time").body == {"code": "0", "data": [{"ts": "1768519672000"}], "msg": ""}


@pytest.mark.parametrize(
    ("query", "code", "expected"),
    [
        ("", "50014", None),
        ("instType=", "50014", None),
        ("instType=X", "51000", None),
        ("instType=OPTION", "50015", None),
        ("instType=OPTION&instFamily=BTC-USD", "0", {"OPTION"}),
        ("instType=OPTION&uly=ETH-USD", "0", {"OPTION"}),
        ("instType=SWAP", "0", {"SWAP"}),
        ("instType=FUTURES&instFamily=BTC-USDT", "0", {"FUTURES"}),
        ("instType=SPOT", "0", {"SPOT"}),
        ("instType=MARGIN&instId=BTC-USDT", "0", {"MARGIN"}),
        ("instType=SWAP&instId=NO-SUCH-SWAP", "51001", None),
        ("instType=SWAP&instId=BTC-USDT", "0", set()),
    ],
)
def test_instruments(desk: Desk, query: str, code: str, expected: set[str] | None) -> None:
    reply = desk.get(f"public/instruments?{query}")
    assert reply.code == code
    if expected is not None:
        assert {row["instType"] for row in reply.data} == expected
        assert all(query.rpartition("=")[2] in row.values() for row in reply.data)


def test_an_instrument_keeps_its_number_in_every_list(desk: Desk) -> None:
    swaps = desk.get("public/instruments?instType=SWAP").data
    one = desk.get("public/instruments?instType=SWAP&instId=ETH-USDT-SWAP").data
    assert one == [row for row in swaps if row["instId"] == "ETH-USDT-SWAP"]


def test_currencies(desk: Desk) -> None:
    rows = {row["ccy"]: row for row in desk.get("asset/currencies").data}
    assert {"BTC", "ETH", "USDT"} <= set(rows)
    assert "USD" not in rows
    assert [row["ccy"] for row in desk.get("asset/currencies?ccy=USDT,BTC").data] == ["BTC", "USDT"]
    assert rows["BTC"]["chain"].startswith("BTC-")
