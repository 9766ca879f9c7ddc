"""One aiohttp session, and for every request the fact that decides: whether it may have been sent.

`WriteGate` notes the moment of the write, on the client's own session and on a caller's: whatever fails before it is
not sent, the way through a proxy included. Only where tests or tools have replaced aiohttp's way of making requests
that moment cannot be seen; there the errors that aiohttp raises while connecting count as not sent, and nothing else.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import aiohttp
from aiohttp.hdrs import CONTENT_ENCODING, PROXY_AUTHORIZATION, RETRY_AFTER
from yarl import URL

from okx_async._http.bodies import PLAIN, Reply, UnreadableBodyError, read_body, unpack
from okx_async._http.connector import Connector, distrust_theirs
from okx_async._http.early_reader import EarlyReader
from okx_async._http.failures import certificate_wanted, futile
from okx_async._http.inflight import InFlight
from okx_async._http.prewarm import warm
from okx_async._http.protocol import LIMITS
from okx_async._http.proxy import Proxy
from okx_async._http.route import DIRECT, Route
from okx_async._http.sessions import check_session, genuine, overridden, twin
from okx_async._http.timeouts import HELD_UP
from okx_async._http.unconnected import reason, time_is_over
from okx_async._http.write_batch import WriteBatch
from okx_async._http.write_gate import SPOILT, WriteGate

_NEVER: Final = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)

SILENCE: Final = 1.0
"""Seconds without an answer after which a cancelled request tells of its network: callers have time-outs, too."""

_LOOKS: Final = 4
"""Connections tried for one request: a server that hangs up at once must not cause an endless loop."""


class Transport:
    """Sends requests, and repeats none.

    Args:
        base_url: Where to; checked.
        session: The caller's session. None: one of its own.
        connect_timeout: Seconds to a usable connection.
        keepalive: Seconds for which an idle connection of its own session is kept.
        route: The way of the connections of its own session.
    """

    def __init__(
        self,
        base_url: str,
        *,
        session: aiohttp.ClientSession | None,
        connect_timeout: float,
        keepalive: float,
        route: Route = DIRECT,
    ) -> None:
        if session is not None:
            check_session(session)
        self._base_url = base_url
        self._own = session is None
        self._session = session
        self._keepalive = keepalive
        self._route = route
        self._options = LIMITS if route.proxy is None else {**LIMITS, **_through(route.proxy)}
        # A proxy that gets the request itself, and no CONNECT, wants its login there.
        self._login = None
        if route.proxy is not None and not base_url.startswith("https:"):
            self._login = route.proxy.authorization
        self._connect_timeout = connect_timeout
        self._urls: dict[str, URL] = {}
        self._opening = asyncio.Lock()
        self._batch = WriteBatch()
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
        return self._own and self._session is not None and not self._session.closed

    async def send(
        self,
        request: InFlight,
        method: str,
        path: str,
        headers: Callable[[], Mapping[str, str]],
        body: bytes,
    ) -> Reply | None:
        """Send one request and return its answer, or None with the reason in ``request.failure``.

        Args:
            request: The wire side of the attempt.
            method: "GET" or "POST".
            path: The path with its query, as signed.
            headers: Returns the headers, with the length of the body. A function shows no secret where the variables of
                frames are logged.
            body: What to post, if anything.
        """
        session = self._session or self._open()
        plain = genuine(session)
        if not self._begin(session, request, plain=plain):
            return None
        data = None if plain and not session.trace_configs else body or None  # what hooks and mocks are to see
        for _ in range(_LOOKS):
            begun = request.loop.time()
            gate = WriteGate(request, self._batch, b"" if data else body)
            reader = None
            try:
                if not self._own or session.trace_configs:  # its own may be instrumented, too
                    reader = EarlyReader(request, partial(self._read, session, request, gate))
                return await self._exchange(session, request, gate, reader, method, path, headers, data)
            except Exception as exc:  # noqa: BLE001 - the request knows whether it may have left
                if not self._spoilt(exc, request, gate) and not self._held_up(exc, request, begun):
                    break
            except BaseException as exc:  # noqa: BLE001 - it goes on its way
                if request.expired and not (request.may_have_left or request.ended or request.failure):
                    request.failure = time_is_over(
                        request, self._session, self._route, self._connect_timeout, own=self._own
                    )
                if reader is None or reader.response is None:
                    self._distrust(session, gate.silence, at_end=request.expired)
                # Frames of aiohttp hold the headers: they leave neither with it nor with the exceptions before it.
                exc.__cause__ = exc.__context__ = None
                raise exc.with_traceback(None)  # noqa: B904 - it is the same one
            for _ in range(2):  # turns in which the loop finds other idle connections that have ended
                await asyncio.sleep(0)
        return None

    def _distrust(self, session: aiohttp.ClientSession, silence: tuple[int, float] | None, *, at_end: bool) -> None:
        """Use no connection to the exchange over which nothing was heard since a request was written.

        `at_end`: the request had its whole time; else it was cancelled, perhaps at once.
        """
        if silence is None or not (at_end or silence[1] >= SILENCE):
            return
        moment, seconds = silence
        connector = session.connector
        if isinstance(connector, Connector):
            connector.distrust(moment)
        elif connector is not None:
            distrust_theirs(connector, URL(self._base_url), seconds)

    def _begin(self, session: aiohttp.ClientSession, request: InFlight, *, plain: bool) -> bool:
        """Start the time to connect, and return whether the request may be made."""
        if self._own:
            request.connecting(self._connect_timeout)
        elif session.closed:
            request.failure = "the session is closed"
            request.futile = True
        elif getattr(session, "_loop", request.loop) is not request.loop:  # no public name for it that does not warn
            request.failure = "the session was made in another event loop"
            request.futile = True
        elif plain:
            request.asking()
        elif forbidden := request.forbidden():
            request.failure = forbidden
        else:
            request.connected(None)
        return not request.failure

    def _spoilt(self, exc: Exception, request: InFlight, gate: WriteGate) -> bool:
        """Say what an error means for the request; return whether only its connection is to blame, so nothing left."""
        if isinstance(exc, UnreadableBodyError):
            request.drop()
        if not gate.reached and isinstance(exc, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            request.not_connected()
        lost = request.failure == SPOILT or isinstance(exc, OSError | aiohttp.ServerDisconnectedError)
        if certificate_wanted(exc):
            request.not_connected()  # what was written was not read
        elif gate.spoilt and lost:
            request.failure = SPOILT
            return True
        connected = gate.connected or not gate.reached
        request.failure = request.failure or reason(
            exc, self._session, self._route, self._connect_timeout, connected=connected
        )
        request.futile = not request.may_have_left and futile(exc)
        return False

    def _held_up(self, exc: Exception, request: InFlight, begun: float) -> bool:
        """Return whether aiohttp's time to connect ran out because the loop stood still, so that it is tried again."""
        if self._own or request.may_have_left or not isinstance(exc, aiohttp.ConnectionTimeoutError):
            return False
        late = request.loop.time() - begun - self._connect_timeout > HELD_UP
        if late:
            request.asking()
        return late

    async def _exchange(  # noqa: PLR0917 - private, and in the order of `send`
        self,
        session: aiohttp.ClientSession,
        request: InFlight,
        gate: WriteGate,
        reader: EarlyReader | None,
        method: str,
        path: str,
        headers: Callable[[], Mapping[str, str]],
        data: bytes | None,
    ) -> Reply | None:
        asked = twin(session, self._route.session_settings) if self._route.session_settings else session
        try:
            response = await asked.request(
                method,
                self._urls.get(path) or self._url(path),
                data=data,
                headers=headers() if self._login is None else {**headers(), PROXY_AUTHORIZATION: self._login},
                timeout=self._timeout,
                allow_redirects=False,
                raise_for_status=False,
                expect100=False,
                auto_decompress=False,
                middlewares=(gate,) if reader is None else (reader, gate),
                **self._options,
            )
        except BaseException as exc:
            if reader is None or reader.response is None or not reader.survives(exc):
                raise
            response = reader.response
        finally:
            if asked is not session:
                asked.detach()
        try:
            if reader is None or reader.response is None:
                return await self._read(session, request, gate, response)
            return reader.result()
        finally:
            response.release()

    async def _read(
        self, session: aiohttp.ClientSession, request: InFlight, gate: WriteGate, response: aiohttp.ClientResponse
    ) -> Reply | None:
        """Return the answer of a response, or None with the reason in ``request.failure``."""
        try:
            if gate.spoilt:
                response.close()  # an answer to nothing, which came before the request was written
                request.failure = SPOILT
                raise aiohttp.ClientConnectionError(SPOILT)
            if not gate.reached:
                connection = response.connection
                request.answering(None if connection is None else connection.transport)
                if not self._own and overridden(session):
                    request.failure = "the session answered by itself, over no connection of the request"
                    return None
            try:
                answer = await read_body(response.content, request.longest)
            finally:
                if not self._own and response.connection is None:
                    request.answered()
            if not answer.startswith(PLAIN):
                encodings = response.headers.getall(CONTENT_ENCODING, ())
                answer = unpack(answer, ",".join(encodings), request.longest)
            return Reply(response.status, answer, response.headers.get(RETRY_AFTER))
        except UnreadableBodyError as exc:
            raise UnreadableBodyError(f"the answer (HTTP {response.status}) {exc}") from None
        finally:
            gate.rest()

    @property
    def keeps_connections(self) -> bool:
        """Whether a connection is kept once its request has ended."""
        return not self._own or self._keepalive > 0

    async def open(self, count: int, bound: int) -> int:
        """Open connections until `count` stand ready, `bound` at most in all; return how many do."""
        if not self.keeps_connections:
            return 0
        async with self._opening:
            session = self._session or self._open()
            return await warm(
                session,
                URL(self._base_url),
                count,
                bound=bound,
                seconds=self._connect_timeout,
                timeout=self._timeout,
                options=self._options,
                settings=self._route.session_settings,
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
            connector=Connector(self._keepalive, self._route, self._connect_timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_NEVER,
            trust_env=False,
            auto_decompress=False,
        )
        return self._session


def _through(proxy: Proxy) -> dict[str, Any]:
    """Return the options of a request that goes through a proxy."""
    login = None if proxy.authorization is None else {PROXY_AUTHORIZATION: proxy.authorization}
    return {"proxy": proxy.url, "proxy_headers": login}
