"""No HTTP library at all: request bytes of our own over a raw asyncio protocol. The floor of pure Python.

It signs and reads Content-Length, and knows nothing of anything else that a server may answer.
"""

import asyncio
import base64
import hmac
import ssl
import time
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import urlsplit

import orjson

from benchmarks.clients import KEYS, PATH, Closer, Subject

PREFIX = f"POST{PATH}".encode()
HEAD = (
    f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: identity\r\nContent-Type: application/json\r\n"
    f"OK-ACCESS-KEY: {KEYS[0]}\r\nOK-ACCESS-PASSPHRASE: {KEYS[2]}\r\n"
).encode()
LENGTH = b"Content-Length: "


class Signed(Closer):
    """A client that signs as an expert would write it: HMAC keyed once, the timestamp's second kept, JSON by orjson."""

    def __init__(self) -> None:
        self._mac = hmac.new(KEYS[1].encode(), digestmod="sha256")
        self._second, self._stamp = 0, ""

    def _timestamp(self) -> str:
        second, rest = divmod(time.time_ns(), 1_000_000_000)
        if second != self._second:
            self._second, self._stamp = second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        return f"{self._stamp}{rest // 1_000_000:03}Z"

    def _request(self, inst_id: str) -> bytes:
        body = orjson.dumps({"instId": inst_id, "mgnMode": "cross"})
        stamp = self._timestamp().encode()
        mac = self._mac.copy()
        mac.update(stamp + PREFIX + body)
        words = HEAD, stamp, base64.b64encode(mac.digest()), len(body), body
        return b"%bOK-ACCESS-TIMESTAMP: %b\r\nOK-ACCESS-SIGN: %b\r\nContent-Length: %d\r\n\r\n%b" % words


class Line(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[bytes] | None = None
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand out the body once it is complete."""
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found:
            return
        at = head.index(LENGTH) + len(LENGTH)
        if len(body) >= int(head[at:].partition(b"\r")[0]) and self._answer is not None:
            self._data = b""
            self._answer.set_result(body)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request that still waits for its answer."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError())

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        """Send a request, and return the future of its answer's body."""
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._answer


class _Raw(Signed):
    """A pool of lines."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        url = urlsplit(base_url)
        self._place = url.hostname or "", url.port or 443
        self._tls = ssl.create_default_context() if url.scheme == "https" else None
        self._idle: list[Line] = []

    async def close(self, inst_id: str) -> Any:
        request = self._request(inst_id)
        if self._idle:
            line = self._idle.pop()
        else:
            _, line = await asyncio.get_running_loop().create_connection(Line, *self._place, ssl=self._tls)
        answer = orjson.loads(await line.ask(request))
        self._idle.append(line)
        return answer

    async def aclose(self) -> None:
        for line in self._idle:
            line.transport.close()
        await asyncio.sleep(0)


SUBJECTS = (Subject("asyncio protocol", "orjson", "request bytes of its own, no HTTP library", _Raw),)
