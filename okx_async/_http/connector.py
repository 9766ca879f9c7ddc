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

from okx_async._http.protocol import AskedProtocol, TunnelProtocol
from okx_async._http.resolver import PATIENCE, LastKnown, system_names
from okx_async._http.route import DIRECT, Route
from okx_async._http.sockets import RESET
from okx_async._portions import Pace


class Connector(aiohttp.TCPConnector):
    """A TCP connector that knows its sockets, and whose connections end when something comes over them unasked.

    Args:
        keepalive: Seconds for which an idle connection is kept; 0: each request has a connection of its own.
        route: Certificates, addresses and names.
        connect_timeout: Seconds to a usable connection.
    """

    def __init__(self, keepalive: float, route: Route = DIRECT, connect_timeout: float = 4 * PATIENCE) -> None:
        self.names = LastKnown(
            route.resolver or system_names(),
            patience=min(PATIENCE, connect_timeout / 4),
            owned=route.resolver is None,
        )
        idle: dict[str, Any] = {"keepalive_timeout": keepalive} if keepalive else {"force_close": True}
        # limit=0: no queue inside aiohttp, `CapacityLimiter` bounds the requests.
        super().__init__(
            limit=0,
            limit_per_host=0,
            socket_factory=self._socket,
            ttl_dns_cache=60,
            resolver=self.names,
            ssl=True if route.ssl is None else route.ssl,
            family=route.family,
            local_addr=None if route.local_addr is None else (route.local_addr, 0),
            **idle,
        )
        self.keepalive = keepalive
        kind = AskedProtocol if route.proxy is None else TunnelProtocol
        factory: Any = partial(kind, loop=asyncio.get_running_loop())
        self._factory = factory  # aiohttp's name for what makes its protocols; it has no public one
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._made: dict[int, float] = {}
        self._pace = Pace()

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout) -> Connection:  # noqa: ASYNC109 - aiohttp's signature
        """Return a connection that takes no bytes until its request is written."""
        if "send" not in vars(req):
            raise aiohttp.ClientConnectionError(
                "no request leaves without its WriteGate, which knows whether it has left"
            )
        try:
            connection = await super().connect(req, traces, timeout)
        except BaseException:
            self.clear_dns_cache()  # the host may have another address by now
            raise
        protocol = connection.protocol
        if isinstance(protocol, AskedProtocol):
            protocol.rest()
        return connection

    async def _create_connection(self, *request: Any) -> Any:
        # Proxies and small servers keep a hundred connections that they have not met yet. Of more at once the system
        # there drops some, which costs each of them a second.
        await self._pace.wait()
        return await super()._create_connection(*request)

    async def close(self, **how: Any) -> None:
        """Close all connections, and end all lookups."""
        await super().close(**how)
        await self.names.close()

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
