import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aioresponses import aioresponses
from yarl import URL

from okx_async import InvalidRequestError
from okx_async._http.bodies import MAX_BODY, Reply
from okx_async._http.connector import CLOSED, Connector
from okx_async._http.inflight import InFlight
from okx_async._http.timeouts import TimeoutGroup
from okx_async._http.transport import Transport

BASE = "https://openapi.okx.com"
PATH = "/api/v5/account/positions?instId=BTC-USDT-SWAP,ETH-USDT-SWAP"


def transport(session: aiohttp.ClientSession | None = None) -> Transport:
    return Transport(BASE, session=session, connect_timeout=2.0, keepalive=15.0)


@pytest.fixture
async def own() -> AsyncIterator[Transport]:
    made = transport()
    yield made
    await made.aclose()


async def send(subject: Transport, path: str = PATH, longest: int = MAX_BODY) -> tuple[InFlight, Reply | None]:
    request = InFlight(TimeoutGroup(asyncio.get_running_loop()), timeout=5.0, wall_clock=lambda: 0.0)
    request.longest = longest
    with request:
        return request, await subject.send(request, "GET", path, lambda: {"OK-ACCESS-KEY": "k"}, b"")


async def test_each_request_states_what_it_needs(own: Transport, mocked: aioresponses) -> None:
    mocked.get(URL(BASE + PATH, encoded=True), body=b"{}", headers={"Retry-After": "3"})
    request, reply = await send(own)
    assert reply == Reply(200, b"{}", "3")
    assert request.may_have_left
    ((call,),) = mocked.requests.values()
    stated: dict[str, Any] = call.kwargs
    for name in ("allow_redirects", "raise_for_status", "expect100", "auto_decompress"):
        assert stated[name] is False
    assert len(stated["middlewares"]) == 1  # ours, in place of any of the session's
    assert stated["headers"] == {"OK-ACCESS-KEY": "k"}
    assert stated["timeout"] == aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
    ((_, url),) = mocked.requests
    assert url.raw_path_qs == PATH  # the comma as signed


async def test_its_own_session_adds_nothing_and_queues_nothing(own: Transport) -> None:
    assert not own.opened
    session = own._open()
    assert own.opened
    assert isinstance(session.cookie_jar, aiohttp.DummyCookieJar)
    assert session.trust_env is False
    assert session.trace_configs == []
    assert dict(session.headers) == {}
    connector = session.connector
    assert isinstance(connector, aiohttp.TCPConnector)
    assert (connector.limit, connector.limit_per_host, connector.force_close) == (0, 0, False)
    assert connector._keepalive_timeout == 15.0


async def test_without_a_mark_nothing_was_sent(own: Transport, mocked: aioresponses) -> None:
    mocked.get(URL(BASE + PATH, encoded=True), exception=aiohttp.ServerDisconnectedError())
    request, reply = await send(own)
    assert reply is None
    assert not request.may_have_left
    assert request.failure == "ServerDisconnectedError: Server disconnected"


@pytest.mark.parametrize(
    ("failure", "sent"),
    [
        (aiohttp.ConnectionTimeoutError(), False),
        (aiohttp.ClientConnectorError(None, OSError(111, "refused")), False),  # type: ignore[arg-type]
        (aiohttp.ClientConnectorDNSError(None, OSError(-2, "no name")), False),  # type: ignore[arg-type]
        (aiohttp.ServerDisconnectedError(), True),
        (aiohttp.ClientOSError(104, "reset"), True),
        (aiohttp.SocketTimeoutError(), True),
        (aiohttp.ClientPayloadError(), True),
        (TimeoutError(), True),
        (ValueError("theirs"), True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_on_a_callers_session_few_failures_mean_not_sent(
    mocked: aioresponses, failure: Exception, *, sent: bool
) -> None:
    mocked.get(URL(BASE + PATH, encoded=True), exception=failure)
    async with aiohttp.ClientSession() as session:
        request, reply = await send(transport(session))
    assert reply is None
    assert request.may_have_left is sent
    late = isinstance(failure, aiohttp.ConnectionTimeoutError)
    assert request.failure.startswith("no connection within connect_timeout=2 s" if late else type(failure).__name__)


async def test_a_callers_session_is_told_how_long_to_connect(mocked: aioresponses) -> None:
    mocked.get(URL(BASE + PATH, encoded=True))
    async with aiohttp.ClientSession() as session:
        subject = transport(session)
        await send(subject)
        assert not subject.opened
        await subject.aclose()
        assert not session.closed
    ((call,),) = mocked.requests.values()
    limits = call.kwargs["timeout"]
    assert (limits.total, limits.connect, limits.sock_connect, limits.sock_read) == (None, 2.0, 2.0, None)
    assert limits.ceil_threshold > 2.0  # or aiohttp rounds up to a whole second


@pytest.mark.parametrize("size", [100, 101])
async def test_a_body_is_read_up_to_a_bound(own: Transport, mocked: aioresponses, size: int) -> None:
    mocked.get(URL(BASE + PATH, encoded=True), body=b" " * size, status=502)
    request, reply = await send(own, longest=100)
    assert (reply is None) == (size > 100)
    assert request.failure == ("the answer (HTTP 502) is longer than 100 bytes" if reply is None else "")


async def test_a_closed_session_sends_nothing() -> None:
    async with aiohttp.ClientSession() as session:
        subject = transport(session)
    request, reply = await send(subject)
    assert (reply, request.may_have_left, request.failure) == (None, False, "the session is closed")


async def test_connections_of_the_process_before_a_fork_carry_nothing(own: Transport) -> None:
    connector = own._open().connector
    assert isinstance(connector, Connector)
    connector.leave_alone()
    request, reply = await send(own)
    assert (reply, request.may_have_left, request.failure, request.futile) == (None, False, CLOSED, True)


@pytest.mark.parametrize("told", [True, False])
async def test_none_is_lent_in_a_child_that_python_knows_of_or_not(
    own: Transport, monkeypatch: pytest.MonkeyPatch, *, told: bool
) -> None:
    connector = own._open().connector
    assert isinstance(connector, Connector)
    if told:
        connector.leave_alone()
    else:
        parent = os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: parent + 1)
    with pytest.raises(aiohttp.ClientConnectionError, match="before a fork"):
        await connector.lend(aiohttp.ClientRequest("GET", URL(BASE)), [], aiohttp.ClientTimeout())


async def test_what_would_change_our_requests_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"must be an aiohttp\.ClientSession"):
        transport("session")  # type: ignore[arg-type]
    async with aiohttp.ClientSession(headers={"ok-access-key": "x", "Expect": "y", "X-Mine": "z"}) as session:
        with pytest.raises(InvalidRequestError, match=r"each request: Expect, ok-access-key$"):
            transport(session)
    async with aiohttp.ClientSession(headers={"User-Agent": "desk"}) as session:
        transport(session)
