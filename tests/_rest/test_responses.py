"""Answers of every shape: code, words and data, whatever the body is."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from okx_async._errors import OutcomeUnknownError
from okx_async._models import ClosedPosition, ClosePosition
from okx_async._rest.records import closed_position, positions, server_time, uid
from okx_async._rest.responses import one_line, parse
from tests._rest.answers import ECHO, NOT_FOUND

REQUEST = ClosePosition("BTC-USDT-SWAP", "cross")


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
            b'{"code":"2","data":[{"sCode":"51008_1000","sMsg":"a"},{"sCode":"51008","sMsg":"b"}]}',
            "51008_1000",
            "a",
            True,
        ),
        (b'{"code":"1","data":[{"sCode":"51023","sMsg":""}],"msg":"outer"}', "51023", "outer", True),
        (b'{"data":[{"sCode":51023,"sMsg":"a"}]}', "51023", "a", True),
        (b'{"code":"1","data":{"sCode":"51115_1","sMsg":"a"}}', "51115_1", "a", True),
        (b'{"code":"1","data":[{"sCode":"odd","sMsg":"a"}]}', "odd", "a", True),
        (b'{"code":"51001","data":[{"sCode":"51001_7","sMsg":"a"}],"msg":"b"}', "51001", "b", True),
        (b'{"code":"1","data":[{"sCode":"0","sMsg":""}],"msg":"x"}', "1", "x", True),
        (b'{"code":"1","data":[null,3,{"sCode":null},{"sCode":""}],"msg":"x"}', "1", "x", True),
        (b'{"code":"1","data":[{"sCode":true}],"msg":"x"}', "True", "x", True),
        (b'{"code":"1","data":[{"sCode":51000.0,"sMsg":"a"}],"msg":""}', "51000.0", "a", True),
        (b'{"code":"1","data":[{"sCode":[51000],"sMsg":"a"}],"msg":""}', "[51000]", "a", True),
        (b'{"code":"1","data":[{"sCode":" ","sMsg":"a"}],"msg":""}', "?", "a", True),
        (b'{"code":"1","data":[],"msg":"Operation failed."}', "1", "Operation failed.", True),
        (b'{"code":"99999","msg":7}', "99999", "", True),
        (b'{"code":"50011","msg":"caf\xe9"}', "50011", "caf\ufffd", True),
        (NOT_FOUND, "", "Not Found", False),
        (b'{"code":"500","msg":"server error 5"}', "", "server error 5", False),
        (b'{"data":[{"sCode":""}],"msg":"x"}', "", "x", False),
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
        (b"\x1f\x8b\x08\x00\xff\xfe", "", None, False),
        (b"[" * 100_000, "", None, False),
        (b'{"code":"0","data":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "0", "", True),
        (b'{"code":"0","data":' + b"[" * 200_000 + b'{"code":"50011"}' + b"]" * 200_000 + b"}", "", None, False),
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
        assert len(found.positions) + len(found.unreadable) == len(answer.data) + len(answer.others)
        assert answer.listed is not bool(answer.others)


@given(st.text() | st.none() | st.integers())
def test_clean_text_is_one_short_printable_line(text: object) -> None:
    line = one_line(text)
    assert line.isprintable()
    assert len(line) <= 200
    assert line == line.strip()


def test_hostile_words_are_harmless() -> None:
    assert one_line("a\x1b[31m\r\n\u202eb\u2028c\x00") == "a [31m b c"
    assert one_line("x" * 10_000) == "x" * 199 + "…"
    assert one_line("x" * 200) == "x" * 200


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
