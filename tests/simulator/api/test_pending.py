from collections.abc import Callable

import pytest

from tests.simulator.conftest import Desk


def test_pending_orders(desk: Desk) -> None:
    exchange = desk.exchange
    first, second, third = (
        exchange.add_pending_order(inst_id, cl_ord_id=inst_id[:3])
        for inst_id in ("BTC-USDT-SWAP", "BTC-USD-260327", "ETH-USDT-SWAP")
    )
    exchange.add_pending_order("BTC-USDT-SWAP", account=exchange.add_account())

    def ids(query: str = "") -> list[str]:
        return [row["ordId"] for row in desk.get(f"trade/orders-pending?{query}").data]

    assert ids() == [third.ord_id, second.ord_id, first.ord_id]
    assert ids("limit=2") == [third.ord_id, second.ord_id]
    assert ids(f"after={second.ord_id}") == [first.ord_id]
    assert ids(f"before={second.ord_id}") == [third.ord_id]
    assert ids("instType=SWAP&instId=BTC-USDT-SWAP") == [first.ord_id]
    assert ids("instFamily=BTC-USD") == [second.ord_id]
    assert ids("state=live&ordType=limit") == ids()
    assert ids("ordType=post_only,limit") == ids("ordType=post_only%2Climit,") == ids()
    assert ids("ordType=post_only,fok") == ids("ordType=limi") == []
    assert ids("state=partially_filled") == []
    (row,) = desk.get("trade/orders-pending?instId=ETH-USDT-SWAP").data
    assert all(isinstance(value, str) for value in row.values())
    assert {
        "instType": "SWAP",
        "instId": "ETH-USDT-SWAP",
        "ordId": third.ord_id,
        "clOrdId": "ETH",
        "side": "sell",
        "posSide": "net",
        "tdMode": "cross",
        "ordType": "limit",
        "px": "2412.35",
        "sz": "1",
        "accFillSz": "0",
        "avgPx": "",
        "reduceOnly": "true",
        "state": "live",
        "cTime": "1768519672000",
        "uTime": "1768519672000",
    }.items() <= row.items()


def test_pending_orders_survive_a_delisting(desk: Desk) -> None:
    desk.exchange.add_pending_order("BTC-USDT-SWAP")
    desk.exchange.delist("BTC-USDT-SWAP")
    assert desk.get("trade/orders-pending?instFamily=BTC-USDT").code == "0"


@pytest.mark.parametrize("query", ["limit=101", "limit=x", "limit=-1", "after=1e3", "before=" + "9" * 30, "after=٣"])
def test_bad_pages(desk: Desk, query: str) -> None:
    reply = desk.get(f"trade/orders-pending?{query}")
    assert (reply.status, reply.code) == (400, "51000")


def test_a_full_page_and_the_rest(desk: Desk) -> None:
    orders = [desk.exchange.add_pending_order("BTC-USDT-SWAP").ord_id for _ in range(130)][::-1]
    page = [row["ordId"] for row in desk.get("trade/orders-pending").data]
    rest = [row["ordId"] for row in desk.get(f"trade/orders-pending?after={page[-1]}").data]
    assert (page, rest) == (orders[:100], orders[100:])


def test_algo_orders_are_listed_by_type(desk: Desk) -> None:
    exchange = desk.exchange
    exchange.open_position("BTC-USDT-SWAP", 3)
    made = {
        "conditional": exchange.add_algo_order("BTC-USDT-SWAP"),
        "oco": exchange.add_algo_order("BTC-USDT-SWAP", "oco"),
        "trigger": exchange.add_algo_order("BTC-USDT-SWAP", "trigger", trigger_px="50000", sz="1"),
        "move_order_stop": exchange.add_algo_order("BTC-USDT-SWAP", "move_order_stop", callback_ratio="0.05"),
    }

    def ids(query: str) -> list[str]:
        reply = desk.get(f"trade/orders-algo-pending?{query}")
        assert reply.code == "0"
        return [row["algoId"] for row in reply.data]

    for kind, order in made.items():
        assert ids(f"ordType={kind}") == [order.algo_id]
    assert ids("ordType=conditional,oco") == [made["oco"].algo_id, made["conditional"].algo_id]
    assert ids("ordType=iceberg") == ids("ordType=oco&instId=ETH-USDT-SWAP") == []
    (stop,) = desk.get("trade/orders-algo-pending?ordType=conditional").data
    assert (stop["side"], stop["closeFraction"], stop["sz"], stop["slTriggerPx"], stop["tpTriggerPx"]) == (
        *("sell", "1", "", "30043.95"),
        "",
    )
    assert desk.get("trade/orders-pending").data == []


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 400, "50014"),
        ("ordType=limit", 400, "51000"),
        ("ordType=conditional,trigger", 400, "51000"),
        ("ordType=oco&limit=101", 400, "51000"),
    ],
)
def test_algo_orders_need_a_type(desk: Desk, query: str, status: int, code: str) -> None:
    reply = desk.get(f"trade/orders-algo-pending?{query}")
    assert (reply.status, reply.code) == (status, code)


def test_one_order_by_its_id_or_its_name(desk: Desk) -> None:
    first, last = (desk.exchange.add_pending_order("BTC-USDT-SWAP", cl_ord_id="twice") for _ in range(2))

    def told(query: str) -> str:
        reply = desk.get(f"trade/order?{query}")
        return reply.data[0]["ordId"] if reply.code == "0" else str(reply.code)

    assert told(f"instId=BTC-USDT-SWAP&ordId={first.ord_id}&clOrdId=twice") == first.ord_id
    assert told("instId=BTC-USDT-SWAP&clOrdId=twice") == last.ord_id
    assert told("instId=BTC-USDT-SWAP&clOrdId=never") == told(f"instId=ETH-USDT-SWAP&ordId={last.ord_id}") == "51603"
    assert told("instId=BTC-USDT-SWAP") == "50015"
    desk.credentials = desk.exchange.add_account().credentials
    assert told(f"instId=BTC-USDT-SWAP&ordId={first.ord_id}") == "51603"
    desk.exchange.delist("BTC-USDT-SWAP")
    assert told(f"instId=BTC-USDT-SWAP&ordId={first.ord_id}") == "51001"


@pytest.mark.parametrize(
    ("fill", "state", "filled"), [(1, "filled", "3"), (0.5, "canceled", "1.5"), (0, "canceled", "0")]
)
def test_the_order_of_a_close_is_known_by_its_name_once_it_has_ended(
    open_desk: Callable[..., Desk], fill: float, state: str, filled: str
) -> None:
    desk = open_desk(fill=fill, fill_delay=0.5)
    desk.exchange.open_position("BTC-USDT-SWAP", -3)
    assert desk.close(clOrdId="c1", tag="t").code == "0"
    path = "trade/order?instId=BTC-USDT-SWAP&clOrdId=c1"
    assert desk.get(path).code == "51603"
    desk.advance(0.5)
    (row,) = desk.get(path).data
    assert (row["state"], row["side"], row["sz"], row["accFillSz"], row["ordType"], row["tag"]) == (
        *(state, "buy", "3", filled),
        *("market", "t"),
    )
    assert desk.get("trade/orders-pending").data == []
