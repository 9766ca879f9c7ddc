from typing import Any

import orjson
import pytest

from okx_async.simulator.api.codes import Shape, error_body, http_error_body, status_of

STATUSES = {
    200: "50009 50025 50120 51001 51021 51022 51023 51032 51043 51066 51109 51110 51342 59999",
    400: "50000 50002 50004 50006 50014 50100 51000",
    401: "50101 50102 50103 50104 50105 50106 50107 50110 50111 50112 50113 50119",
    405: "50115",
    410: "50005",
    429: "50011 50013 51113 51115",
    500: "50026 51054 51149",
    503: "50001",
}


def test_statuses() -> None:
    expected = {code: status for status, codes in STATUSES.items() for code in codes.split()}
    assert {code: status_of(code) for code in expected} == expected


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (None, {"code": "51023", "data": [], "msg": "Position doesn't exist."}),
        ("full", {"code": "51023", "data": [], "msg": "Position doesn't exist."}),
        ("bare", {"code": "51023", "msg": "Position doesn't exist."}),
        ("object", {"code": "51023", "data": {}, "msg": "Position doesn't exist."}),
        ("integer", {"code": 51023, "data": [], "msg": "Position doesn't exist."}),
        ("suffix", {"code": "51023_1000", "data": [], "msg": "Position doesn't exist."}),
        (
            "item",
            {
                "code": "1",
                "data": [{"clOrdId": "", "ordId": "", "sCode": "51023", "sMsg": "Position doesn't exist.", "tag": ""}],
                "msg": "",
            },
        ),
    ],
)
def test_shapes(shape: Shape | None, expected: dict[str, Any]) -> None:
    assert orjson.loads(error_body("51023", shape=shape)) == expected


@pytest.mark.parametrize("code", ["50101", "50119"])
def test_some_codes_come_without_data(code: str) -> None:
    assert "data" not in orjson.loads(error_body(code))


def test_a_message_replaces_the_table_s() -> None:
    body = {"code": "51000", "data": [], "msg": "Parameter posSide error"}
    assert orjson.loads(error_body("51000", "Parameter posSide error")) == body


def test_the_body_of_an_http_error() -> None:
    assert http_error_body(404) == (
        b'{"code":404,"data":{},"detailMsg":"","error_code":"404","error_message":"Not Found","msg":"Not Found"}'
    )
