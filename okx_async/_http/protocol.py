"""The protocol of the connections of the client's own session: it takes bytes only while an answer is awaited.

An answer belongs to the request before it, so bytes that come while nothing was asked belong to no request. aiohttp
would keep them, without bound, or take them for the answer to the next request.
"""

import asyncio
from collections.abc import Callable

from aiohttp.client_proto import ResponseHandler

from okx_async._http.sockets import reset, watch


class AskedProtocol(ResponseHandler):
    """aiohttp's protocol, which ends its connection when bytes come over it unasked."""

    asker: object | None = "the connector, while the connection is made"
    """What asked for the bytes that come now, None if nothing did."""

    readable: Callable[[], bool]
    """Tells, while the connection is open, whether the kernel has something of it that the loop has not read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        super().connection_made(transport)
        self.readable = watch(transport)

    def data_received(self, data: bytes) -> None:
        """Take bytes of an answer."""
        if self.asker is not None or not data:  # without data, aiohttp goes on with what it has
            super().data_received(data)
        else:
            self.force_close()
            reset(self.transport)

    def rest(self) -> None:
        """Take no more bytes; end the connection if some came already that belong to no answer."""
        if self.asker is not None:
            if self.should_close:
                reset(self.transport)
            self.asker = None
