from typing import Any

import orjson
import pytest

from tests.simulator.conftest import Desk, Reply

SWAP = "BTC-USDT-SWAP"


def post(desk: Desk, name: str, body: Any) -> Reply:
    return desk.post(orjson.dumps(body), f"/api/v5/trade/{name}")


def test_one_order(desk: Desk) -> None:
    order = desk.exchange.add_pending_order(SWAP, cl_ord_id="a")
    reply = post(desk, "cancel-order", {"instId": SWAP, "clOrdId": "a"})
    (item,) = reply.data
    assert (reply.code, item["sCode"], item["ordId"], item["clOrdId"]) == ("0", "0", order.ord_id, "a")
    assert desk.exchange.pending_orders == ()
    assert desk.get(f"trade/order?instId={SWAP}&ordId={order.ord_id}").data[0]["state"] == "canceled"
    again = post(desk, "cancel-order", {"instId": SWAP, "ordId": order.ord_id})
    assert (again.status, again.code, again.data[0]["sCode"]) == (200, "1", "51400")
    assert [row.code for row in desk.exchange.journal] == ["0", "0", "51400"]


@pytest.mark.parametrize(
    ("body", "code"), [({"instId": SWAP}, "50015"), ({"ordId": "1"}, "50014"), ({"instId": SWAP, "ordId": 1}, "50015")]
)
def test_an_order_that_is_not_named(desk: Desk, body: dict[str, Any], code: str) -> None:
    assert post(desk, "cancel-order", body).data[0]["sCode"] == code


def test_several_orders_each_with_its_own_result(desk: Desk) -> None:
    first, second = (desk.exchange.add_pending_order(SWAP) for _ in range(2))
    other = desk.exchange.add_pending_order(SWAP, account=desk.exchange.add_account())
    named = [{"instId": SWAP, "ordId": order.ord_id} for order in (first, other, second)]
    reply = post(desk, "cancel-batch-orders", named)
    assert (reply.code, [item["sCode"] for item in reply.data]) == ("2", ["0", "51400", "0"])
    assert desk.exchange.pending_orders == (other,)
    reply = post(desk, "cancel-batch-orders", named)
    assert (reply.code, {item["sCode"] for item in reply.data}) == ("1", {"51400"})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], "50014"),
        ([{"instId": SWAP, "ordId": "1"}] * 21, "51406"),
        ([1], "50002"),
        ({"instId": SWAP, "ordId": "1"}, "50002"),
    ],
)
def test_a_batch_that_is_none(desk: Desk, body: Any, code: str) -> None:
    assert post(desk, "cancel-batch-orders", body).code == code
    assert post(desk, "cancel-order", [{"instId": SWAP, "ordId": "1"}]).code == "50002"


def test_a_batch_counts_by_its_orders(desk: Desk) -> None:
    body = [{"instId": SWAP, "ordId": "1"}] * 20
    codes = [post(desk, "cancel-batch-orders", body).code for _ in range(16)]
    assert codes == ["1"] * 15 + ["50011"]


def after(desk: Desk, seconds: str, **more: str) -> Reply:
    desk.advance(1.0)
    return post(desk, "cancel-all-after", {"timeOut": seconds, **more})


def test_without_a_sign_of_life_all_orders_are_cancelled(desk: Desk) -> None:
    desk.exchange.open_position(SWAP, 3)
    desk.exchange.add_pending_order(SWAP)
    (item,) = after(desk, "10").data
    assert int(item["triggerTime"]) - int(item["ts"]) == 10_000
    desk.advance(8.9)
    assert after(desk, "60").code == "0"
    desk.advance(59.5)
    assert len(desk.get("trade/orders-pending").data) == 1
    desk.advance(0.5)
    assert desk.exchange.pending_orders == ()
    assert desk.get("trade/orders-pending").data == []
    assert desk.exchange.positions


def test_it_may_be_switched_off_and_is_of_a_tag(desk: Desk) -> None:
    order = {"instId": SWAP, "tdMode": "cross", "side": "buy", "ordType": "limit", "sz": "1", "px": "1"}
    for tag in ("a", "b"):
        assert post(desk, "order", {**order, "tag": tag}).code == "0"
        assert after(desk, "10", tag=tag).code == "0"
    assert after(desk, "0", tag="a").data[0]["triggerTime"] == "0"
    desk.advance(20)
    assert [row["tag"] for row in desk.get("trade/orders-pending").data] == ["a"]
    assert not desk.exchange._gateway._venue.alive  # nothing is kept of a switch that has done its work, or was put off


def test_limits_of_the_switch(desk: Desk) -> None:
    assert [after(desk, text).code for text in ("9", "121", "x", "-1", "1.5", "9" * 5000)] == ["51000"] * 6
    assert after(desk, "").code == "50014"
    desk.advance(0.5)
    assert post(desk, "cancel-all-after", {"timeOut": "0"}).code == "50011"
    desk.advance(1.0)
    assert post(desk, "cancel-all-after", {"timeOut": "0"}).code == "0"


# --- algo orders ---


def test_algo_orders_each_with_its_own_result(desk: Desk) -> None:
    stop, twap = (desk.exchange.add_algo_order(SWAP, kind) for kind in ("conditional", "twap"))
    other = desk.exchange.add_algo_order(SWAP, account=desk.exchange.add_account())
    named = [{"instId": SWAP, "algoId": order.algo_id} for order in (stop, other)]
    named += [{"instId": "ETH-USDT-SWAP", "algoId": twap.algo_id}, {"instId": SWAP, "algoId": "1"}]
    reply = post(desk, "cancel-algos", named)
    assert (reply.code, [item["sCode"] for item in reply.data]) == ("2", ["0", "51400", "51400", "51400"])
    assert [item["algoId"] for item in reply.data] == [one["algoId"] for one in named]
    assert list(desk.exchange.algo_orders) == [other, twap]
    reply = post(desk, "cancel-algos", [{"instId": SWAP, "algoId": twap.algo_id}])
    assert reply.code == "0"
    assert list(desk.exchange.algo_orders) == [other]
    assert desk.exchange.journal[-1].executed


@pytest.mark.parametrize("named", [{"instId": SWAP}, {"algoId": "1"}, {"instId": SWAP, "algoId": 1}])
def test_an_algo_order_that_is_not_named(desk: Desk, named: dict[str, Any]) -> None:
    assert post(desk, "cancel-algos", [named]).data[0]["sCode"] == "50014"


@pytest.mark.parametrize(
    ("body", "code"),
    [([], "50014"), ([{"instId": SWAP, "algoId": "1"}] * 11, "51406"), ({"instId": SWAP, "algoId": "1"}, "50002")],
)
def test_algo_orders_that_are_no_batch(desk: Desk, body: Any, code: str) -> None:
    assert post(desk, "cancel-algos", body).code == code


def test_algo_orders_count_one_by_one(desk: Desk) -> None:
    body = [{"instId": SWAP, "algoId": "1"}] * 10
    assert [post(desk, "cancel-algos", body).code for _ in range(3)] == ["1", "1", "50011"]
