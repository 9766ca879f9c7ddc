"""One aiohttp session, and for every request the fact that decides: whether it may have been sent.

On the client's own session the connector notes when a request gets its connection: before that no byte can have left,
afterwards any byte may have. On a caller's session this moment cannot be observed, so only the errors that aiohttp
raises while connecting count as not sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from math import inf
from typing import NamedTuple

import aiohttp
from aiohttp.hdrs import RETRY_AFTER
from yarl import URL

from okx_async._errors import InvalidRequestError
from okx_async._http.connector import IN_FLIGHT, NOT_REPEATED, Connector, reset
from okx_async._http.inflight import InFlight
from okx_async._http.prewarm import warm

MAX_BODY = 1 << 20
"""Most bytes of a response that are read; the exchange's are far shorter."""

_NEVER = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)

# Headers that a session must not add to a signed request.
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


def _once() -> aiohttp.ClientMiddlewareType:
    """Let a GET out once: on a caller's session aiohttp cannot be kept from repeating it in any other way."""
    gone = False

    async def middleware(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        nonlocal gone
        if gone:
            raise aiohttp.ClientConnectionError(NOT_REPEATED)
        gone = True
        return await handler(request)

    return middleware


class Transport:
    """Sends requests, and repeats none.

    Args:
        base_url: Where to; checked.
        session: The caller's session. None: one of its own.
        connect_timeout: Seconds to a usable connection.
        keepalive: Seconds for which an idle connection of its own session is kept.
    """

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
        self._opening = asyncio.Lock()
        # On a caller's session aiohttp itself limits the time to connect. The threshold keeps aiohttp from rounding
        # that limit up to a whole second.
        self._timeout = (
            _NEVER
            if self._own
            else aiohttp.ClientTimeout(
                total=None, connect=connect_timeout, sock_connect=connect_timeout, sock_read=None, ceil_threshold=3600
            )
        )

    @property
    def opened(self) -> bool:
        """Whether a session of its own is open, and so must be closed."""
        return self._own and self._session is not None

    async def send(
        self, request: InFlight, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> Reply | None:
        """Send one request and return its answer, or None with the reason in ``request.failure``."""
        session = self._session or self._open()
        if self._own:
            request.connecting(self._connect_timeout)
        elif session.closed:
            request.failure = "the session is closed"
            return None
        elif forbidden := request.forbidden():
            request.failure = forbidden
            return None
        else:
            request.connected(None)
        url = self._urls.get(path) or self._url(path)
        mark = IN_FLIGHT.set(request)
        try:
            response = await session.request(
                method,
                url,
                data=body,
                headers=headers,
                timeout=self._timeout if self._own or request.may_send_until == inf else self._until(request),
                allow_redirects=False,
                raise_for_status=False,
                expect100=False,
                auto_decompress=False,
                middlewares=() if self._own or body is not None else (_once(),),
            )
            try:
                if not (self._own and request.may_have_left):
                    connection = response.connection
                    request.answering(None if connection is None else connection.transport)
                return await self._reply(request, response)
            finally:
                response.release()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as exc:
            if not self._own:
                request.not_connected()
            request.failure = _words(exc)
        except Exception as exc:  # noqa: BLE001 - the request knows whether it may have left
            request.failure = _words(exc)
        finally:
            IN_FLIGHT.reset(mark)
        return None

    def _until(self, request: InFlight) -> aiohttp.ClientTimeout:
        """Limit the time to connect by the last moment for the write, on a session that does not tell the moment."""
        left = min(
            self._connect_timeout, max(request.may_send_until - request.loop.time(), 0.001)
        )  # 0 would be no limit
        return aiohttp.ClientTimeout(total=None, connect=left, sock_connect=left, sock_read=None, ceil_threshold=3600)

    async def _reply(self, request: InFlight, response: aiohttp.ClientResponse) -> Reply | None:
        try:
            content = response.content
            body: bytes | None = (first := await content.readany())
            if not content.at_eof() or len(first) > MAX_BODY:  # else it came in one piece, as it nearly always does
                body = await _whole(content, first)
        finally:
            if not self._own and response.connection is None:
                request.transport = None  # back in a pool that others use too
        if body is None:
            reset(request.transport)
            request.failure = f"the answer (HTTP {response.status}) is longer than {MAX_BODY} bytes"
            return None
        return Reply(response.status, body, response.headers.get(RETRY_AFTER))

    async def open(self, count: int, bound: int) -> int:
        """Open connections until `count` stand ready, `bound` at most in all; return how many do."""
        async with self._opening:
            session = self._session or self._open()
            return await warm(
                session,
                URL(self._base_url),
                count,
                bound=bound,
                seconds=self._connect_timeout,
                timeout=self._timeout,
            )

    async def aclose(self) -> None:
        """Close the session if it is not a caller's."""
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
    """Return the whole body that begins with `body`; None if it is longer than MAX_BODY."""
    chunks = []
    size = 0
    while body:
        size += len(body)
        if size > MAX_BODY:
            return None
        chunks.append(body)
        body = await content.readany()
    return b"".join(chunks)


def _words(exc: BaseException) -> str:
    """Return the error as text, in full: it is shortened after the search for secrets."""
    try:
        text = str(exc)
    except Exception:  # noqa: BLE001 - a user's mock may make aiohttp's errors without their parts
        text = ""
    # aiohttp says "ssl:default" for plain http too, and "400" for answers that it cannot read, whatever their status.
    text = f"{type(exc).__name__}: {text}".replace(" ssl:default", "").replace(": 400, message=", ": ")
    return text.rstrip(": ")


def _check_session(session: aiohttp.ClientSession) -> None:
    """Raise InvalidRequestError for a session that would change signed requests."""
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
