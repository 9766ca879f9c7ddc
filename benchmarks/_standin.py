"""A stand-in for the exchange that costs next to nothing, in a process of its own: the client is measured alone.

A raw protocol that answers every close with yes, `delay` seconds later, over plain TCP and over TLS. The answer carries
nine headers, a cookie among them, as from behind a CDN. With a `limit` it counts as the exchange does, by instrument
in a sliding window of 2 s, refused requests included, and refuses with 50011.
"""

import asyncio
import gc
import ssl
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import cast

import trustme

from benchmarks import clients
from benchmarks._processes import serving

PER = 2.0
HEAD = (
    b"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 20:00:00 GMT\r\nContent-Type: application/json\r\n"
    b"Connection: keep-alive\r\nSet-Cookie: __cf_bm=0123456789abcdef0123456789abcdef; path=/; HttpOnly\r\n"
    b"Vary: Accept-Encoding\r\nServer: standin\r\nCF-RAY: 0123456789abcdef-FRA\r\n"
    b"Strict-Transport-Security: max-age=63072000\r\nContent-Length: %d\r\n\r\n%b"
)
CONFIG_BODY, REFUSED_BODY = (
    b'{"code":"0","data":[{"uid":"1"}],"msg":""}',
    b'{"code":"50011","data":[],"msg":"Too Many Requests"}',
)
CLOSED, CONFIG, REFUSED = (HEAD % (len(body), body) for body in (clients.CLOSED, CONFIG_BODY, REFUSED_BODY))


@dataclass(frozen=True, slots=True)
class Place:
    """Where one stand-in is reached, and by which certificate it is known over TLS."""

    pipe: Connection
    plain: str
    tls: str
    ca: str

    def count(self) -> dict[str, int]:
        """Return how many requests it `refused`, and the `worst` window."""
        self.pipe.send("count")
        counted: dict[str, int] = self.pipe.recv()
        return counted


class _Standin:
    """The state that all connections share."""

    def __init__(self, delay: float, limit: int) -> None:
        self.delay = delay
        self.limit = limit
        self.counted = {"refused": 0, "worst": 0}
        self._arrivals: defaultdict[bytes, deque[float]] = defaultdict(deque)

    def reply(self, head: bytes, body: bytes) -> bytes:
        if not head.startswith(b"POST"):
            return CONFIG
        if not self.limit:
            return CLOSED
        now, arrivals = time.monotonic(), self._arrivals[body.partition(b"instId")[2].partition(b",")[0]]
        while arrivals and arrivals[0] <= now - PER:
            arrivals.popleft()
        arrivals.append(now)
        self.counted["worst"] = max(self.counted["worst"], len(arrivals))
        self.counted["refused"] += len(arrivals) > self.limit
        return REFUSED if len(arrivals) > self.limit else CLOSED


class _Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, standin: _Standin) -> None:
        self._standin = standin
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer all that is complete."""
        self._data += data
        while self._transport is not None:
            head, found, rest = self._data.partition(b"\r\n\r\n")
            if not found:
                return
            _, has, length = head.lower().partition(b"content-length:")
            size = int(length.partition(b"\r")[0]) if has else 0
            if len(rest) < size:
                return
            self._data = rest[size:]
            reply = self._standin.reply(head, rest[:size])
            if self._standin.delay:
                asyncio.get_running_loop().call_later(self._standin.delay, self._transport.write, reply)
            else:
                self._transport.write(reply)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None


@contextmanager
def standin(delay: float = 0.0, limit: int = 0) -> Iterator[Place]:
    """Run one; it ends with the block."""
    with tempfile.TemporaryDirectory() as folder, serving(_serve, delay, limit, f"{folder}/ca.pem") as pipe:
        plain, tls = pipe.recv()
        yield Place(pipe, plain, tls, f"{folder}/ca.pem")


async def _serve(pipe: Connection, delay: float, limit: int, ca: str) -> None:
    loop, shared = asyncio.get_running_loop(), _Standin(delay, limit)
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(ca)
    urls = []
    for scheme, tls in (("http", None), ("https", context)):
        server = await loop.create_server(lambda: _Line(shared), "127.0.0.1", 0, backlog=4096, ssl=tls)
        urls.append(f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    gc.freeze()
    pipe.send(urls)
    while await asyncio.to_thread(pipe.recv):
        pipe.send(shared.counted)
