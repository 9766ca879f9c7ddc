"""Attempts as a client tells them."""

from collections.abc import Callable
from typing import Any

import pytest

import okx_async as okx

URL = "https://openapi.okx.com/api/v5/trade/close-position"


@pytest.fixture
def attempt() -> Callable[..., okx.Attempt]:
    """A function that makes an attempt, an accepted one of 50 ms unless it is told otherwise."""

    def make(**changes: Any) -> okx.Attempt:
        plain = {
            "request": okx.ClosePosition("BTC-USDT-SWAP", "cross"),
            "key": ("live", "446556", "BTC-USDT-SWAP"),
            "waited": 0.25,
            "sent": 1000.0,
            "settled": 1000.05,
            "code": "0",
            "status": 200,
            "outcome": okx.Outcome.ACCEPTED,
            "token": "settled",
            "url": URL,
        }
        return okx.Attempt(**{**plain, **changes})

    return make
