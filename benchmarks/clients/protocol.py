"""No HTTP library at all: request bytes of our own over a raw asyncio protocol. The floor of pure Python.

It signs and reads Content-Length, and knows nothing of what else a server may answer.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import ssl
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import urlsplit

import orjson

from benchmarks.clients import KEYS, PASSPHRASE, PATH, SECRET, Subject

HEAD = (
    f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: identity\r\nContent-Type: application/json\r\n"
    f"OK-ACCESS-KEY: {KEYS}\r\nOK-ACCESS-PASSPHRASE: {PASSPHRASE}\r\n"
).encode()
PREFIX = f"POST{PATH}".encode()
LENGTH = b"Content-Length: "


class Line(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] | None = None
        self._data = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand out the body once it is complete."""
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found:
            return
        at = head.index(LENGTH) + len(LENGTH)
        if len(body) >= int(head[at:].partition(b"\r")[0]) and self.answer is not None:
            self._data = b""
            self.answer.set_result(body)


class Raw:
    """A pool of lines."""

    def __init__(self, base_url: str) -> None:
        url = urlsplit(base_url)
        self._place = url.hostname or "", url.port or 443
        self._tls = ssl.create_default_context() if url.scheme == "https" else None
        self._idle: list[Line] = []
        self._mac = hmac.new(SECRET.encode(), digestmod="sha256")
        self._second, self._stamp = 0, ""

    async def close(self, inst_id: str) -> Any:
        """Close one position."""
        body = orjson.dumps({"instId": inst_id, "mgnMode": "cross"})
        second, rest = divmod(time.time_ns(), 1_000_000_000)
        if second != self._second:
            self._second, self._stamp = second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        stamp = f"{self._stamp}{rest // 1_000_000:03}Z".encode()
        mac = self._mac.copy()
        mac.update(stamp + PREFIX + body)
        loop = asyncio.get_running_loop()
        if self._idle:
            line = self._idle.pop()
        else:
            host, port = self._place
            _, line = await loop.create_connection(Line, host, port, ssl=self._tls)
        line.answer = loop.create_future()
        if line.transport is not None:
            line.transport.write(
                b"%bOK-ACCESS-TIMESTAMP: %b\r\nOK-ACCESS-SIGN: %b\r\nContent-Length: %d\r\n\r\n%b"
                % (HEAD, stamp, base64.b64encode(mac.digest()), len(body), body)
            )
        answer = orjson.loads(await line.answer)
        self._idle.append(line)
        return answer

    async def batch(self, inst_ids: Sequence[str]) -> object:
        """Close many."""
        return await asyncio.gather(*map(self.close, inst_ids))

    async def aclose(self) -> None:
        """Close the lines."""
        for line in self._idle:
            if line.transport is not None:
                line.transport.close()
        await asyncio.sleep(0)


def accepted(answer: object) -> bool:
    """Whether it was taken."""
    return isinstance(answer, dict) and answer["code"] == "0"


SUBJECTS = (Subject("asyncio protocol", "orjson", "request bytes of its own, no HTTP library", Raw, accepted),)
