from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, fields, replace
from decimal import Decimal
from typing import Any

import pytest

from okx_async._errors import InvalidRequestError, NothingToCloseError
from okx_async._models import (
    Attempt,
    ClosedPosition,
    ClosePosition,
    CloseResult,
    Credentials,
    MgnMode,
    Outcome,
    Position,
    PosSide,
    Priority,
    Quota,
)

NAMES = ("OKX_API_KEY", "OKX_SECRET_KEY", "OKX_PASSPHRASE")
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
        Attempt(REQUEST, "k", 0.0, None, None, "", None, Outcome.NOT_SENT, "refunded"),
    ],
)
def test_values_are_frozen_slotted_and_pickle(value: Any) -> None:
    with pytest.raises((FrozenInstanceError, AttributeError)):
        setattr(value, fields(value)[0].name, None)
    assert not hasattr(value, "__dict__")
    assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301 - our own bytes


@pytest.mark.parametrize(
    ("api_key", "text"),
    [
        ("37c541a1-1234-5678-9abc-def012345678", "Credentials(api_key='37c5…')"),
        ("0123456789abc", "Credentials(api_key='0123…')"),
        ("0123456789ab", "Credentials(api_key='…')"),
        ("k", "Credentials(api_key='…')"),
    ],
)
def test_credentials_show_no_secret(api_key: str, text: str) -> None:
    credentials = Credentials(api_key, "hunter2", "hunter3")
    assert repr(credentials) == str(credentials) == f"{credentials}" == text


@pytest.mark.parametrize("name", ["api_key", "secret_key", "passphrase"])
@pytest.mark.parametrize(
    "value", ["", " ", " hunter2", "hunter2\n", "hunter2\r\nX-A: b", "hunter2\x00", None, b"hunter2", 5]
)
def test_wrong_credentials_are_refused_and_never_shown(name: str, value: object) -> None:
    good = {"api_key": "k", "secret_key": "s", "passphrase": "p"}
    with pytest.raises(InvalidRequestError, match=f"{name} must be a non-empty printable string") as caught:
        Credentials(**{**good, name: value})  # type: ignore[arg-type]
    assert "hunter2" not in repr(caught.value)


def test_credentials_are_ascii_and_may_hold_blanks_inside() -> None:
    assert Credentials("k", "s", "pass phrase").passphrase == "pass phrase"
    with pytest.raises(InvalidRequestError, match=r"passphrase must be ASCII \(not shown here\)"):
        Credentials("k", "s", "påss")


def test_credentials_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(NAMES, ("k", "s", "p"), strict=True):
        monkeypatch.setenv(name, value)
    assert Credentials.from_env() == Credentials("k", "s", "p")


def test_every_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OKX_API_KEY", raising=False)
    monkeypatch.setenv("OKX_SECRET_KEY", "hunter2")
    monkeypatch.setenv("OKX_PASSPHRASE", "")
    with pytest.raises(InvalidRequestError, match="environment: OKX_API_KEY, OKX_PASSPHRASE not set"):
        Credentials.from_env()


def test_the_quota_of_the_endpoint() -> None:
    assert Quota() == Quota(limit=20, per=2.0, reserve=0)
    assert Quota(1, 1, 0).per == 1


@pytest.mark.parametrize("limit", [0, -1, 2.0, "20", True, None])
def test_a_wrong_limit_is_refused(limit: Any) -> None:
    with pytest.raises(InvalidRequestError, match=f"limit must be an integer of at least 1, got {limit!r}"):
        Quota(limit)


@pytest.mark.parametrize(
    "per", [0, -1.0, float("inf"), float("nan"), True, "2", None, pytest.param(10**400, id="too large for a float")]
)
def test_a_wrong_period_is_refused(per: Any) -> None:
    with pytest.raises(InvalidRequestError, match=f"per must be a positive number of seconds, got {per!r}"):
        Quota(20, per)


@pytest.mark.parametrize("reserve", [-1, 20, 21, 1.0, True, "1", None])
def test_a_wrong_reserve_is_refused(reserve: Any) -> None:
    with pytest.raises(InvalidRequestError, match=rf"from 0 to limit - 1 \(19\), got {reserve!r}"):
        Quota(20, 2.0, reserve)


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
        *("ACCEPTED", "RATE", "LATER", "FROZEN", "CLOCK", "NOT-SENT"),
        *("UNKNOWN", "WAIT", "FLAT?", "NEEDS", "FATAL"),
    }
