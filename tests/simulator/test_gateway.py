"""The checks of a request, each by itself, and their order."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from multidict import CIMultiDict

from tests.simulator.conftest import CLOSE, Desk

GOOD = b'{"instId":"BTC-USDT-SWAP","mgnMode":"cross"}'
UNKNOWN_KEY = "0f4b2c5e-1111-4222-8333-444455556666"


# (what is wrong, code, status), in the order of the checks: a request with faults n, n+1, … is answered by n.
FAULTS: list[tuple[dict[str, str], bytes, float, str, int]] = [
    ({"Content_Type": "text/plain"}, b"", 0.0, "50006", 400),
    ({}, b"", 0.0, "50000", 400),
    ({}, b"{", 0.0, "50002", 400),
    ({"OK_ACCESS_KEY": ""}, GOOD, 0.0, "50103", 401),
    ({"OK_ACCESS_PASSPHRASE": ""}, GOOD, 0.0, "50104", 401),
    ({"OK_ACCESS_SIGN": ""}, GOOD, 0.0, "50106", 401),
    ({"OK_ACCESS_TIMESTAMP": ""}, GOOD, 0.0, "50107", 401),
    ({"OK_ACCESS_TIMESTAMP": "now"}, GOOD, 0.0, "50112", 401),
    ({}, GOOD, 30.001, "50102", 401),
    ({"OK_ACCESS_KEY": "malformed"}, GOOD, 0.0, "50111", 401),
    ({"OK_ACCESS_KEY": UNKNOWN_KEY}, GOOD, 0.0, "50119", 401),
    ({"x_simulated_trading": "1"}, GOOD, 0.0, "50101", 401),
    ({"OK_ACCESS_PASSPHRASE": "wrong"}, GOOD, 0.0, "50105", 401),
    ({"OK_ACCESS_SIGN": "wrong"}, GOOD, 0.0, "50113", 401),
]


@pytest.mark.parametrize(("headers", "body", "skew", "code", "status"), FAULTS)
def test_each_check(desk: Desk, headers: dict[str, str], body: bytes, *, skew: float, code: str, status: int) -> None:
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    reply = desk.post(body, skew=skew, **headers)
    assert (reply.status, reply.code) == (status, code)
    assert ("data" in reply.body) is (code not in {"50101", "50119"})  # observed without
    assert len(desk.exchange.positions) == 1
    row = desk.exchange.journal[-1]
    assert (row.key, row.code, row.status, row.executed) == (None, code, status, False)


@pytest.mark.parametrize("first", range(len(FAULTS)), ids=[row[3] for row in FAULTS])
def test_the_order_of_checks(desk: Desk, first: int) -> None:
    headers: dict[str, str] = {}
    body, skew = GOOD, 0.0
    for wrong, its_body, its_skew, *_ in reversed(FAULTS[first:]):
        headers |= wrong
        body = its_body if its_body != GOOD else body
        skew = its_skew or skew
    assert desk.post(body, skew=skew, **headers).code == FAULTS[first][3]


@pytest.mark.parametrize(("body", "code"), [(b"", "50000"), (b"{", "50002"), (b"[]", "50002"), (GOOD, "50113")])
def test_the_body_may_be_looked_at_after_the_signature(open_desk: Callable[..., Desk], body: bytes, code: str) -> None:
    late = open_desk(body_first=False)
    assert late.post(body, OK_ACCESS_SIGN="wrong").code == "50113"
    assert open_desk().post(body, OK_ACCESS_SIGN="wrong").code == code
    if body != GOOD:
        assert late.post(body).code == code


@pytest.mark.parametrize("body_first", [True, False])
def test_the_count_may_come_before_the_signature(open_desk: Callable[..., Desk], *, body_first: bool) -> None:
    desk = open_desk(rate_first=True, body_first=body_first)
    codes = [desk.post(GOOD, OK_ACCESS_SIGN="wrong").code for _ in range(21)]
    assert codes == 20 * ["50113"] + ["50011"]
    assert desk.exchange.worst_window((desk.exchange.user_id, "BTC-USDT-SWAP")) == 21
    desk.advance(2.0)
    assert [desk.close().code for _ in range(21)] == 20 * ["51023"] + ["50011"]  # counted once each
    desk = open_desk(rate_first=False, body_first=body_first)
    assert {desk.post(GOOD, OK_ACCESS_SIGN="wrong").code for _ in range(21)} == {"50113"}


def test_unparsable_bodies_are_counted_by_uid_alone(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(rate_first=True, body_first=False)
    assert [desk.post(b"{").code for _ in range(21)] == 20 * ["50002"] + ["50011"]
    assert desk.exchange.journal[-1].key == (desk.exchange.user_id, "")


def test_permission_comes_before_the_count(desk: Desk) -> None:
    desk.credentials = desk.exchange.add_key(perm="read_only")
    replies = [desk.close() for _ in range(25)]
    assert {(reply.status, reply.code) for reply in replies} == {(200, "50120")}
    assert {row.key for row in desk.exchange.journal} == {None}
    assert {row.uid for row in desk.exchange.journal} == {desk.exchange.user_id}
    assert desk.get("account/positions").code == "0"


def test_the_count_comes_before_the_parameters(desk: Desk) -> None:
    assert [desk.close(mgnMode="bad").code for _ in range(21)] == 20 * ["51000"] + ["50011"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"inst_id": ""}, "50014"),
        ({"mgn_mode": "both"}, "51000"),
        ({"clOrdId": "a-b"}, "51000"),
        ({"autoCxl": 7}, "51000"),
        ({"inst_id": "NONE-USDT-SWAP"}, "50011"),
        ({"posSide": "long"}, "50011"),
        ({}, "50011"),
    ],
)
def test_the_form_of_a_close_may_be_checked_before_the_count(
    open_desk: Callable[..., Desk], wrong: dict[str, Any], code: str
) -> None:
    desk = open_desk(form_first=True, limits={"trade/close-position": 1})
    desk.close(**wrong)
    assert desk.close(**wrong).code == code
    assert (desk.exchange.journal[-1].key is None) is (code != "50011")


BUY = {"instId": "BTC-USDT-SWAP", "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "1"}


def ordered(desk: Desk, exp_time: str) -> str:
    return str(desk.post(orjson.dumps(BUY), "/api/v5/trade/order", expTime=exp_time).code)


def test_orders_may_expire_before_they_arrive(open_desk: Callable[..., Desk]) -> None:
    desk, heedless = open_desk(), open_desk(heeds_exp_time=False)
    now = int(1000 * desk.wall)
    assert [ordered(desk, str(now + ms)) for ms in (-1, 0, 5000)] == ["50036", "0", "0"]
    assert [ordered(desk, odd) for odd in ("", "x", "9" * 40, "\u0661")] == ["0"] * 4
    assert ordered(heedless, str(now - 1)) == "0"
    assert desk.post(orjson.dumps([BUY]), "/api/v5/trade/batch-orders", expTime=str(now - 1)).code == "50036"
    assert desk.post(GOOD, expTime=str(now - 1)).code == "0", "a close has none"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "post"])
def test_a_wrong_method(desk: Desk, method: str) -> None:
    reply = desk.send(method, CLOSE, CIMultiDict(), b"")
    assert (reply.status, reply.code) == (405, "50115")


@pytest.mark.parametrize("name", ["account/positions", "account/config", "public/time", "trade/orders-pending"])
def test_get_endpoints_take_no_post(desk: Desk, name: str) -> None:
    reply = desk.post(b"{}", f"/api/v5/{name}")
    assert (reply.status, reply.code) == (405, "50115")


@pytest.mark.parametrize(
    "path", ["/", "", "/api/v5/trade/close-positions", "/api/v5/trade/close-position/", "/api%2Fv5"]
)
def test_an_unknown_path(desk: Desk, path: str) -> None:
    reply = desk.post(GOOD, path)
    assert reply.status == 404
    assert reply.body == {
        "code": 404,
        "data": {},
        "detailMsg": "",
        "error_code": "404",
        "error_message": "Not Found",
        "msg": "Not Found",
    }


@pytest.mark.parametrize(
    ("content_type", "code"),
    [
        ("application/json", "0"),
        ("Application/JSON; charset=utf-8", "0"),
        ("", "50006"),
        ("application/x-www-form-urlencoded", "50006"),
        ("application/octet-stream", "50006"),
    ],
)
def test_content_type(desk: Desk, content_type: str, code: str) -> None:
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    assert desk.post(GOOD, Content_Type=content_type).code == code


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"1",
        b'"x"',
        b"[{}]",
        b"{'a':1}",
        b"\xff",
        b'{"a":NaN}',
        b"[" * 100_000,
        b'{"instId":"\\ud800"}',
        b"\x00",
    ],
)
def test_what_is_no_json_object(desk: Desk, body: bytes) -> None:
    reply = desk.post(body)
    assert (reply.status, reply.code) == (400, "50002")


@pytest.mark.parametrize("status", [400, 413])
def test_a_body_that_could_not_be_read(desk: Desk, status: int) -> None:
    reply = desk.send("POST", CLOSE, CIMultiDict(), broken=status)
    assert (reply.status, reply.code) == (status, status)


def test_the_query_is_part_of_what_is_signed(desk: Desk) -> None:
    raw_path = "/api/v5/account/positions?instId=BTC-USDT-SWAP"
    sent = desk.get("account/positions?instId=BTC-USDT-SWAP")
    assert sent.code == "0"
    assert desk.exchange.journal[-1].path == raw_path
    assert desk.post(GOOD, CLOSE + "?a=b").code == "51023"
    assert desk.exchange.worst_window() == 1
