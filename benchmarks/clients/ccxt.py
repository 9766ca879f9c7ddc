"""ccxt.async_support.okx, with its throttler and without."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import ccxt.async_support

from benchmarks.clients import KEYS, PASSPHRASE, SECRET, Subject


class Ccxt:
    """The exchange's object, called by the name of the endpoint: `close_position` itself asks for markets first."""

    def __init__(self, base_url: str, *, throttled: bool = True) -> None:
        self._exchange: Any = ccxt.async_support.okx(
            {"apiKey": KEYS, "secret": SECRET, "password": PASSPHRASE, "enableRateLimit": throttled}
        )
        self._exchange.urls["api"] = {"rest": base_url}

    async def close(self, inst_id: str) -> Any:
        """Close one position; a refusal is an exception there."""
        try:
            return await self._exchange.private_post_trade_close_position({"instId": inst_id, "mgnMode": "cross"})
        except ccxt.async_support.RateLimitExceeded:
            return {"code": "50011"}

    async def batch(self, inst_ids: Sequence[str]) -> object:
        """Close many."""
        return await asyncio.gather(*map(self.close, inst_ids))

    async def aclose(self) -> None:
        """Close it."""
        await self._exchange.close()


def free(base_url: str) -> Ccxt:
    """Return one without throttler."""
    return Ccxt(base_url, throttled=False)


def accepted(answer: object) -> bool:
    """Whether it was taken."""
    return isinstance(answer, dict) and answer["code"] == "0"


SUBJECTS = (
    Subject("ccxt", "ccxt", "async_support.okx as shipped", Ccxt, accepted, slow=True),
    Subject("ccxt, throttler off", "ccxt", "the same with enableRateLimit=False", free, accepted),
)
