import gc
import pickle
import weakref
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest

from okx_async import Credentials
from okx_async._errors import OutcomeUnknownError
from okx_async._models import ClosedPosition, ClosePosition
from okx_async._rest.bodies import MOST_RECORDS
from okx_async._rest.records import (
    closed_position,
    is_unreadable,
    keep_echo,
    orders,
    positions,
    server_time,
    uid,
    unreadable_positions,
)
from okx_async._rest.redaction import Redactor
from okx_async._rest.responses import Answer, parse
from okx_async._words import ListedText
from tests._rest.answers import ECHO, POSITION

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


def listing(*records: object) -> Answer:
    return parse(200, orjson.dumps({"code": "0", "msg": "", "data": records}))


def test_positions() -> None:
    (position,) = positions(listing(POSITION)).positions
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
    assert positions(listing()) == ([], [])


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
    assert positions(listing({**POSITION, "pos": text})).positions[0].pos == pos


@pytest.mark.parametrize(
    "text", ["", " ", "3 ", "1_000", "NaN", "sNaN", "Infinity", "٣", "0x10", "1e9999", "--1", None, True, [], {}]
)
def test_a_size_that_is_no_number_is_nan(text: object) -> None:
    record = {**POSITION, "pos": text, "avgPx": text, "markPx": text, "upl": text, "cTime": text, "uTime": text}
    (position,) = positions(listing(record)).positions
    assert position.pos.is_qnan()
    assert (position.avg_px, position.mark_px, position.upl) == (None, None, None)
    assert (position.c_time, position.u_time) == (0, 0)


def test_ids_may_be_numbers() -> None:
    (position,) = positions(listing({"instId": "X", "mgnMode": "cross", "posId": 1752810569801498626})).positions
    assert position.pos_id == "1752810569801498626"
    (order,) = orders(listing({"instId": "X", "ordId": 590908157585625111, "clOrdId": 7, "sz": 2}))
    assert (order.ord_id, order.algo_id, order.cl_ord_id, order.sz) == ("590908157585625111", "", "7", Decimal(2))
    (algo,) = orders(listing({"instId": "X", "algoId": 5, "ordId": 6}))
    assert (algo.ord_id, algo.algo_id) == ("", "5")
    (none,) = orders(listing({"instId": "X", "ordId": True, "algoId": 1.5}))
    assert (none.ord_id, none.algo_id) == ("", "")


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({}, 1),
        ({"markPx": "7", "upl": "1"}, 1),
        ({"pos": "2"}, 2),
        ({"uTime": "5"}, 2),
        ({"posSide": "short"}, 2),
        ({"posId": "5"}, 2),
    ],
)
def test_a_position_that_is_listed_twice_is_one(fields: dict[str, str], count: int) -> None:
    assert len(positions(listing(POSITION, {**POSITION, **fields}, POSITION)).positions) == count


def test_a_record_may_lack_all_but_its_name() -> None:
    (position,) = positions(listing({"instId": "X", "mgnMode": "isolated"})).positions
    assert position.pos.is_qnan()
    assert (position.pos_side, position.pos_id, position.ccy, position.c_time) == ("net", "", "", 0)


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


def test_a_size_that_is_two_is_none() -> None:
    (position,) = positions(
        parse(200, b'{"code":"0","msg":"","data":[{"instId":"X","mgnMode":"cross","pos":"0","pos":"3"}]}')
    ).positions
    assert position.pos.is_qnan()
    assert position.raw["pos"] == ("0", "3")


class Record(dict[str, Any]):
    """A record that can be watched."""


def test_an_error_keeps_nothing_of_what_could_not_be_read() -> None:
    record = Record(instId="BTC-USDT", odd=[1, 2])
    watched = weakref.ref(record)
    answer = Answer(200, "50011", data=[POSITION, record], listed=True, envelope=True)
    del record
    with pytest.raises(OutcomeUnknownError) as caught:
        positions(answer)
    gc.collect()
    assert watched() is None
    assert caught.value.__context__ is None


# --- records of positions that cannot be read ---


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ('"instId":"X-Y","mgnMode":""', "the record of X-Y: its mgnMode is ''"),
        ('"instId":"X-Y","mgnMode":null', "the record of X-Y: its mgnMode is None"),
        ('"instId":"X-Y"', "the record of X-Y: it has no mgnMode"),
        ('"instId":"X-Y","mgnMode":5', "the record of X-Y: its mgnMode is 5"),
        ('"instId":"X-Y","mgnMode":["cross"]', "the record of X-Y: its mgnMode is ['cross']"),
        ('"instId":"X-Y","mgnMode":"a\\nb"', r"the record of X-Y: its mgnMode is 'a\nb'"),
        ('"instId":"X-Y","mgnMode":"cross","posSide":7', "the record of X-Y: its posSide is 7"),
        (
            '"instId":"X-Y","mgnMode":"cross","posSide":"long","posSide":"short"',
            "the record of X-Y: its posSide is ('long', 'short')",
        ),
        (
            '"instId":"X-Y","mgnMode":"cross","instType":"MARGIN","ccy":{}',
            "the record of X-Y: its ccy is {}",
        ),
        ('"mgnMode":"cross","posId":"9"', "the record with posId 9: it has no instId"),
        ('"mgnMode":"cross"', "a record without instId, of ['mgnMode']: it has no instId"),
        ('"instId":"","mgnMode":"cross"', "a record without instId, of ['instId', 'mgnMode']: its instId is ''"),
        (
            '"instId":"X","instId":"Y","mgnMode":""',
            "a record without instId, of ['instId', 'mgnMode']: its instId is ('X', 'Y'), its mgnMode is ''",
        ),
    ],
)
def test_a_record_that_cannot_be_read_is_named_and_bars_no_other(fields: str, reason: str) -> None:
    found = positions(parse(200, b'{"code":"0","msg":"","data":[{%s},%s]}' % (fields.encode(), orjson.dumps(POSITION))))
    assert [one.raw for one in found.positions] == [POSITION]
    (odd,) = found.unreadable
    assert odd.reason == reason
    assert set(odd.position.raw) == set(orjson.loads(f"{{{fields}}}"))
    assert odd.position.inst_id == ("X-Y" if "X-Y" in fields else "")


@pytest.mark.parametrize("value", [None, [], ["instId"], 5, "instId"])
def test_what_is_no_record_is_kept_beside_those_that_are(value: object) -> None:
    found = positions(listing(POSITION, value))
    assert [one.raw for one in found.positions] == [POSITION]
    (odd,) = found.unreadable
    assert odd.position.raw == {"record": value}
    assert odd.reason == f"a record that is no object: {value!r}"
    assert (odd.position.inst_id, odd.position.mgn_mode, odd.position.pos.is_nan()) == ("", "", True)


def test_of_records_that_cannot_be_read_the_size_is_read_all_the_same() -> None:
    (odd,) = positions(listing({"instId": "X", "pos": "0"})).unreadable
    assert odd.position.pos == 0


@pytest.mark.parametrize(
    "record",
    [
        "OK-ACCESS-PASSPHRASE: {}",
        [["{}"]],
        {"instId": "{}"},
        {"instId": "X", "mgnMode": "{}\n"},
        {"instId": "X", "mgnMode": {"x": "{}"}},
        {"posId": "{}", "mgnMode": "cross"},
        {"posId": "x" * 50 + "{}"},  # shortened in the middle of it
        {"instId": 5, "mgnMode": "{}"},
        {"{}": 1},
        {"instId": "x" * 9000, "posSide": "{}"},
        {"more": [{"passphrase": "{}"}]},
    ],
)
def test_of_a_record_that_repeats_a_secret_nothing_is_shown(record: object) -> None:
    redactor = Redactor(Credentials("key", "secret-key", "hunter2-hunter2"))
    for odd, hidden in ((orjson.loads(orjson.dumps(record).replace(b"{}", b"Hunter2 hunter2")), True), (record, False)):
        answer = listing(POSITION, odd)
        answer.hide = lambda text: redactor.hide(text, "signature")
        found = positions(answer)
        assert [one.raw for one in found.positions] == [POSITION]
        (unreadable,) = found.unreadable
        assert ("unter2" in f"{unreadable}{unreadable.position.raw}") is False
        assert ("(not shown: it repeats the request's credentials)" in unreadable.reason) is hidden
        assert is_unreadable(unreadable.position.raw) is True


def test_the_words_of_a_list_that_is_none_repeat_no_secret() -> None:
    redactor = Redactor(Credentials("key", "secret-key", "hunter2-hunter2"))
    for words in ("hunter2-hunter2", "x" * 190 + "hunter2-hunter2"):
        answer = parse(200, orjson.dumps({"code": "0", "data": {}, "msg": words}), records=True)
        answer.hide = lambda text: redactor.hide(text, "signature")
        for read in (positions, orders):
            with pytest.raises(OutcomeUnknownError) as caught:
                read(answer)
            assert caught.value.message == "(not shown: it repeats the request's credentials)"


@pytest.mark.parametrize("depth", [300, 900, 2000, 100_000])
def test_one_field_that_is_nested_deep_bars_nothing(depth: int) -> None:
    deep = b"[" * depth + b"1" + b"]" * depth
    plain, other = orjson.dumps(POSITION), orjson.dumps({**POSITION, "posId": "8"})
    body = b'{"code":"0","msg":"","data":[%s,{"odd":%s,%s,{"mgnMode":%s},%s]}' % (plain, deep, other[1:], deep, deep)
    found = positions(parse(200, body, records=True))
    assert [one.inst_id for one in found.positions] == ["BTC-USDT-SWAP"] * 2
    assert len(found.unreadable) == 2
    listed = orders(parse(200, b'{"code":"0","msg":"","data":[{"ordId":"1","odd":%s}]}' % deep, records=True))
    assert [order.ord_id for order in listed] == ["1"]
    for record in (*found.positions, *listed, *(one.position for one in found.unreadable)):
        orjson.dumps(record.to_dict())
        pickle.dumps(record)
        assert len(repr(record)) < 2000


def test_the_error_names_a_record_and_says_how_many_more() -> None:
    odd = positions(listing({"instId": "X"}, None, {"instId": "Y"})).unreadable
    text = "positions could not be read: the record of X: it has no mgnMode"
    assert str(unreadable_positions(odd[:1])).startswith(f"{text}; ask again, do not take this for flat")
    assert str(unreadable_positions(odd)).startswith(f"{text}, and 2 more; ask again")


@pytest.mark.parametrize("record", [{}, 1, {"odd": {}}, {**POSITION, "posId": "8"}])
@pytest.mark.parametrize("read", [positions, orders])
def test_a_list_of_more_records_than_are_read_is_none(record: object, read: Callable[[Answer], object]) -> None:
    body = orjson.dumps({"code": "0", "msg": "", "data": [record] * (MOST_RECORDS + 1)})
    answer = parse(200, body, records=True)
    with pytest.raises(OutcomeUnknownError, match="could not be read: the answer lists 20001 records, more than 20000"):
        read(answer)
    assert (answer.data, answer.others) == ([], [])


def test_of_thousands_of_records_that_cannot_be_read_some_are_named_and_the_others_counted() -> None:
    names = [{"instId": f"X{number}"} for number in range(900)]
    found = positions(listing(POSITION, *names, *[None] * 900))
    assert [one.inst_id for one in found.positions] == ["BTC-USDT-SWAP"]
    assert len(found.unreadable) == 1001
    rest = found.unreadable[-1]
    assert rest.reason == "one of 800 further records that cannot be read"
    assert (rest.position.inst_id, rest.position.pos.is_nan()) == ("", True)


@pytest.mark.parametrize(
    ("name", "key", "text", "typed"),
    [
        ("inst_id", "instId", "龙虾-USDT-SWAP", False),
        ("inst_id", "instId", "kPEPE-USDT-SWAP", False),
        ("inst_id", "instId", "BTC-USDT-SWAP", True),
        ("mgn_mode", "mgnMode", "cash", False),
        ("mgn_mode", "mgnMode", "isolated", True),
        ("pos_side", "posSide", "yes", False),
        ("pos_side", "posSide", "short", True),
        ("ccy", "ccy", "龙虾", False),
        ("ccy", "ccy", "USDT", True),
    ],
)
def test_words_that_no_rule_fits_are_marked_as_listed(name: str, key: str, text: str, typed: bool) -> None:  # noqa: FBT001 - expected
    (position,) = positions(listing({**POSITION, key: text})).positions
    assert getattr(position, name) == text
    assert type(getattr(position, name)) is (str if typed else ListedText)


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
