"""Protocols of connections that take bytes only while an answer is awaited, also of a caller's session.

An answer belongs to the request before it, so bytes that come while nothing was asked belong to no request. aiohttp
would keep them, without bound, or take them for the answer to the next request.
"""

import asyncio
import inspect
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.streams import EMPTY_PAYLOAD

from okx_async._http.sockets import reset, watch

# Proxies and CDNs add headers of any size and number, and no exchange has promised to stay below aiohttp's limits.
LIMITS: Final[dict[str, Any]] = {
    name: limit
    for name, limit in {"max_line_size": 1 << 16, "max_field_size": 1 << 16, "max_headers": 1000}.items()
    if name in inspect.signature(aiohttp.ClientSession._request).parameters  # noqa: SLF001 - older ones lack one
}
"""What is read of an answer's head."""

MOST_HEAD: Final = 1 << 19
"""Most bytes before the body of an answer, interim answers included: within `LIMITS` a head may have 64 MB."""
_BEGINNING: Final = b"\r\n\r\nHTTP/1."
_MOST_ANSWERS: Final = 100
_PIECE: Final = 2048
"""Bytes, and interim answers ("100 Continue") in one piece of them, above which a peer only keeps the loop busy."""


MOMENTS: Final = count(1)
"""In which order bytes are written and heard; the clocks of some loops stand still for a while."""


class AskedProtocol(ResponseHandler):
    """aiohttp's protocol, which ends its connection when bytes come over it unasked."""

    asker: object | None = "the connector, while the connection is made"
    """What asked for the bytes that come now, None if nothing did."""

    served = False
    """Whether a request has ended that was written to it."""

    heard = 0
    """When bytes came over it last, or it was made: one of MOMENTS."""

    ended_by: BaseException | None = None
    """What ended it, None if it is open or ended as agreed; aiohttp keeps that only while an answer is awaited."""

    _head = 0
    """Bytes of the answer that came before its body."""

    readable: Callable[[], bool]
    """Tells, while the connection is open, whether the kernel has something of it that the loop has not read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        super().connection_made(transport)
        self.heard = next(MOMENTS)
        self.readable = watch(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Take note of its end."""
        self.ended_by = exc
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes of an answer."""
        self.heard = next(MOMENTS)
        if self.asker is None and data:  # without data, aiohttp goes on with what it has
            self.force_close()
            reset(self.transport)
        elif len(data) > _PIECE and data.count(_BEGINNING) > _MOST_ANSWERS:
            self.set_exception(aiohttp.ClientPayloadError("a flood of answers came for one request"))
            reset(self.transport)
        else:
            super().data_received(data)
            if self._payload is None or self._payload is EMPTY_PAYLOAD:  # no body has begun
                self._head += len(data)
                if self._head > MOST_HEAD:
                    text = f"the head of the answer is longer than {MOST_HEAD} bytes"
                    self.set_exception(aiohttp.ClientPayloadError(text))
                    reset(self.transport)

    def set_response_params(self, **params: Any) -> None:
        """Prepare for an answer."""
        self._payload, self._head = None, 0
        super().set_response_params(**params)

    def rest(self) -> None:
        """Take no more bytes; end the connection if some came already that belong to no answer."""
        if self.asker is not None:
            if self.should_close:
                reset(self.transport)
            self.asker = None


class TunnelProtocol(AskedProtocol):
    """The protocol of connections through a proxy, whose answer to CONNECT may be as long as any other."""

    def set_response_params(self, **params: Any) -> None:
        """Prepare for an answer."""
        super().set_response_params(**{**params, **LIMITS})


class _AfterAnswer:
    """Takes the bytes of a connection of a caller's session, in the place of aiohttp's protocol.

    Each request of aiohttp's has a parser of its own. As long as there is none but that of our last answer, nothing
    else was asked, and what comes is the end of the connection.
    """

    __slots__ = ("_protocol", "parser")

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self.parser: object = None

    def __call__(self, data: bytes) -> None:
        protocol = self._protocol
        if data and protocol._parser is self.parser:  # noqa: SLF001 - it has no public name
            reset(protocol.transport)
        else:
            type(protocol).data_received(protocol, data)


def has_served(protocol: Any) -> bool:
    """Return whether a request of ours has ended that was written to a connection."""
    if isinstance(protocol, AskedProtocol):
        return protocol.served
    return isinstance(getattr(protocol, "data_received", None), _AfterAnswer)


def rest_theirs(protocol: Any) -> None:
    """Have a connection of a caller's session take no bytes until its next request, ours or the caller's."""
    transport = getattr(protocol, "transport", None)
    if not isinstance(protocol, ResponseHandler) or transport is None or not hasattr(protocol, "_parser"):
        return
    taker = protocol.data_received
    if not isinstance(taker, _AfterAnswer):
        taker = _AfterAnswer(protocol)
        replaced: Any = protocol
        replaced.data_received = taker
        with suppress(NotImplementedError):  # asyncio.BaseTransport has the name, and no more
            transport.set_protocol(protocol)  # transports of uvloop know the method, and not its name
    taker.parser = protocol._parser  # noqa: SLF001 - the same
