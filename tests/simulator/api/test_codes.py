from __future__ import annotations

from typing import Any

import orjson
import pytest

from okx_async.simulator.api.codes import Shape, error_body, http_error_body, status_of


@pytest.mark.parametrize(
    ("code", "status"),
    [
        *(("50000", 400), ("50001", 503), ("50002", 400), ("50004", 400), ("50005", 410), ("50006", 400)),
        *(("50009", 200), ("50011", 429), ("50013", 429), ("50014", 400), ("50025", 200), ("50026", 500)),
        *(("50100", 400), ("50101", 401), ("50102", 401), ("50103", 401), ("50104", 401), ("50105", 401)),
        *(("50106", 401), ("50107", 401), ("50110", 401), ("50111", 401), ("50112", 401), ("50113", 401)),
        *(("50115", 405), ("50119", 401), ("50120", 200), ("51000", 400), ("51001", 200), ("51021", 200)),
        *(("51022", 200), ("51023", 200), ("51032", 200), ("51043", 200), ("51054", 500), ("51066", 200)),
        *(("51109", 200), ("51110", 200), ("51113", 429), ("51115", 429), ("51149", 500), ("51342", 200)),
        ("59999", 200),
    ],
)
def test_statuses(code: str, status: int) -> None:
    assert status_of(code) == status


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


def test_own_words_replace_the_table_s() -> None:
    body = {"code": "51000", "data": [], "msg": "Parameter posSide error"}
    assert orjson.loads(error_body("51000", "Parameter posSide error")) == body


def test_the_body_of_what_never_reached_the_api() -> None:
    assert http_error_body(404) == (
        b'{"code":404,"data":{},"detailMsg":"","error_code":"404","error_message":"Not Found","msg":"Not Found"}'
    )
