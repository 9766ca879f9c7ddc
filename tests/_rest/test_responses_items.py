"""Answers to requests with items: each item has a code of its own."""

import pytest

from okx_async._models import Outcome
from okx_async._rest.outcomes import classify
from okx_async._rest.responses import parse_items

OK, GONE = '{"ordId":"1","sCode":"0","sMsg":""}', '{"ordId":"2","sCode":"51400","sMsg":"It has been filled: gone"}'


@pytest.mark.parametrize(
    ("code", "items", "codes"),
    [
        ("0", [OK, OK], ["0", "0"]),
        ("2", [OK, GONE], ["0", "51400"]),
        ("1", [GONE, GONE], ["51400", "51400"]),
        ("1", [GONE, OK, GONE.replace("51400", "51410")], ["51400", "0", "51410"]),
    ],
)
def test_items_are_decided_one_by_one(code: str, items: list[str], codes: list[str]) -> None:
    answer = parse_items(200, f'{{"code":"{code}","msg":"","data":[{",".join(items)}]}}'.encode())
    assert (answer.ok, [item["sCode"] for item in answer.data]) == (True, codes)


@pytest.mark.parametrize(
    "body",
    [
        f'{{"code":"0","msg":"","data":[{OK},{GONE}]}}',
        f'{{"code":"1","msg":"","data":[{OK}]}}',
        f'{{"code":"2","msg":"","data":[{OK},{{"ordId":"2"}}]}}',
        f'{{"code":"2","msg":"","data":[{OK},{{"ordId":"2","sCode":"x"}}]}}',
        f'{{"code":"2","msg":"","data":[{GONE},{GONE[:-1]},"sCode":"0"}}]}}',
        f'{{"code":"2","msg":"","data":[{OK},{GONE}],"code":"1"}}',
        f'{{"code":"2","msg":"","data":[{OK},null]}}',
        '{"code":"2","msg":"","data":[]}',
        '{"code":"0","msg":"","data":{}}',
        '{"code":[],"msg":"","data":[{}]}',
        f'{{"code":{{}},"code":"0","msg":"","data":[{OK}]}}',
        f'{{"code":"0","msg":"","data":[{OK}]}} {{"data":[{GONE}]}}',
    ],
)
def test_items_in_doubt_decide_nothing(body: str) -> None:
    answer = parse_items(200, body.encode())
    assert classify(answer) in {Outcome.UNKNOWN, Outcome.ACCEPTED}
    assert not (answer.ok and answer.listed and all("sCode" in item for item in answer.data) and answer.data)


@pytest.mark.parametrize("status", [429, 502])
def test_items_under_a_status_that_refuses_decide_nothing(status: int) -> None:
    assert not parse_items(status, f'{{"code":"2","msg":"","data":[{OK},{GONE}]}}'.encode()).ok


def test_a_refusal_of_the_whole_is_a_refusal() -> None:
    answer = parse_items(429, b'{"code":"50011","msg":"Too Many Requests"}')
    assert (classify(answer), answer.envelope) == (Outcome.RATE, True)
