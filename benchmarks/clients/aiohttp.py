"""aiohttp without a library of ours: tuned as an expert would, and as people write it.

Tuned: no cookie jar, no traces, no cookies, a pool without a bound, a prekeyed HMAC, the timestamp's second kept,
bytes in and bytes out with orjson, a URL object, headers as CIMultiDict with istr keys made once and copied, one
asyncio.timeout in place of aiohttp's timers. No limiter, no validation, no errors, no classification.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson
from multidict import CIMultiDict, istr
from yarl import URL

from benchmarks.clients import KEYS, PASSPHRASE, PATH, SECRET, Subject

TIMESTAMP, SIGN = istr("OK-ACCESS-TIMESTAMP"), istr("OK-ACCESS-SIGN")
PREFIX = f"POST{PATH}".encode()
NEVER = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)


class Tuned:
    """Every public setting that helps."""

    def __init__(self, base_url: str) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=NEVER,
            auto_decompress=False,
        )
        self._url = URL(base_url + PATH)
        self._mac = hmac.new(SECRET.encode(), digestmod="sha256")
        self._headers = CIMultiDict(
            [
                (istr("Content-Type"), "application/json"),
                (istr("OK-ACCESS-KEY"), KEYS),
                (istr("OK-ACCESS-PASSPHRASE"), PASSPHRASE),
                (istr("Accept-Encoding"), "identity"),
            ]
        )
        self._second, self._stamp = 0, ""

    async def close(self, inst_id: str) -> Any:
        """Close one position."""
        body = orjson.dumps({"instId": inst_id, "mgnMode": "cross"})
        stamp = self._timestamp()
        mac = self._mac.copy()
        mac.update(stamp.encode() + PREFIX + body)
        headers = self._headers.copy()
        headers[TIMESTAMP] = stamp
        headers[SIGN] = base64.b64encode(mac.digest()).decode()
        async with (
            asyncio.timeout(5),
            self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            return orjson.loads(await response.read())

    def _timestamp(self) -> str:
        second, rest = divmod(time.time_ns(), 1_000_000_000)
        if second != self._second:
            self._second, self._stamp = second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        return f"{self._stamp}{rest // 1_000_000:03}Z"

    async def batch(self, inst_ids: Sequence[str]) -> object:
        """Close many."""
        return await asyncio.gather(*map(self.close, inst_ids))

    async def aclose(self) -> None:
        """Close the session."""
        await self._session.close()


class Plain(Tuned):
    """The defaults, apart from a pool without a bound."""

    def __init__(self, base_url: str) -> None:
        self._session = aiohttp.ClientSession(base_url, connector=aiohttp.TCPConnector(limit=0))

    async def close(self, inst_id: str) -> Any:
        """Close one position."""
        body = json.dumps({"instId": inst_id, "mgnMode": "cross"})
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        digest = hmac.new(SECRET.encode(), f"{stamp}POST{PATH}{body}".encode(), "sha256").digest()
        headers = {
            "Content-Type": "application/json",
            "OK-ACCESS-KEY": KEYS,
            "OK-ACCESS-SIGN": base64.b64encode(digest).decode(),
            "OK-ACCESS-TIMESTAMP": stamp,
            "OK-ACCESS-PASSPHRASE": PASSPHRASE,
        }
        timeout = aiohttp.ClientTimeout(total=5)
        async with self._session.post(PATH, data=body, headers=headers, timeout=timeout) as response:
            return await response.json()


def accepted(answer: object) -> bool:
    """Whether it was taken."""
    return isinstance(answer, dict) and answer["code"] == "0"


SUBJECTS = (
    Subject("aiohttp, tuned", "aiohttp", "no jar, prekeyed HMAC, orjson, one timer; no limiter", Tuned, accepted),
    Subject("aiohttp, as people write it", "aiohttp", "json, hmac, ClientTimeout(5), default jar", Plain, accepted),
)
