from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from tests.simulator.conftest import Desk

CLOSE = "/api/v5/trade/close-position"
GOOD = b'{"instId":"BTC-USDT-SWAP","mgnMode":"cross"}'
UNKNOWN_KEY = "0f4b2c5e-1111-4222-8333-444455556666"


# --- each check, and that it comes before the next ones ---

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


# --- the count ---


@pytest.mark.parametrize(
    ("request_of", "limit", "key"),
    [
        (("POST", CLOSE, GOOD), 20, ("uid", "BTC-USDT-SWAP")),
        (("POST", CLOSE, b'{"instId":"BTC-USD-260327-60000-C","mgnMode":"cross"}'), 20, ("uid", "BTC-USD")),
        (("GET", "/api/v5/account/positions", b""), 10, ("uid", "account/positions")),
        (("GET", "/api/v5/account/config", b""), 5, ("uid", "account/config")),
        (("GET", "/api/v5/trade/orders-pending", b""), 60, ("uid", "trade/orders-pending")),
        (("GET", "/api/v5/trade/orders-algo-pending?ordType=oco", b""), 20, ("uid", "trade/orders-algo-pending")),
        (("GET", "/api/v5/public/time", b""), 10, ("192.0.2.1", "public/time")),
        (("GET", "/api/v5/public/instruments?instType=SWAP", b""), 20, ("192.0.2.1", "public/instruments/SWAP")),
        (("GET", "/api/v5/public/instruments?instType=%00", b""), 20, ("192.0.2.1", "public/instruments/")),
    ],
)
@pytest.mark.parametrize("window", ["sliding", "fixed"])
def test_limits(
    open_desk: Callable[..., Desk], window: str, request_of: tuple[str, str, bytes], limit: int, key: tuple[str, str]
) -> None:
    desk = open_desk(window=window)
    method, raw_path, body = request_of

    def ask() -> Any:
        if method == "POST":
            return desk.post(body, raw_path).code
        return desk.get(raw_path.removeprefix("/api/v5/")).code

    codes = [ask() for _ in range(limit + 2)]
    assert codes[limit:] == ["50011", "50011"]
    assert "50011" not in codes[:limit]
    expected = (desk.exchange.user_id if key[0] == "uid" else key[0], key[1])
    assert {row.key for row in desk.exchange.journal} == {expected}
    assert desk.exchange.worst_window(expected) == limit + 2
    assert len(desk.exchange.rejections) == 2
    assert desk.close("ETH-USDT-SWAP").code == "51023"  # counted by itself
    desk.advance(2.0)
    assert ask() != "50011"


def test_refusals_for_rate_come_in_two_forms_by_turns(desk: Desk) -> None:
    replies = [desk.close() for _ in range(24)][20:]
    bare = (429, {"msg": "Too Many Requests", "code": "50011"})
    full = (200, {"code": "50011", "data": [], "msg": "Too Many Requests"})
    assert [(reply.status, reply.body) for reply in replies] == [bare, full, bare, full]


def test_options_of_a_family_share_a_key_and_accounts_do_not(desk: Desk) -> None:
    ids = [f"BTC-USD-260327-{strike}-C" for strike in range(50001, 50022)]
    assert [desk.close(inst_id).code for inst_id in ids] == 20 * ["51001"] + ["50011"]
    desk.credentials = desk.exchange.add_key()
    assert desk.close(ids[0]).code == "50011"
    assert desk.close("ETH-USD-260327-2400-C").code != "50011"
    desk.credentials = desk.exchange.add_account().credentials
    assert desk.close(ids[0]).code == "51001"


def test_refused_requests_need_not_count(open_desk: Callable[..., Desk]) -> None:
    for count_rejected, code in ((True, "50011"), (False, "51023")):
        desk = open_desk(count_rejected=count_rejected)
        for _ in range(20):
            desk.close()
        desk.advance(1.5)
        for _ in range(20):
            desk.close()
        desk.advance(1.0)
        assert desk.close().code == code
        assert desk.exchange.worst_window() == 40


@pytest.mark.share(2)
@pytest.mark.parametrize("window", ["sliding", "fixed"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(gaps=st.lists(st.integers(0, 400), min_size=30, max_size=90))
def test_the_journal_recounted(open_desk: Callable[..., Desk], window: str, gaps: list[int]) -> None:
    desk = open_desk(window=window, count_rejected=False)
    for gap in gaps:
        desk.advance(gap / 1000)
        desk.close()
    start = desk.wall - desk.now
    taken = [row.at for row in desk.exchange.journal if row.code != "50011"]
    if window == "sliding":
        most = max(sum(0 <= at - first < 2 for at in taken) for first in taken)
    else:
        buckets = [int((start + at) * 1000) // 2000 for at in taken]
        most = max(buckets.count(bucket) for bucket in buckets)
    assert most <= 20
    assert len(taken) + len(desk.exchange.rejections) == len(gaps)


# --- the journal ---


def test_the_journal_may_be_bounded(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(journal_cap=3)
    for _ in range(5):
        desk.close()
    assert len(desk.exchange.journal) == 3


# --- nonsense ---

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


def test_the_journal_knows_a_close_by_its_own_name(desk: Desk) -> None:
    desk.exchange.open_position("BTC-USDT-SWAP", 1)
    desk.close(clOrdId="mine1")
    desk.close(clOrdId=7)
    desk.close()
    assert [(row.cl_ord_id, row.executed) for row in desk.exchange.journal] == [
        ("mine1", True),
        ("", False),
        ("", False),
    ]


def test_a_listener_is_given_each_request_and_answer_byte_for_byte(desk: Desk) -> None:
    heard: list[tuple[bytes, bytes, str]] = []
    desk.exchange.listen(lambda request, answer, row: heard.append((request.body, answer.body, row.code)))
    reply = desk.post(GOOD)
    assert [(body, code) for body, _, code in heard] == [(GOOD, "51023")]
    assert orjson.loads(heard[0][1]) == reply.body
