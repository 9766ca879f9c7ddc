"""aiohttp without a library of ours: tuned as an expert would, as people write it, and an experiment.

Tuned: no cookie jar, no traces, no cookies, a pool without a bound, a prekeyed HMAC, the timestamp's second kept,
bytes in and bytes out with orjson, a URL object, headers as CIMultiDict with istr keys made once and copied, one
asyncio.timeout in place of aiohttp's timers. No limiter, no validation, no errors, no classification.

The experiment, not shipped, writes request bytes of our own to connections of aiohttp's: `connect()`,
`set_response_params()` and `read()` are public names without documentation; for its gain and its risks see
docs/explanation/the-cost-of-a-close.md.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
from typing import Any

import aiohttp
import orjson
from aiohttp.client_proto import ResponseHandler
from aiohttp.helpers import TimerNoop
from multidict import CIMultiDict, istr
from yarl import URL

from benchmarks.clients import BARE, BYTES, KEYS, PATH, Closer, Subject, headers
from benchmarks.clients.protocol import PREFIX, Signed

TIMESTAMP, SIGN = istr("OK-ACCESS-TIMESTAMP"), istr("OK-ACCESS-SIGN")
NEVER = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)


class Tuned(Signed):
    """Every public setting that helps."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=NEVER,
            auto_decompress=False,
        )
        self._url = URL(base_url + PATH)
        self._headers = CIMultiDict(
            [
                (istr("Content-Type"), "application/json"),
                (istr("OK-ACCESS-KEY"), KEYS[0]),
                (istr("OK-ACCESS-PASSPHRASE"), KEYS[2]),
                (istr("Accept-Encoding"), "identity"),
            ]
        )

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

    async def aclose(self) -> None:
        """Close the session."""
        await self._session.close()


class Plain(Closer):
    """The defaults, apart from a pool without a bound."""

    def __init__(self, base_url: str) -> None:
        self._session = aiohttp.ClientSession(base_url, connector=aiohttp.TCPConnector(limit=0))

    async def close(self, inst_id: str) -> Any:
        """Close one position."""
        body = json.dumps({"instId": inst_id, "mgnMode": "cross"})
        timeout = aiohttp.ClientTimeout(total=5)
        async with self._session.post(PATH, data=body, headers=headers(body), timeout=timeout) as response:
            return await response.json()

    async def aclose(self) -> None:
        """Close the session."""
        await self._session.close()


class Bytes(Tuned):
    """The tuned one's session and connector, without its requests and responses."""

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        # Never sent: it names the host to connect to.
        self._host = aiohttp.ClientRequest("POST", self._url, loop=asyncio.get_running_loop(), session=self._session)
        wanted = {
            "timer": TimerNoop(),
            "skip_payload": False,
            "read_until_eof": True,
            "auto_decompress": False,
            "read_timeout": None,
            "read_bufsize": 2**16,
            "max_line_size": 8190,
            "max_field_size": 8190,
            "max_headers": 128,
        }
        known = inspect.signature(ResponseHandler.set_response_params).parameters  # more from version to version
        self._parameters: dict[str, Any] = {name: wanted[name] for name in known if name in wanted}

    async def close(self, inst_id: str) -> Any:
        """Close one position."""
        request = self._request(inst_id)
        connector: Any = self._session.connector
        async with asyncio.timeout(5):
            connection = await connector.connect(self._host, [], NEVER)
            try:
                protocol = connection.protocol
                protocol.set_response_params(**self._parameters)
                connection.transport.write(request)
                _, payload = await protocol.read()
                return orjson.loads(await payload.read())
            finally:
                connection.release()


EXPERIMENT = "an experiment: aiohttp's connector and parser, without its requests; one timer, no limiter"
SUBJECTS = (
    Subject(BARE, "aiohttp", "no jar, prekeyed HMAC, orjson, one timer; no limiter", Tuned),
    Subject("aiohttp, as people write it", "aiohttp", "json, hmac, ClientTimeout(5), default jar", Plain),
    Subject(BYTES, "aiohttp", EXPERIMENT, Bytes),
)
