"""Records as plain values: what a log writes."""

import json
from collections import OrderedDict
from dataclasses import dataclass
from decimal import Decimal
from math import inf, nan
from types import MappingProxyType
from typing import Any

import pytest

import okx_async as okx
from okx_async._models import Record, plain
from okx_async._words import ListedText

REQUEST = okx.ClosePosition("BTC-USDT-SWAP", "cross", tag="desk7")
KEY = ("live", "123", "BTC-USDT-SWAP")
ATTEMPT = okx.Attempt(REQUEST, KEY, 0.25, None, None, "", None, okx.Outcome.NOT_SENT, "refunded")


def test_an_attempt_is_a_line_of_a_log() -> None:
    assert json.loads(json.dumps(ATTEMPT.to_dict())) == {
        "request": {
            "inst_id": "BTC-USDT-SWAP",
            "mgn_mode": "cross",
            "pos_side": None,
            "ccy": None,
            "auto_cxl": False,
            "cl_ord_id": None,
            "tag": "desk7",
        },
        "key": ["live", "123", "BTC-USDT-SWAP"],
        "waited": 0.25,
        "sent": None,
        "settled": None,
        "code": "",
        "status": None,
        "outcome": "not_sent",
        "token": "refunded",
        "url": "",
        "resends": 0,
    }


def test_an_error_is_its_class_its_words_and_what_was_tried() -> None:
    error = okx.SlotTimeoutError("no slot", wait=1.5, key=KEY)
    error.attempts = (ATTEMPT,)
    assert error.to_dict() == {
        "error": "SlotTimeoutError",
        "text": "no slot",
        "code": "",
        "status": None,
        "message": "",
        "attempts": [ATTEMPT.to_dict()],
        "wait": 1.5,
    }
    failed = okx.CloseResult(REQUEST, error=error).to_dict()
    assert failed == {"request": REQUEST.to_dict(), "closed": None, "error": error.to_dict()}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (okx.FlattenState.ALREADY_FLAT, "already_flat"),
        (okx.Priority.PANIC, 1),
        (True, True),
        (Decimal("-0.50"), "-0.50"),
        (Decimal("NaN"), "NaN"),
        (inf, None),
        (nan, None),
        (MappingProxyType({"a": (1, {"b": None})}), {"a": [1, {"b": None}]}),
        (OrderedDict({1: 2.5}), {"1": 2.5}),
        (b"x", "b'x'"),
    ],
)
def test_each_value_is_one_that_json_has(value: Any, expected: Any) -> None:
    assert plain(value) == expected
    assert type(plain(value)) is type(expected)
    json.dumps(plain(value), allow_nan=False)


def test_a_word_that_was_listed_is_plain_text() -> None:
    assert type(plain(ListedText("kPEPE-USDT-SWAP"))) is str


def test_what_it_returns_is_the_callers_own() -> None:
    raw = {"instId": "X", "closeOrderAlgo": [{"algoId": "1"}]}
    order = okx.OpenOrder("X", "limit", "buy", "net", None, True, "live", "1", "", "", raw)  # noqa: FBT003
    copy = order.to_dict()
    copy["raw"]["closeOrderAlgo"][0]["algoId"] = "2"
    assert raw == {"instId": "X", "closeOrderAlgo": [{"algoId": "1"}]}


def test_a_record_has_no_dict_of_its_own() -> None:
    @dataclass(frozen=True, slots=True)
    class Small(Record):
        """A record."""

        number: int

    assert not hasattr(Small(1), "__dict__")
    assert Small(1).to_dict() == {"number": 1}


def test_credentials_are_no_record() -> None:
    assert not hasattr(okx.Credentials("k", "s", "p"), "to_dict")
