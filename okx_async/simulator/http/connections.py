"""HTTP/1.1 connections of the server: bytes in, one complete request after another out.

They share no code with the HTTP library of the client under test, and need neither a task nor a turn of the loop for a
request: in virtual time these would be most of what a request costs. A malformed request is answered 400, one that
stops in the middle 408, and both end the connection; a body that is too long is read, dropped and reported as 413. A
client that ends its own side after its requests still gets the answers.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from typing import cast

from okx_async.simulator.api.codes import http_error_body
from okx_async.simulator.http.bodies import MAX_BODY, read_body
from okx_async.simulator.http.heads import Malformed, answer_head, expects, has_begun, head_end, head_of, length_of
from okx_async.simulator.http.messages import Request

_LINGER = 1.0  # s in which a client may read why its connection ends before it does
_MAX_AHEAD = 64 * 1024  # bytes taken from a client that does not wait for its answer
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: drop the queue, send RST


class Connections:
    """A protocol factory that keeps its open connections, and can close them all.

    Args:
        serve: Called with a connection and each complete request.
        keepalive: Seconds that an idle connection is kept; by default 75, far above any client's own idle time.
        max_head: Bytes that the first line and the headers of a request may have; by default 32 KiB.
    """

    def __init__(
        self,
        serve: Callable[["HttpConnection", Request], None],
        *,
        keepalive: float = 75.0,
        max_head: int = 32 * 1024,
    ) -> None:
        self.serve = serve
        self.keepalive = keepalive
        self.max_head = max_head
        self.open: dict[HttpConnection, None] = {}
        self.emptied = asyncio.Event()

    def __call__(self) -> "HttpConnection":
        """Return the protocol of a new connection."""
        return HttpConnection(self)

    @property
    def busy(self) -> int:
        """Number of requests that began to arrive and are not answered."""
        return sum(connection.begun for connection in self.open)

    async def shutdown(self, timeout: float) -> None:  # noqa: ASYNC109 - as in aiohttp's servers
        """Close every connection; after `timeout` s drop what the client did not read."""
        for connection in tuple(self.open):
            connection.close()
        self.emptied.clear()
        if self.open:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self.emptied.wait()
            for connection in tuple(self.open):
                connection.hang_up(reset=True)


class HttpConnection(asyncio.Protocol):
    """One connection; each request is answered by `write` and then `answered`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._reader = self._read()
        self._timer: asyncio.TimerHandle | None = None
        self._quiet_since = 0.0
        self._ip = ""
        self._served = False
        """Whether a request is complete and not answered."""
        self._reading = False
        """Whether the reader runs at this moment."""
        self._paused = False
        """Whether the transport was asked to read no further."""
        self._full = False
        """Whether the client does not read its answers."""
        self._owed = False
        """Whether `answered` waits until the client reads."""
        self._last = False
        """Whether the connection ends with this answer."""
        self._ended = False
        """Whether the client sends nothing more."""
        self._over = False
        self.begun = False
        """Whether a request began to arrive and is not answered."""

    # --- called by the transport ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none to isinstance
        self._ip = (transport.get_extra_info("peername") or ("",))[0]
        self._connections.open[self] = None
        self._quiet_since = self._loop.time()
        self._timer = self._loop.call_later(self._connections.keepalive, self._check_idle)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the connection; a request that arrived in full is served all the same."""
        self._transport = None
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        self._connections.open.pop(self, None)
        if not self._connections.open:
            self._connections.emptied.set()

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        if self._over:
            return
        self._buffer += data
        self._quiet_since = self._loop.time()
        if not self._served:
            self._read_on()
        elif len(self._buffer) > _MAX_AHEAD and self._transport is not None and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Keep the connection while a request is served: the client may still read."""
        self._ended = True
        return self._served

    def pause_writing(self) -> None:
        """Serve nothing further: the client does not read."""
        self._full = True

    def resume_writing(self) -> None:
        """Go on: the client reads again."""
        self._full = False
        if self._owed:
            self._owed = False
            self.answered()

    # --- called by the server ---

    def head(self, status: int, content_type: str, length: int, headers: Mapping[str, str]) -> bytes:
        """Return status line and headers of an answer."""
        return answer_head(status, content_type, length, headers, last=self._last)

    def write(self, data: bytes) -> None:
        """Send a part of the answer."""
        if self._transport is not None:
            self._transport.write(data)

    def answered(self) -> None:
        """End the answer and go on to the next request, once the client reads."""
        if self._full and self._transport is not None:
            self._owed = True
            return
        self._served = self.begun = False
        if self._transport is None:
            return
        self._quiet_since = self._loop.time()
        if self._last or (self._ended and not self._buffer):
            self.close()
            return
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        if self._buffer and not self._reading:  # else the reader goes on by itself
            self._read_on()

    def close(self) -> None:
        """End the connection after what was written."""
        self._over = True
        if self._transport is not None:
            self._transport.close()

    def hang_up(self, *, reset: bool) -> None:
        """End the connection; with `reset` at once, so that what was written is lost."""
        self._over = True
        transport = self._transport
        if transport is None or not reset:
            self.close()
        elif (reset_transport := getattr(transport, "reset", None)) is not None:  # a transport without a kernel socket
            reset_transport()
        else:
            sock = transport.get_extra_info("socket")
            if sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()

    # --- inside ---

    def _check_idle(self) -> None:
        """End a connection that was quiet for long, with a 408 in the middle of a request.

        One whose client has ended its side ends in the middle of an answer too: it may be read by no one.
        """
        until = self._quiet_since + self._connections.keepalive
        if (self._served and not self._ended) or self._loop.time() < until:
            self._timer = self._loop.call_later(
                max(until - self._loop.time(), min(1.0, self._connections.keepalive)), self._check_idle
            )
        elif not self._ended and (self.begun or self._buffer):
            self._refuse(408)
        else:
            self.close()

    def _refuse(self, status: int) -> None:
        """Answer an HTTP error in the exchange's form, and end the connection a moment later."""
        body = http_error_body(status)
        self._last = True
        self.write(self.head(status, "application/json", len(body), {}) + body)
        self._over = True  # closed at once, with bytes unread, the kernel would take the answer back
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(_LINGER, self.close)

    def _read_on(self) -> None:
        self._reading = True
        try:
            next(self._reader, None)
        except Malformed:
            self._refuse(400)
        finally:
            self._reading = False
        if self._ended and not self._served:  # of the next request the rest never comes
            self.close()

    def _read(self) -> Generator[None, None, None]:
        """Read requests; yields for more bytes, and while a request is served."""
        buffer, max_head = self._buffer, self._connections.max_head
        while not self._over:
            while (end := head_end(buffer)) < 0:
                if len(buffer) > max_head or not has_begun(buffer):
                    raise Malformed
                yield
            if end > max_head:
                raise Malformed
            text = buffer[:end].decode(errors="surrogateescape")
            del buffer[: end + 4]
            method, path, headers, stays = head_of(text)
            self.begun, self._last = True, not stays
            length = length_of(headers)
            if expects(headers):
                self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body: bytes | None
            if length is not None and length <= len(buffer) and length <= MAX_BODY:
                body = bytes(buffer[:length])  # the usual case: it came in one piece
                del buffer[:length]
            else:
                body = yield from read_body(buffer, length)
            self._served = True
            request = Request(method, path, headers, body or b"", self._ip, 413 if body is None else 0)
            self._connections.serve(self, request)
            while self._served:
                yield
