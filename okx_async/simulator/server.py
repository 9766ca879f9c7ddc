"""The HTTP side: bytes in, the way in, the decision, the way out, bytes out.

Built on aiohttp's low-level server: the raw path is signed, and unknown paths and wrong methods are answered in the
exchange's own words.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import web

from okx_async.simulator.gateway import Request
from okx_async.simulator.wires import End

if TYPE_CHECKING:
    from collections.abc import Callable

    from okx_async.simulator.gateway import Answer, Gateway

__all__ = ["Front"]

_KEEPALIVE = 75.0  # s that an idle connection is kept: far above any client's own idle time
_MAX_BODY = 256 * 1024  # bytes; no request of this API comes near
_BLANKS = b" " * 65536
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: drop the queue, send RST
_BACKLOG = 4096  # connections that may arrive in one burst


class Front:
    """Serves a gateway over HTTP, on a socket or on any transport that takes a protocol factory."""

    def __init__(
        self,
        gateway: Gateway,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        way: Callable[[], float],
    ) -> None:
        self._gateway = gateway
        self._clock = clock
        self._wall_clock = wall_clock
        self._way = way
        self._working: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._factory: web.Server | None = None

    def factory(self) -> web.Server:
        """Return a protocol factory of the running loop: for `loop.create_server`, or for a network in memory."""
        return web.Server(
            self._handle,
            access_log=None,
            keepalive_timeout=_KEEPALIVE,
            auto_decompress=False,  # the signature is over the bytes that came
        )

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port."""
        self._factory = self.factory()
        self._server = await asyncio.get_running_loop().create_server(self._factory, host, port, backlog=_BACKLOG)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close every connection and leave nothing behind, whatever is still on its way."""
        if self._server is None or self._factory is None:
            return
        self._server.close()
        for task in self._working:
            task.cancel()
        self._factory.pre_shutdown()  # ends idle connections
        await asyncio.sleep(0)
        await self._factory.shutdown(0.05)  # s; every handler was cancelled above
        if self._working:
            await asyncio.wait(tuple(self._working))
        await self._server.wait_closed()
        for _ in range(3):  # a closed transport reports its end in a later turn of the loop
            await asyncio.sleep(0)
        self._server = self._factory = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        task = asyncio.current_task()
        if task is not None:
            self._keep(task)
        way_in, way_out = self._way(), self._way()
        try:
            body, broken = await _read(request)
        except (ConnectionError, web.RequestPayloadError, RuntimeError):
            # RuntimeError: the connection was lost between the headers and the first look at the body.
            return _never_arrived()
        if way_in:
            await asyncio.sleep(way_in)
        arrived = Request(request.method, request.raw_path, request.headers, body, request.remote or "", broken)
        answer = self._gateway.decide(arrived, self._clock(), int(self._wall_clock() * 1000))
        if answer.forwarded is not None:
            self._keep(asyncio.ensure_future(self._forward(arrived, answer.forwarded)))
        if answer.delay + way_out:
            await asyncio.sleep(answer.delay + way_out)
        return await _send(request, answer)

    async def _forward(self, request: Request, after: float) -> None:
        """Decide a request again that a proxy has answered in the exchange's place."""
        await asyncio.sleep(after)
        self._gateway.decide(request, self._clock(), int(self._wall_clock() * 1000), forwarded=True)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._working.add(task)
        task.add_done_callback(self._working.discard)


async def _read(request: web.BaseRequest) -> tuple[bytes, int]:
    """Return the body, or the HTTP status that says why there is none; a body too long is read and dropped.

    Left unread, aiohttp would read it, for up to 10 s and in a task that `stop` cannot reach.
    """
    body, size = bytearray(), 0
    while chunk := await request.content.readany():
        size += len(chunk)
        if size <= _MAX_BODY:
            body += chunk
    return (bytes(body), 0) if size <= _MAX_BODY else (b"", 413)


async def _send(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    """Send an answer, as whole or as broken as it is meant to be."""
    if not answer.status:
        _hang_up(request.transport, reset=answer.reset)
        return web.Response()  # of a connection that was cut nothing is seen
    headers = {"Content-Type": answer.content_type, **answer.headers}
    if not answer.pause and not answer.padding and answer.cut is None:
        return web.Response(status=answer.status, body=answer.body, headers=headers)
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = answer.padding + len(answer.body)
    with suppress(ConnectionError):  # the client has had enough
        await response.prepare(request)
        if answer.pause:
            await asyncio.sleep(answer.pause)
        for sent in range(0, answer.padding, len(_BLANKS)):
            await response.write(_BLANKS[: answer.padding - sent])
        await response.write(answer.body[: answer.cut])
        if answer.cut is not None:
            _hang_up(request.transport, reset=answer.reset)
    return response


def _hang_up(transport: asyncio.BaseTransport | None, *, reset: bool) -> None:
    """End a connection: in an orderly way after what was written, or at once."""
    if isinstance(transport, End):
        transport.reset() if reset else transport.close()
    elif isinstance(transport, asyncio.WriteTransport):
        sock = transport.get_extra_info("socket")
        if reset and sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort() if reset else transport.close()


def _never_arrived() -> web.Response:
    """Answer a request whose end is missing: it is not counted, and hardly anybody is there to listen."""
    response = web.Response(status=400)
    response.force_close()
    return response
