"""Records of positions that cannot be read: each is named, none bars another, and none shows a secret."""

import gc
import pickle
import weakref
from typing import Any

import orjson
import pytest

from okx_async import Credentials
from okx_async._errors import OutcomeUnknownError
from okx_async._rest.records import is_unreadable, orders, positions, unreadable_positions
from okx_async._rest.redaction import Redactor
from okx_async._rest.responses import Answer, parse
from tests._rest.answers import POSITION, listing


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


def test_of_thousands_of_records_that_cannot_be_read_some_are_named_and_the_others_counted() -> None:
    names = [{"instId": f"X{number}"} for number in range(900)]
    found = positions(listing(POSITION, *names, *[None] * 900))
    assert [one.inst_id for one in found.positions] == ["BTC-USDT-SWAP"]
    assert len(found.unreadable) == 1001
    rest = found.unreadable[-1]
    assert rest.reason == "one of 800 further records that cannot be read"
    assert (rest.position.inst_id, rest.position.pos.is_nan()) == ("", True)
