from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from okx_async._errors import OutcomeUnknownError
from okx_async._models import ClosedPosition, ClosePosition
from okx_async._rest.responses import Answer, clean, closed_position, parse, positions, server_time, uid

ECHO = b'{"code":"0","data":[{"clOrdId":"","instId":"BTC-USDT-SWAP","posSide":"long","tag":""}],"msg":""}'
NOT_FOUND = b'{"code":404,"data":{},"detailMsg":"","error_code":"404","error_message":"Not Found","msg":"Not Found"}'
REQUEST = ClosePosition("BTC-USDT-SWAP", "cross")

# The sample of the positions page, as OKX spells it.
POSITION = {
    "instType": "SWAP",
    "instId": "BTC-USDT-SWAP",
    "mgnMode": "cross",
    "posId": "1725119205811617792",
    "posSide": "net",
    "pos": "-3",
    "availPos": "",
    "avgPx": "60082.2",
    "markPx": "60087.9",
    "upl": "-0.17",
    "ccy": "USDT",
    "posCcy": "",
    "closeOrderAlgo": [],
    "cTime": "1768519600123",
    "uTime": "1768519611456",
}


@pytest.mark.parametrize(
    ("body", "code", "message", "envelope"),
    [
        (ECHO, "0", "", True),
        (b'{"msg":"Too Many Requests","code":"50011"}', "50011", "Too Many Requests", True),
        (b'{"code":50011,"data":null,"msg":"x"}', "50011", "x", True),
        (b'{"code":0,"data":{},"msg":""}', "0", "", True),
        (b'{"code":"51008_1000","data":[],"msg":"low"}', "51008_1000", "low", True),
        (
            b'{"code":"1","data":[{"sCode":"51000","sMsg":"Parameter posSide error"}],"msg":""}',
            "51000",
            "Parameter posSide error",
            True,
        ),
        (
            b'{"code":"2","data":[{"sCode":"0"},{"sCode":"51023","sMsg":"a"},{"sCode":"51000","sMsg":"b"}]}',
            "51023",
            "a",
            True,
        ),
        (b'{"code":"0","data":[{"sCode":"51023","sMsg":""}],"msg":"outer"}', "51023", "outer", True),
        (b'{"data":[{"sCode":51023,"sMsg":"a"}]}', "51023", "a", True),
        (b'{"code":"1","data":{"sCode":"51115_1","sMsg":"a"}}', "51115_1", "a", True),
        (b'{"code":"0","data":[{"sCode":"odd","sMsg":"a"}]}', "odd", "a", True),
        (b'{"code":"51001","data":[{"sCode":"51023","sMsg":"a"}],"msg":"b"}', "51001", "b", True),
        (b'{"code":"1","data":[{"sCode":"0","sMsg":""}],"msg":"x"}', "1", "x", True),
        (b'{"code":"1","data":[null,3,{"sCode":null},{"sCode":""}],"msg":"x"}', "1", "x", True),
        (b'{"code":"0","data":[{"sCode":true}],"msg":"x"}', "True", "x", True),
        (b'{"code":"0","data":[{"sCode":51000.0,"sMsg":"a"}],"msg":""}', "51000.0", "a", True),
        (b'{"code":"0","data":[{"sCode":[51000],"sMsg":"a"}],"msg":""}', "[51000]", "a", True),
        (b'{"code":"0","data":[{"sCode":" ","sMsg":"a"}],"msg":""}', "?", "a", True),
        (b'{"code":"1","data":[],"msg":"Operation failed."}', "1", "Operation failed.", True),
        (b'{"code":"99999","msg":7}', "99999", "", True),
        (b'{"code":"50011","msg":"caf\xe9"}', "50011", "caf\ufffd", True),
        (NOT_FOUND, "", "Not Found", False),
        (b'{"code":"500","msg":"server error 5"}', "", "server error 5", False),
        (b'{"data":[{"sCode":"0"}],"msg":"x"}', "", "x", False),
        (b"{}", "", "{}", False),
        (b"[]", "", "[]", False),
        (b'"0"', "", '"0"', False),
        (b"0", "", "0", False),
        (b'{"code":true}', "", '{"code":true}', False),
        (b'{"code":0.0}', "", '{"code":0.0}', False),
        (b'{"code":null,"msg":"x"}', "", "x", False),
        (b'{"code":"","msg":"x"}', "", "x", False),
        (b'{"code":"AccessDenied","msg":"x"}', "", "x", False),
        (b'{"code":-1,"msg":"x"}', "", "x", False),
        (b'{"code":"\xd9\xa3","msg":"x"}', "", "x", False),
        (b'{"code":"' + b"5" * 1000 + b'","msg":"x"}', "", "x", False),
        (b"", "", "", False),
        (b"Too Many Requests", "", "Too Many Requests", False),
        (b'{"code":"0","data":[{"clOr', "", '{"code":"0","data":[{"clOr', False),
        (b"\xef\xbb\xbf" + ECHO, "", None, False),
        (b"\x1f\x8b\x08\x00\xff\xfe", "", None, False),
        (b"[" * 100_000, "", None, False),
        (b'{"code":"0","data":' + b"[" * 2000 + b"]" * 2000 + b"}", "", None, False),
        (
            b"<html>\r\n<head><title>502 Bad Gateway</title></head>",
            "",
            "<html> <head><title>502 Bad Gateway</title></head>",
            False,
        ),
    ],
)
def test_every_shape_is_read(body: bytes, code: str, message: str | None, envelope: bool) -> None:  # noqa: FBT001 - a parameter of the table
    answer = parse(200, body)
    assert (answer.status, answer.code, answer.envelope) == (200, code, envelope)
    if message is not None:
        assert answer.message == message


def test_a_status_in_place_of_a_code() -> None:
    assert parse(200, NOT_FOUND).gateway == 404
    assert parse(200, b'{"code":"503"}').gateway == 503
    assert parse(200, ECHO).gateway is None
    assert parse(200, b'{"code":"4_1"}').gateway is None
    assert parse(200, b'{"code":7}').gateway is None


@pytest.mark.parametrize(
    ("data", "listed", "count"),
    [
        ("[]", True, 0),
        ("[{}]", True, 1),
        ("[{},null]", False, 1),
        ("{}", False, 1),
        ("null", False, 0),
        ('"x"', False, 0),
        ("5", False, 0),
    ],
)
def test_data(data: str, listed: bool, count: int) -> None:  # noqa: FBT001 - a parameter of the table
    answer = parse(200, f'{{"code":"0","data":{data}}}'.encode())
    assert (answer.listed, len(answer.data)) == (listed, count)
    assert not parse(200, b'{"code":"0"}').listed


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
CODES: st.SearchStrategy[object] = st.sampled_from(
    ["0", "1", "2", "51023", "50011_7", 0, 1, 404, "500", "", None, "x", 1.5, []]
)
ITEMS = st.dictionaries(st.sampled_from(["sCode", "sMsg", "instId", "mgnMode", "uid", "ts", "pos"]), CODES | JSON)
ENVELOPES = st.dictionaries(st.sampled_from(["code", "msg", "data"]), CODES | JSON | st.lists(ITEMS))


@given(st.integers(100, 599), st.binary() | (JSON | ENVELOPES).map(orjson.dumps))
def test_nothing_crashes_the_reader(status: int, body: bytes) -> None:
    answer = parse(status, body)
    assert answer.status == status
    assert answer.envelope is bool(answer.code)
    assert len(answer.message) <= 200
    assert answer.message.isprintable()
    assert isinstance(closed_position(answer, REQUEST), ClosedPosition)
    assert server_time(answer) is None or answer.ok
    assert uid(answer) is None or answer.ok
    try:
        found = positions(answer)
    except OutcomeUnknownError:
        pass
    else:
        assert answer.ok
        assert answer.listed
        assert len(found) == len(answer.data)


@given(st.text() | st.none() | st.integers())
def test_clean_text_is_one_short_printable_line(text: object) -> None:
    line = clean(text)
    assert line.isprintable()
    assert len(line) <= 200
    assert line == line.strip()


def test_hostile_words_are_harmless() -> None:
    assert clean("a\x1b[31m\r\n\u202eb\u2028c\x00") == "a [31m b c"
    assert clean("x" * 10_000) == "x" * 199 + "…"
    assert clean("x" * 200) == "x" * 200


def test_at_most_200_characters_of_a_foreign_body_are_kept() -> None:
    message = parse(502, b"<html>" + b"x" * 1_000_000).message
    assert message == "<html>" + "x" * 193 + "…"


@pytest.mark.parametrize(
    "body",
    [
        b'{"headers":{"OK-ACCESS-PASSPHRASE":"hunter2"},"msg":"hunter2"}',
        b"<pre>" + b" " * 1000 + b"hunter2 ok-access-sign: hunter2",
        b'{"code":404,"msg":"hunter2","HTTP_OK_ACCESS_KEY":"hunter2"}',
    ],
)
def test_a_proxy_that_repeats_the_headers_is_not_shown(body: bytes) -> None:
    answer = parse(404, body)
    assert answer.message == "(not shown: it repeats the request's headers)"


def test_ok() -> None:
    assert parse(200, ECHO).ok
    assert parse(201, ECHO).ok
    assert not parse(302, ECHO).ok
    assert not parse(500, ECHO).ok
    assert not parse(200, b'{"code":"00"}').ok
    assert not parse(200, b'{"code":"0_1"}').ok


def test_the_accepted_close_is_as_answered() -> None:
    request = replace(REQUEST, cl_ord_id="c1", tag="t1")
    assert closed_position(parse(200, ECHO), request) == ClosedPosition("BTC-USDT-SWAP", "long", "", "")


@pytest.mark.parametrize(
    "body",
    [
        b'{"code":"0","data":[]}',
        b'{"code":"0"}',
        b'{"code":"0","data":[{}]}',
        b'{"code":"0","data":[{"instId":"","posSide":1,"tag":null}]}',
    ],
)
def test_the_accepted_close_is_the_requested_one_where_the_answer_does_not_say(body: bytes) -> None:
    request = replace(REQUEST, pos_side="short", cl_ord_id="c1", tag="t1")
    assert closed_position(parse(200, body), request) == ClosedPosition("BTC-USDT-SWAP", "short", "c1", "t1")
    assert closed_position(parse(200, body), REQUEST) == ClosedPosition("BTC-USDT-SWAP", "", "", "")


def listing(*records: object) -> Answer:
    return parse(200, orjson.dumps({"code": "0", "msg": "", "data": records}))


def test_positions() -> None:
    (position,) = positions(listing(POSITION))
    assert position.inst_id == "BTC-USDT-SWAP"
    assert position.inst_type == "SWAP"
    assert position.pos_id == "1725119205811617792"
    assert position.pos == Decimal(-3)
    assert position.pos_side == "net"
    assert position.pos_ccy == ""
    assert position.mgn_mode == "cross"
    assert position.ccy == "USDT"
    assert (position.avg_px, position.mark_px) == (Decimal("60082.2"), Decimal("60087.9"))
    assert position.upl == Decimal("-0.17")
    assert (position.c_time, position.u_time) == (1768519600123, 1768519611456)
    assert position.raw == POSITION
    assert positions(listing()) == []


@pytest.mark.parametrize(
    ("text", "pos"),
    [
        ("0", 0),
        ("-0", 0),
        ("0.0", 0),
        ("0.015", Decimal("0.015")),
        ("-12.50", Decimal("-12.5")),
        ("1e-7", Decimal("0.0000001")),
        (-3, -3),
        (0.1, Decimal("0.1")),
        ("123456789012345678901234567890.5", Decimal("123456789012345678901234567890.5")),
    ],
)
def test_sizes(text: object, pos: Decimal) -> None:
    assert positions(listing({**POSITION, "pos": text}))[0].pos == pos


@pytest.mark.parametrize(
    "text", ["", " ", "3 ", "1_000", "NaN", "sNaN", "Infinity", "٣", "0x10", "1e9999", "--1", None, True, [], {}]
)
def test_a_size_that_is_no_number_is_nan(text: object) -> None:
    record = {**POSITION, "pos": text, "avgPx": text, "markPx": text, "upl": text, "cTime": text, "uTime": text}
    (position,) = positions(listing(record))
    assert position.pos.is_qnan()
    assert (position.avg_px, position.mark_px, position.upl) == (None, None, None)
    assert (position.c_time, position.u_time) == (0, 0)


def test_a_record_may_lack_all_but_its_name() -> None:
    (position,) = positions(listing({"instId": "X", "mgnMode": "isolated"}))
    assert position.pos.is_qnan()
    assert (position.pos_side, position.pos_id, position.ccy, position.c_time) == ("net", "", "", 0)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{"code":"0"}'),
        (200, b'{"code":"0","data":null}'),
        (200, b'{"code":"0","data":{}}'),
        (200, b'{"code":"0","data":[null]}'),
        (200, b'{"code":"0","data":[{"mgnMode":"cross"}]}'),
        (200, b'{"code":"0","data":[{"instId":"BTC-USDT"}]}'),
        (200, b'{"code":"0","data":[{"instId":"BTC-USDT","mgnMode":5}]}'),
        (200, b'{"code":"50011","data":[]}'),
        (503, b'{"code":"0","data":[]}'),
        (200, b"[]"),
        (200, b""),
    ],
)
def test_what_cannot_be_read_is_never_an_empty_list(status: int, body: bytes) -> None:
    with pytest.raises(OutcomeUnknownError, match="positions could not be read") as caught:
        positions(parse(status, body))
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"code":"0","data":[{"uid":"44705892343619584"}]}', "44705892343619584"),
        (b'{"code":"0","data":[{"uid":44705892343619584}]}', "44705892343619584"),
        (b'{"code":"0","data":[{"uid":""}]}', None),
        (b'{"code":"0","data":[{"uid":null}]}', None),
        (b'{"code":"0","data":[{"uid":"1 2"}]}', None),
        (b'{"code":"0","data":[]}', None),
        (b'{"code":"50011","data":[{"uid":"1"}]}', None),
    ],
)
def test_uid(body: bytes, value: str | None) -> None:
    assert uid(parse(200, body)) == value


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"code":"0","msg":"","data":[{"ts":"1768519672373"}]}', 1768519672.373),
        (b'{"code":"0","data":[{"ts":1768519672373}]}', 1768519672.373),
        (b'{"code":"0","data":[{"ts":"x"}]}', None),
        (b'{"code":"0","data":[{}]}', None),
        (b'{"code":"0"}', None),
        (b'{"code":"1","data":[{"ts":"1768519672373"}]}', None),
    ],
)
def test_server_time(body: bytes, value: float | None) -> None:
    assert server_time(parse(200, body)) == value
