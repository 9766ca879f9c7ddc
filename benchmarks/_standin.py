"""A stand-in for the exchange that costs next to nothing, in a process of its own: what is measured is the client.

A raw protocol that answers every close with yes, `delay` seconds later, over plain TCP and over TLS. The answer carries
nine headers, a cookie among them, as from behind a CDN. With a `limit` it counts as the exchange does, by instrument
in a sliding window of 2 s, refused requests included, and refuses with 50011.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import ssl
import subprocess
import sys
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast
from urllib.request import urlopen

import trustme

__all__ = ["Place", "standin"]

ROOT = Path(__file__).parent.parent
PER = 2.0
HEAD = (
    b"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 20:00:00 GMT\r\nContent-Type: application/json\r\n"
    b"Connection: keep-alive\r\nSet-Cookie: __cf_bm=0123456789abcdef0123456789abcdef; path=/; HttpOnly\r\n"
    b"Vary: Accept-Encoding\r\nServer: standin\r\nCF-RAY: 0123456789abcdef-FRA\r\n"
    b"Strict-Transport-Security: max-age=63072000\r\nContent-Length: %d\r\n\r\n"
)


def answer(body: bytes) -> bytes:
    """Return a complete response."""
    return HEAD % len(body) + body


CLOSED = answer(b'{"code":"0","data":[{"clOrdId":"","instId":"BTC-USDT-SWAP","posSide":"net","tag":""}],"msg":""}')
CONFIG = answer(b'{"code":"0","data":[{"uid":"1"}],"msg":""}')
REFUSED = answer(b'{"code":"50011","data":[],"msg":"Too Many Requests"}')


@dataclass(frozen=True, slots=True)
class Place:
    """Where one stand-in is reached, and by which certificate it is known over TLS."""

    plain: str
    tls: str
    ca: str

    def count(self) -> dict[str, int]:
        """Return how many it `refused`, and the `worst` window."""
        with urlopen(f"{self.plain}/count") as answer:  # noqa: S310 - our own, on this machine
            counted: dict[str, int] = json.loads(answer.read())
        return counted


class Standin:
    """What all connections share."""

    def __init__(self, delay: float, limit: int) -> None:
        self.delay = delay
        self.limit = limit
        self.refused = 0
        self.worst = 0
        self._arrivals: defaultdict[bytes, deque[float]] = defaultdict(deque)

    def reply(self, head: bytes, body: bytes) -> bytes:
        """Answer one complete request."""
        if not head.startswith(b"POST"):
            if head.startswith(b"GET /count"):
                return answer(json.dumps({"refused": self.refused, "worst": self.worst}).encode())
            return CONFIG
        if not self.limit:
            return CLOSED
        now, arrivals = time.monotonic(), self._arrivals[body.partition(b"instId")[2].partition(b",")[0]]
        while arrivals and arrivals[0] <= now - PER:
            arrivals.popleft()
        arrivals.append(now)
        self.worst = max(self.worst, len(arrivals))
        if len(arrivals) <= self.limit:
            return CLOSED
        self.refused += 1
        return REFUSED


class Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, standin: Standin) -> None:
        self._standin = standin
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
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

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        del exc
        self._transport = None


@contextmanager
def standin(delay: float = 0.0, limit: int = 0) -> Iterator[Place]:
    """Run one; it ends with the block."""
    command = [sys.executable, "-m", "benchmarks._standin", "--delay", str(delay), "--limit", str(limit)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603 - ours
        try:
            yield Place(**json.loads(process.stdout.readline() if process.stdout else b""))
        finally:
            if process.stdin:
                process.stdin.close()
            process.wait(5)


async def serve(delay: float, limit: int, ca: Path) -> None:
    """Listen until stdin ends."""
    loop = asyncio.get_running_loop()
    shared = Standin(delay, limit)
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(ca))
    ports = [
        (await loop.create_server(lambda: Line(shared), "127.0.0.1", 0, backlog=4096, ssl=tls)).sockets[0].getsockname()
        for tls in (None, context)
    ]
    gc.freeze()
    print(
        json.dumps(asdict(Place(f"http://127.0.0.1:{ports[0][1]}", f"https://127.0.0.1:{ports[1][1]}", str(ca)))),
        flush=True,
    )
    await asyncio.to_thread(sys.stdin.buffer.read)


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--limit", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, suppress(KeyboardInterrupt):
        asyncio.run(serve(args.delay, args.limit, Path(folder) / "ca.pem"))


if __name__ == "__main__":
    main()
