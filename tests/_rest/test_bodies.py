"""Bodies as values: what both readers see, and what only the second one does."""

import math
import time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from okx_async._rest.bodies import CUT, MOST_DEEP, Codes, read

ENVELOPE = '{"code":"51023","data":[],"msg":"Position does not exist"}'


@pytest.mark.parametrize(
    "body",
    [
        ENVELOPE.encode("utf-8-sig"),
        ENVELOPE.encode("utf-16"),
        ENVELOPE.encode("utf-16-le"),
        ENVELOPE.encode("utf-16-be"),
        ENVELOPE.encode("utf-32"),
        ENVELOPE.encode("utf-32-le"),
        ENVELOPE.encode("utf-32-be"),
        b"\r\n\t \x0b" + ENVELOPE.encode(),
        b"\xef\xbb\xbf\xef\xbb\xbf" + ENVELOPE.encode(),
        ENVELOPE.encode() + b"\0\0\0",
        ENVELOPE.encode() + b"\r\n0\r\n\r\n",
        ENVELOPE.encode() + b"}</html>",
    ],
)
def test_what_stands_around_an_object_does_not_hide_it(body: bytes) -> None:
    value, codes = read(body)
    assert value == orjson.loads(ENVELOPE)
    assert codes == Codes(["51023"])


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (rb"a \ud83d", "a \ufffd"),
        (rb"a \uDE00 b", "a \ufffd b"),
        (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (rb"\ud83d\ude00", "\U0001f600"),
        (rb"\\ud83d", r"\ud83d"),
        (rb"\\\ud83d", "\\\ufffd"),
        (b"tab\tline\nbell\x07", "tab\tline\nbell\x07"),
        (b"nul \0 in it", "nul \0 in it"),
        (rb"doesn\'t \x41 \u12", r"doesn\'t \x41 \u12"),
        (b"caf\xe9", "caf\ufffd"),
        (b"\xed\xa0\xbd", "\ufffd" * 3),
    ],
)
def test_odd_characters_do_not_hide_what_stands_beside_them(words: bytes, meant: str) -> None:
    value, _ = read(b'{"code":"51023","msg":"' + words + b'"}')
    assert value == {"code": "51023", "msg": meant}
    orjson.dumps(value)  # no half pair is left, which no encoder takes


def test_odd_numbers_do_not_hide_what_stands_beside_them() -> None:
    value, _ = read(b'{"code":"0","a":NaN,"b":-Infinity,"c":1e999,"d":' + b"9" * 5000 + b"}")
    assert value["code"] == "0"
    assert math.isnan(value["a"])
    assert (value["b"], value["c"], value["d"]) == (-math.inf, math.inf, "9" * 5000)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-7", -7),
        ("18446744073709551615", (1 << 64) - 1),
        ("18446744073709551616", "18446744073709551616"),
        ("-9223372036854775808", -1 << 63),
        ("-9223372036854775809", "-9223372036854775809"),
    ],
)
def test_integers_that_no_encoder_takes_stay_texts(text: str, value: object) -> None:
    assert read(b"\xef\xbb\xbf" + text.encode()) == (value, Codes())
    orjson.dumps(value)


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b'{"code":"0","da', b"\xff\xfe\x00", b"\0", b"{'code':'0'}"])
def test_what_is_no_json_has_no_value(body: bytes) -> None:
    assert read(body) == (None, Codes())


def test_each_code_is_found_wherever_it_stands() -> None:
    body = b"""{"code":"1", "sCode":"a", "error_code":"b", "code":2, "data":[
        {"sCode":"c","code":"d","more":[[{"sCode":"e"}],{"code":"f"}]}, [{"s\\u0043ode":"g"}]], "data":[{"sCode":"h"}]}
        {"code":"3","data":[{"sCode":"i"}]} {"code": """
    _, codes = read(body)
    assert codes is not None
    assert codes.outer == ["1", 2, "3", "?"]
    assert sorted(codes.items) == ["a", "b", "c", "e", "g", "h", "i"]
    assert sorted(codes.inner) == ["d", "f"]
    assert codes.lists == 3


def test_of_a_reading_the_records_are_not_searched_for_codes() -> None:
    body = b"""{"code":"1","error_code":"b","data":[{"sCode":"c","code":"d","more":[{"sCode":"e","data":[1]}]},
        [{"sCode":"g"}]], "more":{"sCode":"h","code":"i","data":[{"sCode":"j"}]}}"""
    _, codes = read(body, records=True)
    assert codes == Codes(["1"], ["b", "h", "j"], ["i"], 2)
    for wrapper in (b'{"data":{"sCode":"c"}, "error_code":"0"}', b'{"data":[],"data":[{"sCode":"c"}]}'):
        _, codes = read(wrapper, records=True)
        assert codes is not None
        assert "c" in codes.items


def test_of_many_documents_a_few_are_read() -> None:
    begun = time.process_time()
    _, codes = read(ENVELOPE.encode() + b"{}" * 500_000)
    assert codes == Codes(["51023", "?"], lists=11)
    assert time.process_time() - begun < 0.3  # 1.5 s for all of them


def nested(depth: int, within: bytes = b"") -> bytes:
    return b"[" * depth + within + b"]" * depth


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list | tuple) else 0


@pytest.mark.parametrize("more", ["", ',"msg":"a: b"', ',"msg":"\\ud83d"'])
@pytest.mark.parametrize("depth", [MOST_DEEP - 4, MOST_DEEP - 3, MOST_DEEP - 2, 300])
def test_what_is_nested_too_deep_is_cut(depth: int, more: str) -> None:
    record = b'{"instId":"X","odd":%s}' % (nested(depth - 1, b'{"a":1}') if more else nested(depth, b"1"))
    for records in (False, True):
        value, _ = read(b'{"code":"0","data":[{"instId":"Y"},%s]%s}' % (record, more.encode()), records=records)
        assert (value["code"], value["data"][0], value["data"][1]["instId"]) == ("0", {"instId": "Y"}, "X")
        assert depth_of(value) == min(3 + depth, MOST_DEEP)
        assert (CUT in repr(value)) is (depth > MOST_DEEP - 3)


@pytest.mark.parametrize("depth", [2000, 200_000])
def test_what_no_decoder_takes_is_cut_before(depth: int) -> None:
    beside = b'{"instId":"Y","text":"]]}[\\"[","list":[[1],{"a":[]}]}'
    deep = b'{"instId":"X","odd":%s}' % nested(depth, b'{"text":"]]}"}, 7')
    value, codes = read(b'{"code":"0","data":[%s,%s,%s],"msg":"a"}' % (beside, deep, beside), records=True)
    assert codes == Codes(["0"])
    assert (value["code"], value["msg"]) == ("0", "a")
    assert value["data"][0] == value["data"][2] == orjson.loads(beside)
    assert value["data"][1]["instId"] == "X"
    assert (depth_of(value), CUT in repr(value)) == (MOST_DEEP, True)


@pytest.mark.parametrize(
    "within", [b'{"code":"50011"}', b'{"s\\u0043ode":"50011"}', b'{"error_code":"50011"}', b'"\\"']
)
def test_what_may_hide_a_code_is_not_cut_unseen(within: bytes) -> None:
    body = b'{"code":"0","data":[],"more":%s}' % nested(200_000, within)
    assert read(body, records=True) == (None, Codes())


@pytest.mark.parametrize("part", [b"[", b"[{", b"[ ", b"[],", b"]", b'["",', b'{"a":'])
def test_no_body_of_brackets_holds_up_the_loop(part: bytes) -> None:
    begun = time.process_time()
    read(b'{"code":"0","data":[%s' % (part * (1_000_000 // len(part))))
    read(b'{"code":"0","data":[%s]}%s' % (nested(2000), part * (1_000_000 // len(part))))
    assert time.process_time() - begun < 1.0


def test_codes_below_a_cut_are_seen() -> None:
    _, codes = read(b'{"code":"0","data":[%s]}' % nested(300, b'{"sCode":"a","code":%s}' % nested(200)))
    assert codes is not None
    assert codes.items == ["a"]
    assert depth_of(codes.inner) <= 3


def test_a_key_that_stands_twice_has_both_values_unless_they_are_the_same() -> None:
    assert read(b'{"a":1,"a":1,"b":1,"b":"1","c":{"d":1,"d":2}}')[0] == {"a": 1, "b": (1, "1"), "c": {"d": (1, 2)}}


@pytest.mark.parametrize(
    ("body", "plain"),
    [
        (b'{"code":"0","sCode":"0","data":[]}', False),
        (b'{"code":"0","data":[{"instId":"X","posSide":"net"}],"msg":""}', True),
        (b'{"code":"0","data":[{"a":1},{"b":2}]}', True),
        (b'{"code":"0","data":{"a":1}}', True),
        (b'{"code":"0","code":"0"}', False),
        (b'{"code" : "1", "code":"0"}', False),
        (b'{"code":"0","data":[{"a":1,"a":2}]}', False),
        (b'{"code":"0","data":[{"a":{"b":1}}]}', False),
        (b'{"code":"0","data":[[{"a":1}]]}', False),
        (b'{"code":"0","error_code":"0"}', False),
    ],
)
def test_only_what_is_plain_is_read_once(body: bytes, plain: bool) -> None:  # noqa: FBT001 - a parameter of the table
    assert (read(body)[1] is None) is plain


PLAIN = st.dictionaries(st.text(), st.text() | st.integers(0, 9) | st.none(), max_size=5)


@given(st.lists(PLAIN, max_size=4), PLAIN)
def test_both_readers_agree(items: list[dict[str, object]], more: dict[str, object]) -> None:
    record = {**more, "data": items}
    assert read(orjson.dumps(record))[0] == record
    assert read(b"\xef\xbb\xbf" + orjson.dumps(record))[0] == record


@given(st.binary())
def test_nothing_is_too_odd_to_be_read(body: bytes) -> None:
    read(body)
    read(b'{"code":"0","msg":"' + body + b'"}')


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"code":"51023","data":[],"msg":"Position "BTC" does not exist"}', 'Position "BTC" does not exist'),
        ('{"code":"51023","data":[],"msg":""BTC" is closed"}', '"BTC" is closed'),
        ('{"code":"51023","data":[],"msg":"a \\"quoted\\" and "bare" word\\\\"}', 'a "quoted" and "bare" word\\'),
        ('{"code":"51023","data":[],"msg":"a, b,",\n}', "a, b,"),
        ('{"code":"51023","data":[ ,],"msg":"x" , } ', "x"),
        ('{"code":"51023","msg":"6" nails","data":[{"sMsg":"a "b" c",},],}', '6" nails'),
    ],
)
def test_marks_within_words_and_commas_too_many_hide_no_code(body: str, words: str) -> None:
    value, codes = read(body.encode())
    assert (value["code"], value["msg"]) == ("51023", words)
    assert codes is not None
    assert codes.outer == ["51023"]


@pytest.mark.parametrize(
    "body",
    [
        '{"code":"0","msg":"he said "code":"51023" twice","data":[]}',
        '{"code":"51023","msg":"a "b", "c": d","data":[]',
        '{"code":"51023","data":[],"msg":"cut "off',
        '{"code":"51023","data":[{"a":"b"},"msg":"a "b" c"}',
        '{"code":"51023","data":[],"msg":"a "b" ' + "c" * (1 << 16) + '"}',
        '{"code":"51023",,"data":[]}',
    ],
)
def test_what_cannot_be_told_for_sure_has_no_value(body: str) -> None:
    assert read(body.encode())[0] is None


def test_codes_within_words_that_are_repaired_contradict_each_other() -> None:
    _, codes = read(b'{"code":"0","msg":"a "b" c","code":"51023","data":[{"sCode":"50011",}]}')
    assert codes == Codes(["0", "51023"], ["50011"])


@pytest.mark.parametrize("part", ['"', '" ', ", ", '\\"', ",", '"  ,  '])
def test_no_body_of_marks_holds_up_the_loop(part: str) -> None:
    begun = time.perf_counter()
    read(('{"code":"0","msg":"' + part * (1 << 20)).encode()[: 1 << 20])
    assert time.perf_counter() - begun < 1.5
