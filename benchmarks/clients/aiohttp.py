"""aiohttp without a library of ours: tuned as an expert would, as people write it, and an experiment."""

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

from benchmarks.clients import BARE, BYTES, KEYS, PATH, Subject, headers
from benchmarks.clients.protocol import PREFIX, Signed

TIMESTAMP, SIGN = istr("OK-ACCESS-TIMESTAMP"), istr("OK-ACCESS-SIGN")
NEVER = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
HEADERS = CIMultiDict(
    [
        (istr("Content-Type"), "application/json"),
        (istr("OK-ACCESS-KEY"), KEYS[0]),
        (istr("OK-ACCESS-PASSPHRASE"), KEYS[2]),
        (istr("Accept-Encoding"), "identity"),
    ]
)
PARAMETERS = {
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


class _Tuned(Signed):
    """Every public setting that helps.

    No cookie jar, no traces, no cookies, a pool without a bound, a prekeyed HMAC, the timestamp's second kept, bytes in
    and bytes out with orjson, a URL object, headers as CIMultiDict with istr keys made once and copied, one
    asyncio.timeout in place of aiohttp's timers. No limiter, no validation, no errors, no classification.
    """

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=NEVER,
            auto_decompress=False,
        )
        self._url = URL(base_url + PATH)
        self._headers = HEADERS

    async def close(self, inst_id: str) -> Any:
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
        await self._session.close()


class _Plain(_Tuned):
    """The defaults, apart from a pool without a bound."""

    def __init__(self, base_url: str) -> None:
        self._session = aiohttp.ClientSession(base_url, connector=aiohttp.TCPConnector(limit=0))

    async def close(self, inst_id: str) -> Any:
        body = json.dumps({"instId": inst_id, "mgnMode": "cross"})
        timeout = aiohttp.ClientTimeout(total=5)
        async with self._session.post(PATH, data=body, headers=headers(body), timeout=timeout) as response:
            return await response.json()


class _Bytes(_Tuned):
    """The experiment, not shipped: the tuned one's session and connector, without its requests and responses.

    `connect()`, `set_response_params()` and `read()` are public names without documentation; for its gain and its risks
    see docs/explanation/the-cost-of-a-close.md.
    """

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        # Never sent: it names the host to connect to.
        self._host = aiohttp.ClientRequest("POST", self._url, loop=asyncio.get_running_loop(), session=self._session)
        known = inspect.signature(ResponseHandler.set_response_params).parameters  # more from version to version
        self._parameters: dict[str, Any] = {name: PARAMETERS[name] for name in known if name in PARAMETERS}

    async def close(self, inst_id: str) -> Any:
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
    Subject(BARE, "aiohttp", "no jar, prekeyed HMAC, orjson, one timer; no limiter", _Tuned),
    Subject("aiohttp, as people write it", "aiohttp", "json, hmac, ClientTimeout(5), default jar", _Plain),
    Subject(BYTES, "aiohttp", EXPERIMENT, _Bytes),
)
