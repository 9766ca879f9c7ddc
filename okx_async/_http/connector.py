"""Connections of the client's own session: checked before use, reported to their request, reset when in doubt.

Closing the connection of a request in doubt is not enough: the kernel would still deliver its send buffer. With
SO_LINGER (1, 0) the kernel drops the buffer and sends RST.
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct
from contextlib import suppress
from contextvars import ContextVar
from math import inf
from weakref import WeakSet

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from okx_async._http.inflight import InFlight

IN_FLIGHT: ContextVar[InFlight | None] = ContextVar("okx_async_in_flight", default=None)
"""The request that is made in this context."""
NOT_REPEATED = "the connection was lost, and is not repeated here"
_LOOKS = 3
"""Connections checked for one request: a server that hangs up at once must not cause an endless loop."""
_HUNG_UP: int = getattr(select, "POLLRDHUP", 0)  # Linux only; elsewhere only what the loop has read is known
_RESET = struct.pack("ii", 1, 0)


class Connector(aiohttp.TCPConnector):
    """A TCP connector that tells the request of its context when it has its connection."""

    def __init__(self, keepalive: float) -> None:
        # limit=0: no queue inside aiohttp, `CapacityLimiter` bounds the requests.
        super().__init__(
            limit=0, limit_per_host=0, keepalive_timeout=keepalive, socket_factory=self._socket, ttl_dns_cache=60
        )
        self.keepalive = keepalive
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._made: dict[int, float] = {}
        self._polls: dict[int, select.poll] = {}

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout) -> Connection:  # noqa: ASYNC109 - aiohttp's signature
        """Connect, and note in the request that it may leave from here on."""
        request = IN_FLIGHT.get()
        if request is not None and request.may_have_left:
            # aiohttp repeats idempotent requests by itself; one slot is one request.
            raise aiohttp.ClientConnectionError(NOT_REPEATED)
        connection = await super().connect(req, traces, timeout)
        if request is not None:
            for _ in range(_LOOKS):
                if not self._spoilt(connection):
                    break
                connection.close()
                for _ in range(2):  # turns in which the loop drops other idle connections that got bytes
                    await asyncio.sleep(0)
                connection = await super().connect(req, traces, timeout)
            if (request.may_send_until < inf or request.confirm_write is not None) and (
                forbidden := request.forbidden()
            ):
                connection.release()
                raise aiohttp.ClientConnectionError(forbidden)
            request.connected(connection.transport)
        return connection

    @property
    def standing(self) -> int:
        """How many sockets are open: idle, in use, or connecting."""
        return sum(sock.fileno() >= 0 for sock in self._sockets)

    def older(self, connection: Connection, moment: float) -> bool:
        """Return whether a connection was made before a moment of the loop's clock."""
        transport = connection.transport
        sock = None if transport is None else transport.get_extra_info("socket")
        return sock is not None and self._made.get(sock.fileno(), moment) < moment

    def _socket(self, addr_info: tuple[int, int, int, str, object]) -> socket.socket:
        family, kind, proto, _, _ = addr_info
        sock = socket.socket(family, kind, proto)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        except BaseException:
            sock.close()
            raise
        self._sockets.add(sock)
        self._made[sock.fileno()] = asyncio.get_running_loop().time()
        return sock

    def _spoilt(self, connection: Connection) -> bool:
        """Return whether an idle connection received something, so that it must not carry a request.

        aiohttp would take bytes for the answer to this request. After the end of the connection, which the loop may not
        have read yet, the request would be lost with an unknown outcome.
        """
        protocol = connection.protocol
        if protocol is None or (transport := protocol.transport) is None:
            return False
        if protocol.should_close:
            return True
        sock = transport.get_extra_info("socket")
        if not _HUNG_UP or sock is None or (number := sock.fileno()) < 0:
            return False
        poll = self._polls.get(number)
        if poll is None:  # of the number alone, so it serves the next socket of that number too
            poll = self._polls[number] = select.poll()
            poll.register(number, _HUNG_UP)
        return bool(poll.poll(0))


def reset(transport: asyncio.BaseTransport | None) -> None:
    """Drop a connection so that the kernel sends no more of its buffer."""
    if not isinstance(transport, asyncio.WriteTransport):
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:  # a caller's session did not make its sockets with our factory
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
