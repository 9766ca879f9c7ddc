"""Whole answers: what was closed, lists of positions and what is none, user id and server time."""

from collections.abc import Callable
from dataclasses import replace

import orjson
import pytest

from okx_async._errors import OutcomeUnknownError
from okx_async._models import ClosedPosition, ClosePosition
from okx_async._rest.bodies import MOST_RECORDS
from okx_async._rest.records import closed_position, keep_echo, orders, positions, server_time, uid
from okx_async._rest.responses import Answer, parse
from tests._rest.answers import ECHO, POSITION, listing

REQUEST = ClosePosition("BTC-USDT-SWAP", "cross")


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


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{"code":"0"}'),
        (200, b'{"code":"0","data":null}'),
        (200, b'{"code":"0","data":{}}'),
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


def test_a_list_without_what_was_asked_for_answers_another_question() -> None:
    eth, sol = b'{"instId":"ETH-USDT-SWAP","mgnMode":"cross","pos":"1"}', b'{"instId":"SOL-USDT","odd":1}'
    body = b'{"code":"0","msg":"","data":[' + eth + b"," + sol + b"]}"
    with pytest.raises(OutcomeUnknownError, match=r"'ETH-USDT-SWAP', 'SOL-USDT'.+nothing of what was asked for"):
        positions(parse(200, body), ["BTC-USDT-SWAP"])
    for asked in (None, ["ETH-USDT-SWAP", "BTC-USDT-SWAP"], ["SOL-USDT"]):
        assert len(positions(parse(200, body), asked).positions) == 1


@pytest.mark.parametrize("data", ["", '{"instId":"BTC-USDT-SWAP","pos":"0"}', '{"pos":"0"}', "7"])
def test_nothing_but_flat_or_nameless_records_is_no_other_question(data: str) -> None:
    body = f'{{"code":"0","msg":"","data":[{data}]}}'.encode()
    assert positions(parse(200, body), ["BTC-USDT-SWAP"]).positions == []


@pytest.mark.parametrize("record", [{}, 1, {"odd": {}}, {**POSITION, "posId": "8"}])
@pytest.mark.parametrize("read", [positions, orders])
def test_a_list_of_more_records_than_are_read_is_none(record: object, read: Callable[[Answer], object]) -> None:
    body = orjson.dumps({"code": "0", "msg": "", "data": [record] * (MOST_RECORDS + 1)})
    answer = parse(200, body, records=True)
    with pytest.raises(OutcomeUnknownError, match="could not be read: the answer lists 20001 records, more than 20000"):
        read(answer)
    assert (answer.data, answer.others) == ([], [])


@pytest.mark.parametrize("missing", [{"instType": ""}, {"instType": None}, {"instType": 5}])
def test_a_pair_is_told_by_its_currency_where_its_type_is_missing(missing: dict[str, object]) -> None:
    pair = {**POSITION, "instId": "BTC-USDT", "posCcy": "BTC", **missing}
    listed, other = positions(listing(pair, POSITION | missing)).positions
    assert (listed.inst_type, ClosePosition.of(listed).ccy) == ("MARGIN", "USDT")
    assert (other.inst_type, ClosePosition.of(other).ccy) == ("", None)


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
