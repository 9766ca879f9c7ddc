"""httpx.AsyncClient, without a bound on its pool."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from benchmarks.clients import KEYS, PASSPHRASE, PATH, SECRET, Subject


class Httpx:
    """One AsyncClient."""

    def __init__(self, base_url: str) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self._client = httpx.AsyncClient(base_url=base_url, timeout=5, limits=limits)

    async def close(self, inst_id: str) -> Any:
        """Close one position."""
        body = json.dumps({"instId": inst_id, "mgnMode": "cross"})
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        digest = hmac.digest(SECRET.encode(), f"{stamp}POST{PATH}{body}".encode(), "sha256")
        headers = {
            "Content-Type": "application/json",
            "OK-ACCESS-KEY": KEYS,
            "OK-ACCESS-SIGN": base64.b64encode(digest).decode(),
            "OK-ACCESS-TIMESTAMP": stamp,
            "OK-ACCESS-PASSPHRASE": PASSPHRASE,
        }
        return (await self._client.post(PATH, content=body, headers=headers)).json()

    async def batch(self, inst_ids: Sequence[str]) -> object:
        """Close many."""
        return await asyncio.gather(*map(self.close, inst_ids))

    async def aclose(self) -> None:
        """Close it."""
        await self._client.aclose()


def accepted(answer: object) -> bool:
    """Whether it was taken."""
    return isinstance(answer, dict) and answer["code"] == "0"


SUBJECTS = (Subject("httpx", "httpx", "AsyncClient, no bound on its pool", Httpx, accepted),)
