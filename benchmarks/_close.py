"""A bare client: closes positions with aiohttp and a signature, and with no library of ours."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from datetime import UTC, datetime

import aiohttp

from benchmarks._judge import Access

__all__ = ["BareClient", "session"]

PATH = "/api/v5/trade/close-position"


def session() -> aiohttp.ClientSession:
    """Return a session that keeps nobody waiting for a connection."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60), cookie_jar=aiohttp.DummyCookieJar()
    )


class BareClient:
    """One account's requests."""

    def __init__(self, access: Access, http: aiohttp.ClientSession) -> None:
        self._access = access
        self._http = http

    async def warm_up(self, count: int) -> None:
        """Open so many connections: a cold one would make the first requests late and the next ones crowd."""
        url = self._access.base_url + "/api/v5/public/time"

        async def look() -> None:
            async with self._http.get(url) as response:
                await response.read()

        await asyncio.gather(*(look() for _ in range(count)))

    async def close(self, inst_id: str) -> str:
        """Send one close and return the code of its answer."""
        body = json.dumps({"instId": inst_id, "mgnMode": "cross"}).encode()
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        text = f"{stamp}POST{PATH}".encode() + body
        digest = hmac.digest(self._access.secret_key.encode(), text, "sha256")
        headers = {
            "Content-Type": "application/json",
            "OK-ACCESS-KEY": self._access.api_key,
            "OK-ACCESS-SIGN": base64.b64encode(digest).decode(),
            "OK-ACCESS-TIMESTAMP": stamp,
            "OK-ACCESS-PASSPHRASE": self._access.passphrase,
        }
        async with self._http.post(self._access.base_url + PATH, data=body, headers=headers) as response:
            return str(json.loads(await response.read())["code"])
