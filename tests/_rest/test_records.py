import gc
import weakref
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest

from okx_async._errors import OutcomeUnknownError
from okx_async._models import ClosedPosition, ClosePosition
from okx_async._rest.records import closed_position, keep_echo, positions, server_time, uid
from okx_async._rest.responses import Answer, parse

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
        (200, b'{"code":"0","data":[{"instId":"BTC-USDT","mgnMode":"cross","posSide":"long","posSide":"short"}]}'),
        (200, b'{"code":"0","data":[{"instId":"BTC-USDT","instId":"ETH-USDT","mgnMode":"cross"}]}'),
        (200, b'{"code":"0","data":[],"data":[{"instId":"BTC-USDT","mgnMode":"cross"}]}'),
        (200, b'{"code":"0","data":{"a":1},"data":{"a":2}}'),
        (200, b'{"code":"0","code":"50011","data":[]}'),
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


def test_a_size_that_is_two_is_none() -> None:
    (position,) = positions(
        parse(200, b'{"code":"0","msg":"","data":[{"instId":"X","mgnMode":"cross","pos":"0","pos":"3"}]}')
    )
    assert position.pos.is_qnan()
    assert position.raw["pos"] == ("0", "3")


class Record(dict[str, Any]):
    """A record that can be watched."""


@pytest.mark.parametrize("code", ["0", "50011"])
def test_an_error_keeps_nothing_of_what_could_not_be_read(code: str) -> None:
    record = Record(instId="BTC-USDT", odd=[1, 2])
    watched = weakref.ref(record)
    answer = Answer(200, code, data=[POSITION, record], listed=True, envelope=True)
    del record
    with pytest.raises(OutcomeUnknownError) as caught:
        positions(answer)
    gc.collect()
    assert watched() is None
    assert caught.value.__context__ is None


def test_of_a_long_echo_its_words_are_kept() -> None:
    item = {"instId": "BTC-USDT-SWAP", "posSide": "x" * 101, "tag": ["t"], "more": [1] * 1000}
    answer = parse(200, orjson.dumps({"code": "0", "msg": "", "data": [item, {"clOrdId": "c"}]}))
    keep_echo(answer)
    assert answer.data == [{"instId": "BTC-USDT-SWAP"}]
    assert closed_position(answer, replace(REQUEST, pos_side="long")).pos_side == "long"
    keep_echo(empty := parse(200, b'{"code":"0","msg":"","data":[]}'))
    assert empty.data == [{}]


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"code":"0","data":[{"uid":"44705892343619584"}]}', "44705892343619584"),
        (b'{"code":"0","data":[{"uid":44705892343619584}]}', "44705892343619584"),
        (b'{"code":"0","data":[{"uid":"1"},{"uid":"2"}]}', None),
        (b'{"code":"0","data":[{"uid":"1","uid":"2"}]}', None),
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
        (b'{"code":"0","data":[{"ts":true}]}', None),
        (b'{"code":"0","data":[{"ts":-1768519672373}]}', None),
        (b'{"code":"0","data":[{"ts":1768519672.5}]}', None),
        (b'{"code":"0","data":[{"ts":["1768519672373"]}]}', None),
        (b'{"code":"0","data":[{"ts":"1768519672373","ts":"1"}]}', None),
        (b'{"code":"0","data":[{"ts":"1768519672373"},{"ts":"1"}]}', None),
        (b'{"code":"0","data":[{}]}', None),
        (b'{"code":"0"}', None),
        (b'{"code":"1","data":[{"ts":"1768519672373"}]}', None),
    ],
)
def test_server_time(body: bytes, value: float | None) -> None:
    assert server_time(parse(200, body)) == value
