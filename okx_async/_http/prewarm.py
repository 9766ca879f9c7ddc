"""Opening connections before they are needed, without a request."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from math import inf
from typing import Final

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from okx_async._http.connector import Connector

YOUNG: Final = 0.1
"""The part of `keepalive` within which an idle connection counts as new.

A connection that is put back counts as just used, though nothing was sent over it. Older ones are replaced, or they
would stay idle for longer than the server keeps them.
"""


async def warm(
    session: aiohttp.ClientSession,
    url: URL,
    count: int,
    *,
    bound: int,
    seconds: float,
    timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - as aiohttp's connectors take it
) -> int:
    """Open connections, all at once, and return how many stand ready.

    Args:
        session: The session whose connector opens them.
        url: Where to connect to.
        count: How many are to stand ready.
        bound: Most connections of the client's own session, counting those in use. A caller's session has a bound and
            a pool of its own, whose connections are taken as they are.
        seconds: Time for each.
        timeout: aiohttp's time-outs for each.
    """
    connector = session.connector
    if connector is None:
        return 0
    for limit in (connector.limit, connector.limit_per_host):  # of a caller's session; 0: none
        count = min(count, limit or count)
    loop = asyncio.get_running_loop()
    ours = connector if isinstance(connector, Connector) else None
    old = -inf if ours is None else loop.time() - YOUNG * ours.keepalive

    async def one() -> None:
        request = aiohttp.ClientRequest("GET", url, loop=loop, session=session)
        with suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with asyncio.timeout(seconds):
                connection = await connector.connect(request, [], timeout)
                while ours is not None and ours.older(connection, old):
                    connection.close()
                    connection = await connector.connect(request, [], timeout)
                connections.append(connection)

    # All are held until all are open: one put back at once would be handed out again.
    connections: list[Connection] = []
    try:
        ends = await asyncio.gather(*(one() for _ in range(count)), return_exceptions=True)
    finally:
        surplus = 0 if ours is None else ours.standing - bound
        for connection in connections:
            if surplus > 0:  # requests opened connections of their own meanwhile
                surplus -= 1
                connection.close()
            else:
                connection.release()
    for end in ends:
        if end is not None:
            raise end
    return len(connections)
