import pickle
from dataclasses import FrozenInstanceError, fields, replace
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest

from okx_async._calls.batch import CloseResult
from okx_async._credentials import Credentials
from okx_async._errors import NothingToCloseError
from okx_async._models import Attempt, ClosedPosition, ClosePosition, MgnMode, Outcome, Position, PosSide
from okx_async._quota import Priority, Quota
from okx_async._words import ListedText

REQUEST = ClosePosition("BTC-USDT-SWAP", "cross")
CLOSED = ClosedPosition("BTC-USDT-SWAP", "net", "", "")


def position(inst_type: str = "SWAP", mgn_mode: MgnMode = "cross", pos_side: PosSide = "net") -> Position:
    return Position(
        "BTC-USDT",
        inst_type,
        "1",
        Decimal(3),
        pos_side,
        "",
        mgn_mode,
        "USDT",
        None,
        None,
        None,
        0,
        0,
        raw={"secret": "no"},
    )


@pytest.mark.parametrize(
    "value",
    [
        Credentials("k", "s", "p"),
        Quota(),
        REQUEST,
        CLOSED,
        CloseResult(REQUEST, CLOSED),
        position(),
        Attempt(REQUEST, ("k",), 0.0, None, None, "", None, Outcome.NOT_SENT, "refunded"),
    ],
)
def test_values_are_frozen_slotted_and_pickle(value: Any) -> None:
    with pytest.raises((FrozenInstanceError, AttributeError)):
        setattr(value, fields(value)[0].name, None)
    assert not hasattr(value, "__dict__")
    assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301 - our own bytes


@pytest.mark.parametrize(
    ("of", "request_"),
    [
        (position(), ClosePosition("BTC-USDT", "cross")),
        (position("FUTURES", "isolated", "long"), ClosePosition("BTC-USDT", "isolated", pos_side="long")),
        (position("SWAP", "cross", "short"), ClosePosition("BTC-USDT", "cross", pos_side="short")),
        (position("MARGIN", "cross"), ClosePosition("BTC-USDT", "cross", ccy="USDT")),
        (position("MARGIN", "isolated"), ClosePosition("BTC-USDT", "isolated")),
    ],
)
def test_the_request_that_closes_a_position(of: Position, request_: ClosePosition) -> None:
    assert ClosePosition.of(of) == request_
    assert ClosePosition.of(of, auto_cxl=True, tag="x") == replace(request_, auto_cxl=True, tag="x")


def test_a_margin_position_without_currency_names_none() -> None:
    # An empty string would be refused later, and the exchange takes it for absent anyway.
    assert ClosePosition.of(replace(position("MARGIN", "cross"), ccy="")).ccy is None


def test_raw_is_neither_shown_nor_compared() -> None:
    assert "secret" not in repr(position())
    assert position() == replace(position(), raw={})


def test_result_of_a_leg() -> None:
    error = NothingToCloseError("51023 on X: no such position")
    assert CloseResult(REQUEST, CLOSED).result() is CLOSED
    assert CloseResult(REQUEST, CLOSED).ok
    assert not CloseResult(REQUEST, error=error).ok
    with pytest.raises(NothingToCloseError) as caught:
        CloseResult(REQUEST, error=error).result()
    assert caught.value is error


def test_enums() -> None:
    assert Priority.PANIC > Priority.NORMAL
    assert {outcome.value for outcome in Outcome} == {
        *("accepted", "rate", "later", "frozen", "clock", "not_sent"),
        *("unknown", "wait", "maybe_flat", "needs", "fatal"),
    }


def test_a_request_of_a_position_keeps_the_words_that_were_listed() -> None:
    odd = replace(position(), inst_id="kPEPE-USDT-SWAP", mgn_mode="cash", pos_side="yes")  # type: ignore[arg-type]
    request = ClosePosition.of(odd, tag="t")
    assert request == ClosePosition("kPEPE-USDT-SWAP", "cash", "yes", tag="t")  # type: ignore[arg-type]
    for one in (request, pickle.loads(pickle.dumps(request)), replace(request, auto_cxl=True)):  # noqa: S301 - our own bytes
        assert {type(word) for word in (one.inst_id, one.mgn_mode, one.pos_side)} == {ListedText}
    plain = ClosePosition.of(position("MARGIN", "cross"))
    assert {type(word) for word in (plain.inst_id, plain.mgn_mode, plain.ccy)} == {str}


def test_an_id_of_an_enum_is_kept_as_the_text_that_it_is() -> None:
    class Instrument(str, Enum):  # noqa: UP042 - a StrEnum is written as its text anyway
        IT = "BTC-USDT-SWAP"

    class Text(str):
        __slots__ = ()

    for inst_id in (Instrument.IT, Text("BTC-USDT-SWAP")):
        request = ClosePosition(inst_id, "cross")
        assert (type(request.inst_id), request) == (str, REQUEST)
        assert f"{replace(request, tag='a').inst_id}" == "BTC-USDT-SWAP"
    listed = ListedText("kPEPE-USDT-SWAP")
    assert ClosePosition(listed, "cross").inst_id is listed
    none: Any = None
    assert ClosePosition(none, "cross").inst_id is None  # refused when it is sent
