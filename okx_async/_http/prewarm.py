"""Opening connections before they are needed, without a request."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from math import inf
from types import MappingProxyType
from typing import Any, Final

import aiohttp
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from aiohttp.connector import Connection
from yarl import URL

from okx_async._http.connector import Connector
from okx_async._http.sessions import set_to
from okx_async._http.timeouts import HELD_UP

YOUNG: Final = 0.1
"""The part of `keepalive` within which an idle connection counts as new.

A connection that is put back counts as just used, though nothing was sent over it. Older ones are replaced, or they
would stay idle for longer than the server keeps them.
"""


class _Held(Exception):  # noqa: N818 - no error: it ends a request in place of its write
    """Ends a request that has its connection."""


async def warm(
    session: aiohttp.ClientSession,
    url: URL,
    count: int,
    *,
    bound: int,
    seconds: float,
    timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - as aiohttp's connectors take it
    options: Mapping[str, Any] = MappingProxyType({}),
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> int:
    """Open connections, all at once, and return how many stand ready.

    Each is opened by a request of the session that ends in place of its write. So it leads where requests lead, through
    the proxy of a caller's session, and they find it in the pool.

    Args:
        session: The session whose connector opens them.
        url: Where to connect to.
        count: How many are to stand ready.
        bound: Most connections of the client's own session, counting those in use. A caller's session has a bound and
            a pool of its own, whose connections are taken as they are.
        seconds: Time for each.
        timeout: aiohttp's time-outs for each.
        options: What else each request is made with: its proxy.
        settings: Private settings of the session that are others for its requests.
    """
    connector = session.connector
    if connector is None:
        return 0
    for limit in (connector.limit, connector.limit_per_host):  # of a caller's session; 0: none
        count = min(count, limit or count)
    opening = _Opening(connector if isinstance(connector, Connector) else None, count, bound)

    async def one() -> None:
        hold = _Hold(opening)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            for _ in range(2):
                with suppress(_Held, Exception):  # connectors of other packages have errors of their own
                    async with asyncio.timeout(seconds) as hold.limit:
                        while not hold.held:  # an old connection was closed, and is replaced
                            with suppress(_Held):
                                request = untraced.request("GET", url, timeout=timeout, middlewares=(hold,), **options)
                                (await request).release()
                                return  # a mock answers without a connection
                if hold.held or loop.time() - begun - seconds <= HELD_UP:
                    break  # else the loop stood still for that time
        finally:
            if not hold.held:
                opening.arrive()

    # Its traces would report each of these requests as one that failed.
    with set_to(session, {**settings, "_trace_configs": []} if session.trace_configs else settings) as untraced:
        ends = await asyncio.gather(*(one() for _ in range(count)), return_exceptions=True)
    for end in ends:
        if end is not None:
            raise end
    return opening.ready


class _Opening:
    """Connections that are opened together.

    All are held until all are open or have failed: one put back at once would be handed out again.
    """

    def __init__(self, ours: Connector | None, count: int, bound: int) -> None:
        self._ours = ours
        self._bound = bound
        self._old = -inf if ours is None else asyncio.get_running_loop().time() - YOUNG * ours.keepalive
        self._missing = count
        self._surplus = 0
        self._all_open = asyncio.Event()
        self.ready = 0
        """How many were put into the pool."""

    def old(self, connection: Connection) -> bool:
        """Return whether a connection is to be replaced."""
        return self._ours is not None and self._ours.older(connection, self._old)

    def arrive(self) -> None:
        """Note that one is open, or has failed."""
        self._missing -= 1
        if not self._missing:
            if self._ours is not None:  # requests may have opened connections of their own meanwhile
                self._surplus = self._ours.standing - self._bound
            self._all_open.set()

    async def put_back(self, connection: Connection) -> None:
        """Put a connection into the pool as soon as all are open, unless there are too many."""
        self.arrive()
        await self._all_open.wait()
        if self._surplus > 0:
            self._surplus -= 1
        else:
            self.ready += 1
            connection.release()


class _Hold:
    """aiohttp's middleware of one request, which ends it at its connection."""

    def __init__(self, opening: _Opening) -> None:
        self._opening = opening
        self.limit: asyncio.Timeout | None = None
        self.held = False

    def __deepcopy__(self, memo: object) -> "_Hold":
        return self  # see WriteGate

    async def __call__(self, request: ClientRequest, handler: aiohttp.ClientHandlerType) -> ClientResponse:
        steps: Any = request
        steps.send = self._send
        try:
            return await handler(request)
        finally:
            del steps.send

    async def _send(self, connection: Connection) -> ClientResponse:
        if not self._opening.old(connection):
            self.held = True
            if self.limit is not None:
                self.limit.reschedule(None)
            await self._opening.put_back(connection)
        raise _Held  # aiohttp closes the connection if it was not put back
