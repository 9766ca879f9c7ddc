"""HTTP/1.1 as a server sees it: the bytes of one connection in, one request after another out.

Written for this exchange alone. It shares no code with the HTTP library of the client that is judged by it, and it
needs neither a task nor a turn of the loop for a request: in virtual time that is most of what a request costs.
What is malformed is answered 400, what stops in the middle 408, and both end the connection; a body that is too long
is read, dropped and named so.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress

from okx_async.simulator.api.codes import http_error_body
from okx_async.simulator.http.heads import Malformed, answer_head, expects, has_begun, head_of, length_of
from okx_async.simulator.http.messages import Request
from okx_async.simulator.virtual.wires import End

__all__ = ["Door", "Doors"]

_KEEPALIVE = 75.0  # s that an idle connection is kept: far above any client's own idle time
_LINGER = 1.0  # s in which a client may read why its connection ends before it does
_MAX_HEAD = 32 * 1024
_MAX_BODY = 256 * 1024  # bytes; no request of this API comes near
_MAX_AHEAD = 64 * 1024  # bytes taken from a client that does not wait for its answer
_MAX_CHUNK_LINE = 1024
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: drop the queue, send RST

_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?")


class Doors:
    """Makes a Door for each connection, and can close them all; `serve` is given each request in full."""

    def __init__(self, serve: Callable[[Door, Request], None]) -> None:
        self.serve = serve
        self.open: dict[Door, None] = {}
        self.emptied = asyncio.Event()

    def __call__(self) -> Door:
        """Return the protocol of a new connection."""
        return Door(self)

    @property
    def busy(self) -> int:
        """Count the requests of which something came and that are not answered."""
        return sum(door.begun for door in self.open)

    async def shutdown(self, timeout: float) -> None:  # noqa: ASYNC109 - as aiohttp's servers have it
        """Close every connection, at the latest after `timeout` s without what was written to it."""
        for door in tuple(self.open):
            door.close()
        self.emptied.clear()
        if self.open:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self.emptied.wait()
            for door in tuple(self.open):
                door.hang_up(reset=True)


class Door(asyncio.Protocol):
    """One connection; its owner answers each request with `write` and `answered`."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._reader = self._read()
        self._timer: asyncio.TimerHandle | None = None
        self._quiet_since = 0.0
        self._ip = ""
        self._served = self._going = self._paused = self._full = self._owed = self._over = False
        self._last = False
        """Whether the connection ends with this answer."""
        self.begun = False
        """Whether a request has begun and is not answered."""

    # --- what the transport tells ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - by loop.create_server
        self._transport = transport
        self._ip = (transport.get_extra_info("peername") or ("",))[0]
        self._doors.open[self] = None
        self._quiet_since = self._loop.time()
        self._timer = self._loop.call_later(_KEEPALIVE, self._look)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the connection; a request that came in full is served all the same."""
        self._transport = None
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        doors = self._doors
        doors.open.pop(self, None)
        if not doors.open:
            doors.emptied.set()

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        if self._over:
            return
        self._buffer += data
        self._quiet_since = self._loop.time()
        if not self._served:
            self._go_on()
        elif len(self._buffer) > _MAX_AHEAD and self._transport is not None and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """Hear that the client does not read."""
        self._full = True

    def resume_writing(self) -> None:
        """Go on: it reads again."""
        self._full = False
        if self._owed:
            self._owed = False
            self.answered()

    # --- what its owner does ---

    def head(self, status: int, content_type: str, length: int, headers: Mapping[str, str]) -> bytes:
        """Return status line and headers of an answer."""
        return answer_head(status, content_type, length, headers, last=self._last)

    def write(self, data: bytes) -> None:
        """Send a part of the answer."""
        if self._transport is not None:
            self._transport.write(data)

    def answered(self) -> None:
        """Go on to the next request: this one has its answer, once the client takes it."""
        if self._full and self._transport is not None:
            self._owed = True
            return
        self._served = self.begun = False
        if self._transport is None:
            return
        self._quiet_since = self._loop.time()
        if self._last:
            self.close()
            return
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        if self._buffer and not self._going:  # else it goes on by itself
            self._go_on()

    def close(self) -> None:
        """End the connection after what was written."""
        self._over = True
        if self._transport is not None:
            self._transport.close()

    def hang_up(self, *, reset: bool) -> None:
        """End it at once, or with `reset` so that what was written is lost."""
        self._over = True
        transport = self._transport
        if transport is None or not reset:
            self.close()
        elif isinstance(transport, End):
            transport.reset()
        else:
            sock = transport.get_extra_info("socket")
            if sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()

    # --- inside ---

    def _look(self) -> None:
        """End a connection that has been quiet for long, with a word if that was in the middle of a request."""
        until = self._quiet_since + _KEEPALIVE
        if self._served or self._loop.time() < until:
            self._timer = self._loop.call_later(max(until - self._loop.time(), 1.0), self._look)
        elif self.begun or self._buffer:
            self._refuse(408)
        else:
            self.close()

    def _refuse(self, status: int) -> None:
        """Say what was wrong with what came, in the exchange's form, and end the connection."""
        body = http_error_body(status)
        self._last = True
        self.write(self.head(status, "application/json", len(body), {}) + body)
        self._over = True  # closed at once, with bytes unread, the kernel would take the answer back
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(_LINGER, self.close)

    def _go_on(self) -> None:
        self._going = True
        try:
            next(self._reader, None)
        except Malformed:
            self._refuse(400)
        finally:
            self._going = False

    def _read(self) -> Generator[None, None, None]:
        """Read requests; yields for more bytes, and while a request is served."""
        buffer = self._buffer
        while True:
            while (end := buffer.find(b"\r\n\r\n")) < 0:
                if len(buffer) > _MAX_HEAD or not has_begun(buffer):
                    raise Malformed
                yield
            if end > _MAX_HEAD:
                raise Malformed
            text = buffer[:end].decode(errors="surrogateescape")
            del buffer[: end + 4]
            method, path, headers, stays = head_of(text)
            self.begun, self._last = True, not stays
            length = length_of(headers)
            if expects(headers):
                self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if length is not None and length <= len(buffer) and length <= _MAX_BODY:
                body = bytes(buffer[:length])  # the rule: it came in one piece
                del buffer[:length]
                whole = True
            else:
                body, whole = yield from self._read_body(length)
            self._served = True
            self._doors.serve(self, Request(method, path, headers, body, self._ip, 0 if whole else 413))
            while self._served:
                yield
            if self._over:
                return

    def _read_body(self, length: int | None) -> Generator[None, None, tuple[bytes, bool]]:
        """Return the body, and whether that is all of it."""
        body = bytearray()
        if length is None:
            size = yield from self._read_chunks(body)
        else:
            size = length
            yield from self._read_bytes(length, body)
        return (bytes(body), True) if size <= _MAX_BODY else (b"", False)

    def _read_bytes(self, left: int, body: bytearray) -> Generator[None, None, None]:
        buffer = self._buffer
        while left:
            while not buffer:
                yield
            if len(body) <= _MAX_BODY:
                body += buffer[:left]
            taken = min(left, len(buffer))
            del buffer[:taken]
            left -= taken

    def _read_line(self) -> Generator[None, None, bytes]:
        buffer = self._buffer
        while (end := buffer.find(b"\r\n")) < 0:
            if len(buffer) > _MAX_CHUNK_LINE:
                raise Malformed
            yield
        line = bytes(buffer[:end])
        del buffer[: end + 2]
        return line

    def _read_chunks(self, body: bytearray) -> Generator[None, None, int]:
        size = 0
        while True:
            found = _CHUNK.fullmatch((yield from self._read_line()))
            if found is None:
                raise Malformed
            length = int(found[1], 16)
            if not length:
                break
            size += length
            yield from self._read_bytes(length, body)
            if (yield from self._read_line()):
                raise Malformed
        while (yield from self._read_line()):
            pass  # trailers
        return size
