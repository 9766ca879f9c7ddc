"""Entries: written and read back, and refused in words where they are none."""

from typing import Any

import orjson
import pytest

from okx_async.rehearsal.recording.entry import MAX_DEPTH, Entry, Login, depth_within, entry_of
from okx_async.simulator import RecordingError

FULL = Entry(
    trial="echo-names-the-side",
    at=1.5,
    took=0.05,
    host="openapi.okx.com",
    method="POST",
    path="/api/v5/trade/close-position",
    login=Login("own", "own", "right", 0.01, demo=True),
    content_type="application/json",
    expires=4.99,
    sent={"json": {"instId": "BTC-USDT-SWAP", "mgnMode": "cross"}},
    status=200,
    headers={"Content-Type": "application/json", "x-trace": None},
    head=60,
    longest=34,
    answer={"json": {"code": "0", "data": [{"posSide": "net"}], "msg": ""}},
)
LEAST = Entry(trial="", at=0, took=0, method="GET", path="/api/v5/public/time", status=0, failure="no answer in time")


@pytest.mark.parametrize("entry", [FULL, LEAST], ids=["full", "least"])
def test_written_and_read_back(entry: Entry) -> None:
    assert entry_of(orjson.loads(orjson.dumps(entry.as_json())), "request 1") == entry


def test_what_is_usual_is_not_written() -> None:
    assert LEAST.as_json().keys() == {"trial", "at", "took", "method", "path", "status", "failure"}


def test_parts_of_it() -> None:
    assert (FULL.endpoint, FULL.code, FULL.request) == ("/api/v5/trade/close-position", "0", FULL.sent["json"])
    assert (LEAST.body, LEAST.code, LEAST.request) == ({}, "", None)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"code": "51023"}, "51023"),
        ({"code": "1", "data": [{"sCode": "0"}, {"sCode": "51400"}]}, "51400"),
        ({"code": "0", "data": [{"sCode": "0"}, 1]}, "0"),
        ({"code": "50011", "data": [{"sCode": "51400"}]}, "50011"),
        ({"code": 404, "data": {}}, "404"),
        ({}, ""),
    ],
)
def test_the_code_that_decides(body: dict[str, Any], code: str) -> None:
    assert Entry(trial="", at=0, took=0, method="GET", path="/", status=200, answer={"json": body}).code == code


GOOD = LEAST.as_json()
DEEP: Any = []
for _ in range(MAX_DEPTH + 3):
    DEEP = [DEEP]
LOGIN = {"key": "own", "passphrase": "own", "signature": "right", "age": 0.0, "demo": True}
ODD: tuple[Any, ...] = ("1", True, None, 1e13)
NO_NUMBERS: tuple[Any, ...] = ("1", True, 1.5)
NO_BODIES: tuple[Any, ...] = ("a", {}, {"json": 1, "text": ""}, {"text": 1}, {"json": DEEP})
NO_HEADERS: tuple[Any, ...] = ([], {"a": 1})
NO_AGES: tuple[Any, ...] = ("1", True, 1e300)
NO_LOGINS: tuple[Any, ...] = (1, {}, {**LOGIN, "extra": 1})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([], "an object is due"),
        ({"trial": ""}, "at, method, path, status, took missing"),
        ({**GOOD, "x" * 1000: 1}, "not known"),
        *(({**GOOD, name: value}, name) for name in ("at", "took") for value in ODD),
        *(({**GOOD, name: value}, name) for name in ("status", "head", "longest") for value in NO_NUMBERS),
        *(({**GOOD, name: 1}, name) for name in ("trial", "host", "method", "path", "content_type", "failure")),
        *(({**GOOD, "headers": value}, "headers") for value in NO_HEADERS),
        *(({**GOOD, "sent": value}, "sent") for value in NO_BODIES),
        *(({**GOOD, "login": value}, "login") for value in NO_LOGINS),
        *(({**GOOD, "login": {**LOGIN, name: 1}}, name) for name in ("key", "passphrase", "signature", "demo")),
        *(({**GOOD, "login": {**LOGIN, "age": value}}, "age") for value in NO_AGES),
        ({**GOOD, "login": {**LOGIN, "key": "x"}}, "key"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_is_no_entry(wrong: Any, words: str) -> None:
    with pytest.raises(RecordingError, match=rf"^request 7: .*{words}") as caught:
        entry_of(wrong, "request 7")
    assert len(str(caught.value)) < 300


def test_depth() -> None:
    assert depth_within({"a": [1, {"b": 2}]}, 3)
    assert not depth_within({"a": [1, {"b": 2}]}, 2)
    assert depth_within("a", 0)
