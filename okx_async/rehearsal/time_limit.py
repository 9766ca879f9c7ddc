"""The time that one request of the rehearsal has, and whether it had a connection."""

import asyncio
from typing import Any

import aiohttp


class TimeLimit:
    """The time that one request has: to its connection, and from there to the end of its answer.

    Args:
        connect_timeout: Seconds to a usable connection.
        timeout: Seconds from there.
    """

    def __init__(self, connect_timeout: float, timeout: float) -> None:
        self.clock = asyncio.timeout(connect_timeout)
        """Entered around the request."""
        self.connected = False
        """Whether it had a connection, through a proxy's tunnel too: from then on it may have left."""
        self._timeout = timeout

    def connect(self) -> None:
        """Let the second time begin."""
        self.connected = True
        if not self.clock.expired():
            self.clock.reschedule(asyncio.get_running_loop().time() + self._timeout)


async def connected(_session: aiohttp.ClientSession, context: Any, _about: object) -> None:
    """Tell the limit of a request that it has a connection; for aiohttp's tracing."""
    context.trace_request_ctx.connect()
