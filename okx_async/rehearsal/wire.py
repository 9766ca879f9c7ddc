"""The rehearsal's own requests: each is sent once and observed, right ones and those that are wrong on purpose.

The library's client sends no wrong request and shows no headers of answers, so trials that need either send here. The
slots are those of the client's limiter: whatever else counts under the user id knows of these requests.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Self

import aiohttp
from aiohttp.hdrs import CONTENT_ENCODING, PROXY_AUTHORIZATION
from yarl import URL

from okx_async._calls.identity import Identity, identity_of
from okx_async._credentials import Credentials
from okx_async._errors import NotSentError, OkxError, OutcomeUnknownError
from okx_async._http.bodies import UnreadableBodyError, read_body, unpack
from okx_async._http.failures import words
from okx_async._http.protocol import LIMITS
from okx_async._http.route import DIRECT, Route
from okx_async._http.unconnected import awaited, reason
from okx_async._limiter.slots import SlotSource
from okx_async._quota import Quota
from okx_async._rest.answers import answer_to
from okx_async._rest.requests import CLOSE_PATH, ApiRequest
from okx_async._rest.responses import Answer, one_line
from okx_async._rest.signing import READING, SIGN, Signer
from okx_async.rehearsal.exchanges import HttpExchange, Observer, current_trial
from okx_async.rehearsal.time_limit import TimeLimit, connected

_PATIENCE: Final = 30.0
"""Seconds to wait for a slot."""
_AROUND: Final = len(": \r\n")
_WRONG: Final = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
"""A signature in the right form, of nothing."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer that was read to its end."""

    answer: Answer
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    sent: float
    """The loop's time before the write."""
    received: float
    """The loop's time after the end of the answer."""
    head: int
    """Bytes of the request's first line and headers."""

    @property
    def code(self) -> str:
        """The code that decides, or "HTTP 404" where there is none."""
        return self.answer.code or f"HTTP {self.answer.status}"

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.answer.status

    @property
    def data(self) -> list[Mapping[str, Any]]:
        """The records of the answer."""
        return self.answer.data

    def told(self) -> str:
        """Return code and status as evidence shows them."""
        return f"{self.code} under HTTP {self.status}" if self.answer.code else self.code


@dataclass(frozen=True, slots=True)
class Twist:
    """What is wrong with a request on purpose."""

    age: float = 0.0
    """Seconds by which its timestamp is too old."""
    wrong_signature: bool = False
    other_environment: bool = False
    """Whether it has the header of demo trading though it is for live trading, or the other way round."""
    uncounted: bool = False
    """Whether it takes no slot: the trial is about the exchange's own count."""
    base_url: str = ""
    """Another host; "": the usual one."""
    headers: Mapping[str, str | None] = field(default_factory=dict)
    """Headers to be set in addition; None leaves one out."""


_STRAIGHT: Final = Twist()


class Wire:
    """Sends requests over a session of its own; use it as an asynchronous context manager.

    Args:
        credentials: The API key.
        base_url: Where to, checked.
        demo: Whether requests have the header of demo trading.
        environment: The part of limiter keys that tells exchanges apart.
        limiter: Grants the slots.
        route: The way there: proxy, certificates, addresses.
        observer: Is told every exchange.
        connect_timeout: Seconds to a usable connection.
        timeout: Seconds from there to the answer.
        wall_clock: Unix seconds.
    """

    def __init__(
        self,
        credentials: Credentials,
        base_url: str,
        *,
        demo: bool,
        environment: str,
        limiter: SlotSource,
        route: Route = DIRECT,
        observer: Observer = lambda _: None,
        connect_timeout: float = 2.0,
        timeout: float = 5.0,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._again = partial(
            Wire,
            credentials,
            base_url,
            demo=demo,
            environment=environment,
            limiter=limiter,
            route=route,
            observer=observer,
            connect_timeout=connect_timeout,
            timeout=timeout,
            wall_clock=wall_clock,
        )
        self._base_url = base_url
        self._signers = {demo: Signer(credentials, demo=demo), not demo: Signer(credentials, demo=not demo)}
        self._demo = demo
        self._limiter = limiter
        self._identity = identity_of(environment, credentials.api_key, None, limiter)
        self._route = route
        self._observe = observer
        self._connect_timeout = connect_timeout
        self._timeout = timeout
        self._wall_clock = wall_clock
        self._session: aiohttp.ClientSession | None = None
        self.offset = 0.0
        """Seconds by which the exchange's clock is ahead."""
        self.connections = 0
        """How many were made."""
        self.round_trips: list[float] = []
        """Seconds from each request to the end of its answer, a new connection's included."""
        self.longest_line = 0
        """Bytes of the longest line in the heads of all answers."""
        self.largest_head = 0
        """Bytes of the headers of the answer that had most."""
        self.most_lines = 0
        """Headers of the answer that had most of them."""

    @property
    def identity(self) -> Identity:
        """The user id that requests are counted by, as far as it is known."""
        return self._identity

    async def __aenter__(self) -> Self:
        self._session = self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    def again(self) -> "Wire":
        """Return another one like this, with connections of its own."""
        other = self._again()
        other.offset = self.offset
        return other

    def now(self) -> float:
        """Return the exchange's time, Unix seconds."""
        return self._wall_clock() + self.offset

    async def block(self, request: ApiRequest, seconds: float) -> None:
        """Keep all others from the limit of a request for some seconds: the exchange has counted what no slot has."""
        await self._limiter.block(self.key(request), seconds)

    async def ask(self, request: ApiRequest, twist: Twist = _STRAIGHT) -> Reply:
        """Send a request in a slot of its limit, and return the answer.

        Raises:
            NotSentError: It never left.
            OutcomeUnknownError: There was no whole answer.
        """
        if twist.uncounted:
            return await self._send(request, twist)
        async with self._limiter.slot(self.key(request), max_wait=_PATIENCE, quota=request.quota):
            return await self._send(request, twist)

    def key(self, request: ApiRequest) -> tuple[str, ...]:
        """Return the limiter's key of a request."""
        return self._identity.key(request.label, endpoint=request.path != CLOSE_PATH)

    async def _send(self, request: ApiRequest, twist: Twist) -> Reply:
        session = self._session
        if session is None:
            raise RuntimeError("use it as `async with`")
        headers = self._headers(request, twist)
        base_url = twist.base_url or self._base_url
        loop, started = asyncio.get_running_loop(), self._wall_clock()
        sent, status, answered, body, failure, head = loop.time(), 0, {}, b"", "", 0
        error: OkxError | None = None
        limit = TimeLimit(self._connect_timeout, self._timeout)
        try:
            async with (
                limit.clock,
                session.request(
                    request.method,
                    URL(base_url + request.path, encoded=True),
                    data=request.body or None,
                    headers={**headers, **self._login()},
                    allow_redirects=False,
                    raise_for_status=False,
                    trace_request_ctx=limit,
                    **self._options(),
                ) as response,
            ):
                status, answered = response.status, dict(response.headers)
                self._measure(response)
                head = _size_of_head(response)
                body = await read_body(response.content)
                if encodings := response.headers.get(CONTENT_ENCODING):
                    body = unpack(body, encodings)
        except (aiohttp.ClientError, OSError, TimeoutError, UnreadableBodyError) as lost:
            if limit.connected:
                late = isinstance(lost, TimeoutError)
                failure = f"not within timeout={self._timeout:g} s" if late else one_line(words(lost))
                error = OutcomeUnknownError(f"{request.label}: no whole answer: {failure}")
            else:
                failure = one_line(self._unconnected(lost, session))
                error = NotSentError(f"{request.label}: not sent: {failure}")
        except asyncio.CancelledError:
            failure = "cancelled"
            raise
        finally:
            ended = self._wall_clock()
            self._observe(
                HttpExchange(
                    current_trial.get(),
                    base_url,
                    request.method,
                    request.path,
                    headers,
                    request.body,
                    0 if failure else status,
                    answered,
                    body,
                    started,
                    ended,
                    failure,
                )
            )
        if error is not None:
            raise error from None
        self.round_trips.append(max(0.0, ended - started))  # by the wall clock: uvloop's time is in whole milliseconds
        return Reply(answer_to(request, status, body), answered, body, sent, loop.time(), head)

    def _unconnected(self, lost: Exception, session: aiohttp.ClientSession) -> str:
        """Return why a request got no connection."""
        if isinstance(lost, TimeoutError) and not isinstance(lost, aiohttp.ClientError):
            text = f"no connection within connect_timeout={self._connect_timeout:g} s"
            return awaited(text, session, self._route)
        return reason(lost, session, self._route, self._connect_timeout, connected=False)

    def _measure(self, response: aiohttp.ClientResponse) -> None:
        """Measure the head of an answer."""
        lines = [len(name) + len(value) for name, value in response.raw_headers]
        self.longest_line = max(self.longest_line, *lines, 0)
        self.largest_head = max(self.largest_head, sum(lines) + _AROUND * len(lines))
        self.most_lines = max(self.most_lines, len(lines))

    def _headers(self, request: ApiRequest, twist: Twist) -> dict[str, str]:
        headers = dict(READING)
        if request.signed:
            signer = self._signers[self._demo is not twist.other_environment]
            headers = dict(signer.headers(request.method, request.path, request.body, self.now() - twist.age))
        if twist.wrong_signature:
            headers[SIGN] = _WRONG
        return {name: value for name, value in {**headers, **twist.headers}.items() if value is not None}

    def _login(self) -> dict[str, str]:
        """Return the login for a proxy that gets the request itself, and no CONNECT before it."""
        proxy = self._route.proxy
        if proxy is None or proxy.authorization is None or self._base_url.startswith("https:"):
            return {}
        return {PROXY_AUTHORIZATION: proxy.authorization}

    def _options(self) -> dict[str, Any]:
        """Return what a request needs beside itself: wide limits of the answer's head, and the proxy."""
        proxy = self._route.proxy
        if proxy is None:
            return LIMITS
        login = None if proxy.authorization is None else {PROXY_AUTHORIZATION: proxy.authorization}
        return {**LIMITS, "proxy": proxy.url, "proxy_headers": login}

    def _open(self) -> aiohttp.ClientSession:
        route = self._route
        tracing = aiohttp.TraceConfig()
        tracing.on_connection_create_end.append(self._count)
        for ready in (tracing.on_connection_create_end, tracing.on_connection_reuseconn):
            ready.append(connected)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=True if route.ssl is None else route.ssl,
                family=route.family,
                local_addr=None if route.local_addr is None else (route.local_addr, 0),
                resolver=route.resolver,
                keepalive_timeout=60.0,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
            auto_decompress=False,
            trace_configs=[tracing],
        )

    async def _count(self, *_: object) -> None:
        self.connections += 1


def _size_of_head(response: aiohttp.ClientResponse) -> int:
    """Return the bytes of the head of the request that was answered."""
    sent = response.request_info
    first = len(f"{sent.method} {sent.url.raw_path_qs} HTTP/1.1") + 2
    return first + sum(len(name) + len(value) + _AROUND for name, value in sent.headers.items())


def post(path: str, body: bytes, label: str, quota: Quota, *, itemized: bool = False) -> ApiRequest:
    """Return a request that changes something, other than a close."""
    return ApiRequest("POST", f"/api/v5/{path}", body, label, quota, itemized=itemized)


def get(path: str, label: str, quota: Quota, *, signed: bool = True) -> ApiRequest:
    """Return a request that reads."""
    return ApiRequest("GET", f"/api/v5/{path}", b"", label, quota, needs_user_id=signed, signed=signed)
