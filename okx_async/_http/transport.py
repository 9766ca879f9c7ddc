"""One aiohttp session, and for every request the fact that decides: whether it may have been sent.

`WriteGate` notes the moment of the write, on the client's own session and on a caller's: whatever fails before it is
not sent, the way through a proxy included. Only where tests or tools have replaced aiohttp's way of making requests
that moment cannot be seen; there the errors that aiohttp raises while connecting count as not sent, and nothing else.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import aiohttp
from aiohttp.hdrs import CONTENT_ENCODING, RETRY_AFTER
from yarl import URL

from okx_async._http.bodies import PLAIN, Reply, UnreadableBodyError, read_body, unpack
from okx_async._http.connector import CLOSED, Connector, distrust_theirs
from okx_async._http.direct import DirectResponse, DirectWay, direct_way
from okx_async._http.early_reader import EarlyReader
from okx_async._http.failures import certificate_wanted, futile
from okx_async._http.inflight import InFlight
from okx_async._http.prewarm import warm
from okx_async._http.route import DIRECT, Route
from okx_async._http.session_way import NO_TIMEOUT, SessionWay
from okx_async._http.sessions import check_session, genuine, overridden
from okx_async._http.steps import is_usual
from okx_async._http.timeouts import HELD_UP
from okx_async._http.unconnected import in_full, reason, time_is_over
from okx_async._http.write_batch import WriteBatch
from okx_async._http.write_gate import SPOILT, WriteGate, Written

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
        self._connect_timeout = connect_timeout
        self._urls: dict[str, URL] = {}
        self._way = SessionWay(base_url, own=self._own, connect_timeout=connect_timeout, route=route)
        self._direct: DirectWay | None = None
        self._opening = asyncio.Lock()
        self._batch = WriteBatch()

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
        way = self._direct if plain and is_usual() and not session.trace_configs else None
        data = None if plain and not session.trace_configs else body or None  # what hooks and mocks are to see
        begun = request.loop.time()
        for _ in range(_LOOKS):
            begun = request.loop.time()
            gate = WriteGate(request, self._batch, b"" if data else body)
            reader = None
            try:
                url = self._urls.get(path) or self._url(path)
                if way is not None:
                    return await self._ask(way, session, request, gate, method, url, headers)
                reader = self._reader(session, request, gate)
                return await self._exchange(session, request, gate, reader, method, url, headers, data)
            except Exception as exc:  # noqa: BLE001 - the request knows whether it may have left
                if not self._spoilt(exc, request, gate) and not self._held_up(exc, request, begun):
                    break
            except BaseException as exc:  # noqa: BLE001 - it goes on its way
                if request.expired and not (request.may_have_left or request.ended or request.failure):
                    request.failure = time_is_over(
                        request, self._session, self._route, self._connect_timeout, own=self._own
                    )
                if reader is None or reader.response is None:
                    self._distrust(session, request, gate.silent_since)
                # Frames of aiohttp hold the headers: they leave neither with it nor with the exceptions before it.
                exc.__cause__ = exc.__context__ = None
                raise exc.with_traceback(None)  # noqa: B904 - it is the same one
            if not await self._may_look_on(request, gate):
                break
        request.failure = in_full(request.failure, session, request.loop.time() - begun)
        return None

    def _reader(self, session: aiohttp.ClientSession, request: InFlight, gate: WriteGate) -> EarlyReader | None:
        """Return what reads the answer before the program's own functions, None if there are none."""
        if self._own and not session.trace_configs:  # its own may be instrumented, too
            return None
        return EarlyReader(request, partial(self._read, session, request, gate))

    def _distrust(self, session: aiohttp.ClientSession, request: InFlight, written: Written | None) -> None:
        """Use no connection to the exchange over which nothing was heard since a request was written.

        The request had its whole time, or else it was cancelled, perhaps at once.
        """
        if written is None or not (request.expired or request.loop.time() - written.at >= SILENCE):
            return
        connector = session.connector
        if isinstance(connector, Connector):
            connector.distrust(written.moment)
        elif connector is not None:
            distrust_theirs(connector, URL(self._base_url), written.pool_time)

    def _begin(self, session: aiohttp.ClientSession, request: InFlight, *, plain: bool) -> bool:
        """Start the time to connect, and return whether the request may be made."""
        if session.closed:
            request.failure = CLOSED if self._own else "the session is closed"
            request.futile = True
        elif self._own:
            request.connecting(self._connect_timeout)
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

    def _spoilt(self, exc: BaseException, request: InFlight, gate: WriteGate) -> bool:
        """Say what an error means for the request; return whether only its connection is to blame, so nothing left."""
        if isinstance(exc, UnreadableBodyError):
            request.drop()
        if not gate.reached and isinstance(exc, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            request.not_connected()
        alert = gate.alert
        if alert is not None:  # of TLS 1.3, which lets requests follow before the server has judged the handshake
            exc, request.failure = alert, ""
        lost = request.failure == SPOILT or isinstance(exc, OSError | aiohttp.ServerDisconnectedError)
        if certificate_wanted(exc) and gate.fresh:
            request.not_connected()  # what was written was not read
        elif gate.spoilt and lost and alert is None:
            request.failure = SPOILT
            return True
        connected = gate.connected or not gate.reached
        request.failure = request.failure or reason(
            exc, self._session, self._route, self._connect_timeout, connected=connected
        )
        request.futile = not request.may_have_left and futile(exc)
        return False

    async def _may_look_on(self, request: InFlight, gate: WriteGate) -> bool:
        """Return whether another connection may serve; no if the server has ended this one by a TLS alert."""
        for _ in range(2):  # turns in which the loop finds other idle connections that have ended, and by what
            await asyncio.sleep(0)
        return gate.alert is None or self._spoilt(gate.alert, request, gate)

    def _held_up(self, exc: Exception, request: InFlight, begun: float) -> bool:
        """Return whether aiohttp's time to connect ran out because the loop stood still, so that it is tried again."""
        if self._own or request.may_have_left or not isinstance(exc, aiohttp.ConnectionTimeoutError):
            return False
        late = request.loop.time() - begun - self._connect_timeout > HELD_UP
        if late:
            request.asking()
        return late

    async def _ask(  # noqa: PLR0917 - private, and in the order of `send`
        self,
        way: DirectWay,
        session: aiohttp.ClientSession,
        request: InFlight,
        gate: WriteGate,
        method: str,
        url: URL,
        headers: Callable[[], Mapping[str, str]],
    ) -> Reply | None:
        response = await way.ask(gate, method, url, headers)
        try:
            return await self._read(session, request, gate, response)
        finally:
            response.release()

    async def _exchange(  # noqa: PLR0917 - private, and in the order of `send`
        self,
        session: aiohttp.ClientSession,
        request: InFlight,
        gate: WriteGate,
        reader: EarlyReader | None,
        method: str,
        url: URL,
        headers: Callable[[], Mapping[str, str]],
        data: bytes | None,
    ) -> Reply | None:
        try:
            response = await self._way.ask(session, gate, reader, method, url, headers, data)
        except BaseException as exc:
            if reader is None or reader.response is None or not reader.survives(exc):
                raise
            response = reader.response
        try:
            if reader is None or reader.response is None:
                return await self._read(session, request, gate, response)
            return reader.result()
        finally:
            response.release()

    async def _read(
        self,
        session: aiohttp.ClientSession,
        request: InFlight,
        gate: WriteGate,
        response: aiohttp.ClientResponse | DirectResponse,
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
                timeout=self._way.timeout,
                options=self._way.options,
                settings=self._way.settings,
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
            timeout=NO_TIMEOUT,
            trust_env=False,
            auto_decompress=False,
        )
        if self._route.proxy is None:
            self._direct = direct_way(self._session, URL(self._base_url))
        return self._session
