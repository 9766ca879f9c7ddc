"""Answers that say two things, which decide nothing, and answers that say one thing twice."""

import pytest

from okx_async._errors import OutcomeUnknownError
from okx_async._models import Outcome
from okx_async._rest.outcomes import classify
from okx_async._rest.records import orders, positions
from okx_async._rest.responses import parse


@pytest.mark.parametrize(
    "body",
    [
        b'{"code":"0","msg":"","data":[{"sCode":"0"},{"sCode":"50011","sMsg":"x"}]}',
        b'{"code":"0","msg":"","data":[{"sCode":"50011","sMsg":"x"}]}',
        b'{"code":"0","msg":"","data":[[{"sCode":"50011"}]]}',
        b'{"code":"0","msg":"","data":[{"instId":"BTC-USDT-SWAP","code":"50011"}]}',
        b'{"code":"0","msg":"","data":[{"orders":[{"code":51000}]}]}',
        b'{"code":"0","msg":"","data":[],"data":[{"sCode":"50011"}]}',
        b'{"code":"0","code":"50011","msg":"","data":[]}',
        b'{"code":"50011","code":"0","msg":"","data":[{}]}',
        b'{"code" :"51000","code":"0","msg":"","data":[{}]}',
        b'{"code":"51000","c\\u006fde":"0","msg":"","data":[{}]}',
        b'{"code":"AccessDenied","code":"0","msg":"","data":[{}]}',
        b'{"code":"0","code":"0_1","msg":"","data":[{}]}',
        b'{"code":"0","error_code":"51000","msg":"","data":[{}]}',
        b'{"code":"0","error_code":"AccessDenied","msg":"","data":[{}]}',
        b'{"code":"0","sCode":"51000","msg":"","data":[{}]}',
        b'{"code":"1","data":[{"sCode":"51000"},{"sCode":"0"}]}',
        b'{"code":"2","data":[{"sCode":"51000"},{"sCode":"51001"}]}',
        b'{"code":"1","code":"0","data":[{"sCode":"0"}]}',
        b'{"code":"51001","data":[{"sCode":"51023"}]}',
        b'{"code":"51001","data":[{"sCode":"0"}]}',
        b'{"code":404,"data":[{"sCode":"0"}],"error_code":"404"}',
        b'{"code":404,"data":{},"error_code":"500"}',
        b'{"data":[{"sCode":"0"}]}',
        b'{"code":"51000","data":[]}\n{"code":"0","data":[]}',
        b'{"code":"51000","data":[]}{"code":"0","da',
    ],
)
def test_an_answer_that_says_two_things_decides_nothing(body: bytes) -> None:
    for status in (200, 400, 403, 404, 429, 500):  # not even those that refuse by themselves
        answer = parse(status, body)
        assert answer.contradictory
        assert (answer.code, answer.envelope, answer.ok) == ("", False, False)
        assert "contradicts itself, by the codes " in answer.message
        assert classify(answer) is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"code":"0","code":0,"msg":"","data":[]}', "0"),
        (b'{"code":"0","data":[{"sCode":"0","code":"0"}],"msg":""}', "0"),
        (b'{"code":"1","data":[{"sCode":"51000"},{"sCode":"51000"},{"sCode":""}]}', "51000"),
        (b'{"code":"51000","data":[{"sCode":51000}]}', "51000"),
        (b'{"code":"1","data":[{"sCode":"51000","orders":[{"sCode":"51000_2"}]}]}', "51000"),
        (b'{"code":null,"code":"51000","data":[]}', "51000"),
        (b'{"code":"51000","msg":"a","msg":"b","data":[]}', "51000"),
        (b'{"code":"51000","msg":"a: b","data":[]} junk \0\0', "51000"),
    ],
)
def test_an_answer_that_says_one_thing_twice_says_it(body: bytes, code: str) -> None:
    answer = parse(200, body)
    assert (answer.code, answer.contradictory) == (code, False)


def test_a_record_may_have_a_field_of_that_name() -> None:
    body = b'{"code":"0","msg":"","data":[{"instId":"X","code":"51000"},{"instId":"Y","more":{"code":"7"}}]}'
    assert parse(200, body).contradictory
    answer = parse(200, body, records=True)
    assert (answer.ok, answer.listed, len(answer.data)) == (True, True, 2)
    for odd in (b'"sCode":"51000"', b'"closeOrderAlgo":[{"sCode":"51000"}]', b'"code":"51000","sCode":7'):
        for body in (
            b'{"code":"0","msg":"","data":[{%s}]}',
            b'{"code":"0","msg":"","data":[{%s},{"instId":"Y"},null]}',
        ):
            assert parse(200, body % odd).contradictory
            assert parse(200, body % odd, records=True).ok


@pytest.mark.parametrize(
    "body",
    [
        b'{"code":"0","msg":"","data":[],"error_code":"50011","error_message":"Rate limit reached"}',
        b'{"code":"0","msg":"","data":[],"error_code":50011}',
        b'{"code":"0","msg":"","data":[],"error_code":"AccessDenied"}',
        b'{"code":"0","msg":"","data":[],"error_code":"0","error_code":"50011"}',
        b'{"code":"0","msg":"","data":[],"sCode":"50011"}',
        b'{"code":"0","msg":"","data":[],"more":{"code":"50011"}}',
        b'{"code":"0","msg":"","data":[],"more":{"code":"AccessDenied"}}',
        b'{"code":"0","msg":"","data":[],"more":[[{"sCode":"50011"}]]}',
        b'{"code":"0","msg":"","data":{"sCode":"50011"}}',
        b'{"code":"0","msg":"","data":{"code":"50011"}}',
        b'{"code":"0","msg":"","data":[]}{"code":"50011"}',
        b'{"code":"0","msg":"","data":[]}\n{"code":"0","msg":"","data":[{"instId":"BTC-USDT-SWAP"}]}',
        b'{"code":"0","msg":"","data":[]} {"data":[{"instId":"BTC-USDT-SWAP"}]}',
        b'{"code":"0","msg":"","data":[]} [{"instId":"BTC-USDT-SWAP"}]',
        b'{"code":"0","msg":"","data":[]} {"code":"0","data":[]}',
        b'{"code":"0","msg":"","data":[],"result":{"code":"0","data":[{"instId":"BTC-USDT-SWAP"}]}}',
    ],
)
def test_a_list_beside_which_another_thing_is_said_is_none(body: bytes) -> None:
    answer = parse(200, body, records=True)
    assert (answer.ok, answer.contradictory, classify(answer)) == (False, True, Outcome.UNKNOWN)
    for read in (positions, orders):
        with pytest.raises(OutcomeUnknownError):
            read(answer)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"code":"0","msg":"","data":[],"error_code":"0","error_message":""}', "0"),
        (b'{"code":"0","msg":"","data":[],"error_code":"","more":{"code":null}}', "0"),
        (b'{"code":"0","msg":"","data":[]}\r\n0\r\n\r\n', "0"),
        (b'{"code":"50011","msg":"","data":[],"error_code":"50011"}', "50011"),
        (b'{"code":"50011","msg":"","data":[]} {"code":"50011"}', "50011"),
        (b'{"code":"1","msg":"","data":[{"sCode":"50011","sMsg":"x"}]}', "50011"),
    ],
)
def test_a_reading_that_says_one_thing_says_it(body: bytes, code: str) -> None:
    answer = parse(200, body, records=True)
    assert (answer.code, answer.contradictory) == (code, False)


def test_a_cut_yes_contradicts_a_status_that_refuses() -> None:
    for status in (302, 403, 404):
        assert classify(parse(status, b'{"code":"0","data":[{"instId":"BTC-US')) is Outcome.UNKNOWN
        assert classify(parse(status, b'{"code":"7","data":[{"instId":"BTC-US')) is Outcome.FATAL
