"""Connections of the client's own session, which take no bytes but those of answers.

A forked child has copies of its parent's connections, and shares the parent's selector: a connection that is closed in
the child is taken from that selector, and the parent would never read its answers. So the child leaves them alone.
"""

import asyncio
import os
import socket
from functools import partial
from typing import Any, Final
from weakref import WeakSet

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from okx_async._http.portions import Pace
from okx_async._http.protocol import AskedProtocol, TunnelProtocol
from okx_async._http.resolver import PATIENCE, LastKnown, system_names
from okx_async._http.route import DIRECT, Route
from okx_async._http.sockets import RESET, reset

CLOSED: Final = "the client's connections are closed, or are those of the process before a fork"


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
        self._process = os.getpid()  # compared where a server forks behind Python's back
        self._pace = Pace()
        _CONNECTORS.add(self)

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout) -> Connection:  # noqa: ASYNC109 - aiohttp's signature
        """Return a connection for a request of aiohttp's."""
        if "send" not in vars(req):
            raise aiohttp.ClientConnectionError(
                "no request leaves without its WriteGate, which knows whether it has left"
            )
        return await self.lend(req, traces, timeout)

    async def lend(self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout) -> Connection:  # noqa: ASYNC109 - aiohttp's signature
        """Return a connection that takes no bytes until its request is written."""
        if self.closed or self._process != os.getpid():  # whose pool still has connections, the parent's
            raise aiohttp.ClientConnectionError(CLOSED)
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

    def leave_alone(self) -> None:
        """In a forked child: count as closed, so that no connection is ended, since all are the parent's."""
        self._closed = True

    def distrust(self, moment: int) -> None:
        """End idle connections over which nothing was heard since a moment of `MOMENTS`.

        A request that was written then has met nothing but silence. Where a network has changed, or a firewall has
        forgotten all connections, each of them would be silent for a whole time-out, one after another.
        """
        for kept in self._conns.values():
            for protocol, _ in kept:
                if isinstance(protocol, AskedProtocol) and protocol.heard < moment:
                    reset(protocol.transport)

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


def distrust_theirs(connector: aiohttp.BaseConnector, url: URL, moment: float) -> None:
    """End connections of a caller's session to a host that are idle since before a moment of `time.monotonic`."""
    for key, kept in getattr(connector, "_conns", {}).items():  # no public name for it
        if (key.host, key.port) == (url.host, url.port):
            for protocol, since in kept:
                if since < moment:
                    protocol.close()


_CONNECTORS: Final[WeakSet[Connector]] = WeakSet()


def _after_fork_in_child() -> None:
    for connector in list(_CONNECTORS):
        connector.leave_alone()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork_in_child)
