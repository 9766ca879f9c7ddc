"""Connections of the client's own session, which take no bytes but those of answers."""

import asyncio
import socket
from functools import partial
from typing import Any
from weakref import WeakSet

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from okx_async._http.protocol import AskedProtocol
from okx_async._http.sockets import RESET


class Connector(aiohttp.TCPConnector):
    """A TCP connector that knows its sockets, and whose connections end when something comes over them unasked."""

    def __init__(self, keepalive: float) -> None:
        # limit=0: no queue inside aiohttp, `CapacityLimiter` bounds the requests.
        super().__init__(
            limit=0, limit_per_host=0, keepalive_timeout=keepalive, socket_factory=self._socket, ttl_dns_cache=60
        )
        self.keepalive = keepalive
        factory: Any = partial(AskedProtocol, loop=asyncio.get_running_loop())
        self._factory = factory  # aiohttp's name for what makes its protocols; it has no public one
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._made: dict[int, float] = {}

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout) -> Connection:  # noqa: ASYNC109 - aiohttp's signature
        """Return a connection that takes no bytes until its request is written."""
        if "send" not in vars(req):
            raise aiohttp.ClientConnectionError(
                "no request leaves without its WriteGate, which knows whether it has left"
            )
        connection = await super().connect(req, traces, timeout)
        protocol = connection.protocol
        if isinstance(protocol, AskedProtocol):
            protocol.rest()
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
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        except BaseException:
            sock.close()
            raise
        self._sockets.add(sock)
        self._made[sock.fileno()] = asyncio.get_running_loop().time()
        return sock
