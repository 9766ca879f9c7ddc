from typing import Any

import orjson
import pytest

from okx_async.simulator.api.codes import Refused
from okx_async.simulator.http.messages import Request, accepted, body_of, items_of, query_of

JSON = {"Content-Type": "application/json"}


def request(body: bytes, headers: dict[str, str]) -> Request:
    return Request("POST", "/", headers, body, "192.0.2.1")


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"{}", {}, "50006"),
        (b"{}", {"Content-Type": "text/plain"}, "50006"),
        (b"", JSON, "50000"),
        (b"{", JSON, "50002"),
        (b"\xff", JSON, "50002"),
        (b'{"a":1}\n', {"Content-Type": "Application/JSON; charset=utf-8"}, ""),
    ],
)
def test_what_a_body_must_be(body: bytes, headers: dict[str, str], code: str) -> None:
    if not code:
        assert body_of(request(body, headers)) == {"a": 1}
        return
    with pytest.raises(Refused) as refused:
        body_of(request(body, headers))
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("body", "batch", "expected"),
    [
        ({"a": 1}, False, ({"a": 1}, ())),
        ([{"a": 1}, {}], True, ({"a": 1}, [{"a": 1}, {}])),
        ([], True, ({}, [])),
        ([{"a": 1}], False, None),
        ({"a": 1}, True, None),
        ([1], True, None),
        (None, False, None),
    ],
)
def test_an_object_or_a_list_of_them(body: Any, expected: Any, *, batch: bool) -> None:
    if expected is not None:
        assert items_of(body, batch=batch) == expected
        return
    with pytest.raises(Refused) as refused:
        items_of(body, batch=batch)
    assert refused.value.code == "50002"


def test_of_repeated_names_in_a_query_the_first_counts() -> None:
    assert query_of("a=1&b=%2C&a=2") == {"a": "1", "b": ","}
    assert query_of("") == {}


@pytest.mark.parametrize(
    ("codes", "outer", "noted"),
    [(["0"], "0", "0"), (["0", "51400"], "2", "2"), (["51400"], "1", "51400"), (["51400", "51000"], "1", "51400")],
)
def test_the_code_outside_says_how_many_orders_went_well(codes: list[str], outer: str, noted: str) -> None:
    answer = accepted([{"sCode": code} for code in codes], 1768519672000)
    assert (orjson.loads(answer.body)["code"], answer.code) == (outer, noted)


def test_other_answers_say_nothing_of_orders() -> None:
    assert orjson.loads(accepted([{"ts": "1"}], 0).body) == {"code": "0", "data": [{"ts": "1"}], "msg": ""}
    assert orjson.loads(accepted([], 0).body)["data"] == []
