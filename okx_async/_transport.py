"""The socket side: one aiohttp session, and of every request the one fact that decides, whether it was sent.

On our own session the connector marks the request when it gets its connection: before the mark not a byte can have
left, after it any byte may have. The mark also starts the response's time-out. On a caller's session there is no
such moment to observe, so only the errors that aiohttp raises while connecting count as not sent.

A connection whose request is in doubt is reset. Closing alone is not enough: what is still in the kernel's send
buffer would be delivered; with SO_LINGER (1, 0) the kernel drops it and sends RST.
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct
from contextlib import suppress
from contextvars import ContextVar
from math import inf
from typing import TYPE_CHECKING, NamedTuple

import aiohttp
from aiohttp.hdrs import RETRY_AFTER
from yarl import URL

from okx_async._errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

    from okx_async._flight import Flight

__all__ = ["Reply", "Transport"]

MAX_BODY = 1 << 20
"""Bytes of a response that are read; the exchange's are far below, and a longer one is nobody's envelope."""

NOT_REPEATED = "the connection was lost, and is not repeated here"
_NEVER = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
_LOOKS = 3
"""Connections that are looked at for one request: a server that hangs up at once must not keep us at it."""
_HUNG_UP: int = getattr(select, "POLLRDHUP", 0)  # Linux; elsewhere only what the loop has read is known
_RESET = struct.pack("ii", 1, 0)
_FLIGHT: ContextVar[Flight | None] = ContextVar("okx_async_flight", default=None)

# What a session must not add to a signed request.
_OURS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "transfer-encoding",
        "x-simulated-trading",
    }
)


class Reply(NamedTuple):
    """A complete response, read to its end."""

    status: int
    body: bytes
    retry_after: str | None


class Connector(aiohttp.TCPConnector):
    """Tells the request in whose context it connects that it has its connection."""

    def __init__(self, keepalive: float) -> None:
        # limit=0: no queue inside aiohttp, the gate stands before the slot.
        super().__init__(
            limit=0, limit_per_host=0, keepalive_timeout=keepalive, socket_factory=_socket, ttl_dns_cache=60
        )
        self._polls: dict[int, select.poll] = {}

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout) -> Connection:  # noqa: ASYNC109 - aiohttp's signature
        """Connect, and mark the flight."""
        flight = _FLIGHT.get()
        if flight is not None and flight.marked:
            # aiohttp repeats idempotent requests by itself; one slot is one request.
            raise aiohttp.ClientConnectionError(NOT_REPEATED)
        connection = await super().connect(req, traces, timeout)
        if flight is not None:
            for _ in range(_LOOKS):
                if not self._spoilt(connection):
                    break
                connection.close()
                for _ in range(2):  # turns: the loop reads what else came to idle connections, and drops those
                    await asyncio.sleep(0)
                connection = await super().connect(req, traces, timeout)
            if (flight.until < inf or flight.writing is not None) and (forbidden := flight.forbidden()):
                connection.release()
                raise aiohttp.ClientConnectionError(forbidden)
            flight.mark(connection.transport)
        return connection

    def _spoilt(self, connection: Connection) -> bool:
        """Whether something came while the connection stood idle, so that it must not carry a request.

        Bytes: aiohttp would take them for the answer to this request. The end, perhaps not read by the loop yet: the
        request would be lost, and nobody could tell.
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
        if poll is None:  # it knows the number alone, and may be used again for the next socket of that number
            poll = self._polls[number] = select.poll()
            poll.register(number, _HUNG_UP)
        return bool(poll.poll(0))


def _socket(addr_info: tuple[int, int, int, str, object]) -> socket.socket:
    family, kind, proto, _, _ = addr_info
    sock = socket.socket(family, kind, proto)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    except BaseException:
        sock.close()
        raise
    return sock


def _once() -> aiohttp.ClientMiddlewareType:
    """Let a question out once: a caller's session has no other place to keep aiohttp from repeating it."""
    gone = False

    async def middleware(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        nonlocal gone
        if gone:
            raise aiohttp.ClientConnectionError(NOT_REPEATED)
        gone = True
        return await handler(request)

    return middleware


class Transport:
    """Sends one request at a time for each caller, and repeats nothing."""

    def __init__(
        self,
        base_url: str,
        *,
        session: aiohttp.ClientSession | None,
        connect_timeout: float,
        keepalive: float,
    ) -> None:
        if session is not None:
            _check_session(session)
        self._base_url = base_url
        self._own = session is None
        self._session = session
        self._keepalive = keepalive
        self._connect_timeout = connect_timeout
        self._urls: dict[str, URL] = {}
        # A caller's session has no mark: its connecting gets a limit that aiohttp reports as such. The threshold
        # keeps aiohttp from rounding that limit up to a whole second.
        self._timeout = (
            _NEVER
            if self._own
            else aiohttp.ClientTimeout(
                total=None, connect=connect_timeout, sock_connect=connect_timeout, sock_read=None, ceil_threshold=3600
            )
        )

    @property
    def opened(self) -> bool:
        """Whether a session of our own is open, and so must be closed."""
        return self._own and self._session is not None

    async def send(
        self, flight: Flight, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> Reply | None:
        """Send one request and read its answer; None if there was no usable one, with the reason in `flight`."""
        session = self._session or self._open()
        if self._own:
            flight.connect(self._connect_timeout)
        elif session.closed:
            flight.failure = "the session is closed"
            return None
        elif forbidden := flight.forbidden():
            flight.failure = forbidden
            return None
        else:
            flight.mark(None)
        url = self._urls.get(path) or self._url(path)
        mark = _FLIGHT.set(flight)
        try:
            response = await session.request(
                method,
                url,
                data=body,
                headers=headers,
                timeout=self._timeout if self._own or flight.until == inf else self._until(flight),
                allow_redirects=False,
                raise_for_status=False,
                expect100=False,
                auto_decompress=False,
                middlewares=() if self._own or body is not None else (_once(),),
            )
            try:  # what `async with` would do, for two microseconds less
                if not (self._own and flight.marked):
                    connection = response.connection
                    flight.answered(None if connection is None else connection.transport)
                return await self._reply(flight, response)
            finally:
                response.release()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as exc:
            if not self._own:
                flight.unmark()
            flight.failure = _words(exc)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the mark says whether the request can have left
            flight.failure = _words(exc)
        finally:
            _FLIGHT.reset(mark)
        return None

    def _until(self, flight: Flight) -> aiohttp.ClientTimeout:
        """Limit the connecting by the last moment for the write: without a mark nobody tells when it is connected."""
        left = min(self._connect_timeout, max(flight.until - flight.loop.time(), 0.001))  # 0 would be no limit
        return aiohttp.ClientTimeout(total=None, connect=left, sock_connect=left, sock_read=None, ceil_threshold=3600)

    async def _reply(self, flight: Flight, response: aiohttp.ClientResponse) -> Reply | None:
        try:
            content = response.content
            body: bytes | None = (first := await content.readany())
            if not content.at_eof() or len(first) > MAX_BODY:  # else it came in one piece, which is the rule
                body = await _whole(content, first)
        finally:
            if not self._own and response.connection is None:
                flight.transport = None  # back in a pool that others use too
        if body is None:
            reset(flight.transport)
            flight.failure = f"the answer (HTTP {response.status}) is longer than {MAX_BODY} bytes"
            return None
        return Reply(response.status, body, response.headers.get(RETRY_AFTER))

    async def open(self, count: int) -> int:
        """Open connections until `count` stand ready in the pool, all at once; return how many do."""
        session = self._session or self._open()
        connector = session.connector
        if connector is None:
            return 0
        for limit in (connector.limit, connector.limit_per_host):  # of a caller's session; 0: none
            count = min(count, limit or count)
        loop = asyncio.get_running_loop()

        async def one() -> None:
            request = aiohttp.ClientRequest("GET", URL(self._base_url), loop=loop, session=session)
            with suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with asyncio.timeout(self._connect_timeout):
                    connections.append(await connector.connect(request, [], self._timeout))

        # All are held until all are open: a connection put back at once would be handed to the next.
        connections: list[Connection] = []
        try:
            ends = await asyncio.gather(*(one() for _ in range(count)), return_exceptions=True)
        finally:  # cancelled too: gather ends after the last of them
            for connection in connections:
                connection.release()
        for end in ends:
            if end is not None:
                raise end
        return len(connections)

    async def aclose(self) -> None:
        """Close the session if it is ours."""
        if self._own and self._session is not None:
            await self._session.close()

    def _url(self, path: str) -> URL:
        url = URL(self._base_url + path, encoded=True)  # as signed: aiohttp must not quote it anew
        if "?" not in path:
            self._urls[path] = url
        return url

    def _open(self) -> aiohttp.ClientSession:
        # No cookies: the jar costs 40 µs a call where the host sends one, and the exchange needs none.
        self._session = aiohttp.ClientSession(
            connector=Connector(self._keepalive),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_NEVER,
            trust_env=False,
            auto_decompress=False,
        )
        return self._session


async def _whole(content: aiohttp.StreamReader, body: bytes) -> bytes | None:
    """Return the body that begins so; None if it is longer than any of the exchange's can be."""
    chunks = []
    size = 0
    while body:
        size += len(body)
        if size > MAX_BODY:
            return None
        chunks.append(body)
        body = await content.readany()
    return b"".join(chunks)


def reset(transport: asyncio.BaseTransport | None) -> None:
    """Drop a connection so that the kernel sends no more of what was written to it."""
    if not isinstance(transport, asyncio.WriteTransport):
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:  # a caller's session did not make its sockets with our factory
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


def _words(exc: BaseException) -> str:
    """Return what went wrong, in full: it is cut once it was looked through for secrets."""
    try:
        text = str(exc)
    except Exception:  # noqa: BLE001 - aiohttp's, made by a user's mock without what their text is made of
        text = ""
    # aiohttp says "ssl:default" of plain http, too, and "400" of answers that it cannot read, whatever their status.
    text = f"{type(exc).__name__}: {text}".replace(" ssl:default", "").replace(": 400, message=", ": ")
    return text.rstrip(": ")


def _check_session(session: aiohttp.ClientSession) -> None:
    """Refuse a session that would change our requests."""
    if not isinstance(session, aiohttp.ClientSession):
        raise InvalidRequestError(f"session must be an aiohttp.ClientSession, got {type(session).__name__}")
    if session.closed:
        raise InvalidRequestError("session is closed")
    if session.auth is not None:
        raise InvalidRequestError("session has a default auth: it would add a header to signed requests")
    if getattr(session, "_base_url", None) is not None:  # no public name for it
        raise InvalidRequestError("session has a base_url: pass base_url to Client instead")
    colliding = sorted(
        name for name in session.headers if name.lower() in _OURS or name.lower().startswith("ok-access-")
    )
    if colliding:
        raise InvalidRequestError(f"session has default headers that belong to each request: {', '.join(colliding)}")
