"""Requests without any sense, each of which gets an answer."""

from collections.abc import Callable
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from tests.simulator.conftest import Desk

HEADERS = st.dictionaries(
    st.sampled_from(["OK-ACCESS-KEY", "OK-ACCESS-SIGN", "OK-ACCESS-TIMESTAMP", "OK-ACCESS-PASSPHRASE", "Content-Type"]),
    st.one_of(st.sampled_from(["application/json", "2026-01-15T23:27:52.373Z"]), st.text()),
)
PATHS = st.sampled_from(
    [
        *("trade/close-position", "account/positions", "account/config", "public/time", "public/instruments"),
        *("trade/orders-pending", "trade/order", "trade/batch-orders", "trade/cancel-order", "nowhere"),
        *("trade/cancel-batch-orders", "trade/orders-algo-pending", "trade/cancel-all-after"),
        *("account/set-position-mode", "account/positions-history"),
    ]
)
SURROGATES = st.text(st.characters())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(method=st.sampled_from(["GET", "POST", "x"]), path=PATHS, query=SURROGATES, headers=HEADERS, body=st.binary())
def test_unauthenticated_nonsense_gets_an_answer(
    open_desk: Callable[..., Desk], *, method: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> None:
    reply = open_desk().send(method, f"/api/v5/{path}?{query}", CIMultiDict(headers), body)
    assert reply.status in {200, 400, 401, 404, 405}
    assert "code" in reply.body


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.sampled_from(["cross", "BTC-USDT-SWAP"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(["instId", "mgnMode", "posSide", "ccy", "autoCxl", "clOrdId", "tag"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(params=st.dictionaries(NAMES, VALUES), lenient=st.booleans())
def test_nonsense_about_a_close_gets_an_answer(
    open_desk: Callable[..., Desk], params: dict[str, Any], *, lenient: bool
) -> None:
    desk = open_desk(lenient_booleans=lenient)
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    reply = desk.post(orjson.dumps(params))
    assert reply.code in {"0", "50014", "51000", "51001", "51023"}
    assert (reply.code == "0") is (not desk.exchange.positions)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    path=PATHS.filter(lambda path: path != "trade/close-position"),
    query=st.lists(
        st.tuples(st.sampled_from(["instId", "instType", "posId", "limit", "after", "uly"]), st.text(max_size=5)).map(
            "=".join
        )
    ).map("&".join),
)
def test_nonsense_in_a_query_gets_an_answer(open_desk: Callable[..., Desk], path: str, query: str) -> None:
    desk = open_desk()
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    desk.exchange.add_pending_order("BTC-USDT-SWAP")
    assert str(desk.get(f"{path}?{query}").code) in {
        *("0", "404", "50014", "50015", "50025", "50115", "51000", "51001", "51015", "51603"),
    }


ORDER_NAMES = st.sampled_from(
    [
        *("instId", "tdMode", "side", "ordType", "sz", "px", "posSide", "reduceOnly"),
        *("ordId", "clOrdId", "timeOut", "posMode"),
    ]
)
ORDER_VALUES = VALUES | st.sampled_from(["buy", "limit", "net", "1", "0", "-1", "NaN", "Infinity", "1e-9", "1e999999"])
ORDER = st.dictionaries(ORDER_NAMES, ORDER_VALUES)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(path=PATHS, body=ORDER | st.lists(ORDER, max_size=3) | VALUES, whole=st.booleans())
def test_nonsense_about_orders_gets_an_answer(
    open_desk: Callable[..., Desk], path: str, body: Any, *, whole: bool
) -> None:
    desk = open_desk()
    if whole and isinstance(body, dict):  # everything but what was drawn is right
        body = {"instId": "BTC-USDT-SWAP", "tdMode": "cross", "side": "buy", "ordType": "limit", **body}
    reply = desk.post(orjson.dumps(body), f"/api/v5/{path}")
    assert reply.status in {200, 400, 404, 405}
    assert "code" in reply.body
