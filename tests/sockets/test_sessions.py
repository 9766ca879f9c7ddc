"""A client over the caller's own session, which it neither changes nor closes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from okx_async import Client, InvalidRequestError, NotSentError, OutcomeUnknownError, RejectedError
from okx_async.simulator import SimulatedExchange
from tests.sockets.conftest import ACCEPTED, OWN, Clients, Connection, Stub

pytestmark = [pytest.mark.loops, pytest.mark.usefixtures("no_uid_check")]


async def test_it_stays_open(exchange: SimulatedExchange, clients: Clients) -> None:
    exchange.open_position("BTC-USDT-SWAP", 1)
    async with aiohttp.ClientSession() as session:
        async with clients(exchange.base_url, session=session, credentials=exchange.credentials) as client:
            await client.close_position("BTC-USDT-SWAP", "cross")
        assert not session.closed
        assert exchange.positions == ()


async def test_its_middleware_does_not_repeat(stub: Stub, clients: Clients) -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        connection.answer(b"<html>", "503 Service Unavailable")

    async def repeating(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        await handler(request)
        return await handler(request)

    stub.script = script
    async with aiohttp.ClientSession(middlewares=[repeating]) as session:
        client = clients(stub.base_url, session=session)
        with pytest.raises(OutcomeUnknownError):
            await client.close_position("BTC-USDT-SWAP", "cross")
    assert len(stub.requests) == 1


@OWN
async def test_a_get_is_sent_once_for_each_slot(stub: Stub, clients: Clients, *, own: bool) -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        connection.answer({"code": "0", "data": [], "msg": ""})
        await connection.request()
        connection.transport.close()  # aiohttp sends a GET again over another connection

    stub.script = script
    async with aiohttp.ClientSession() as session:
        client = clients(stub.base_url, session=None if own else session)
        assert [await client.positions() for _ in range(2)] == [[], []]
        environment, user_id, _ = client.limiter_key("BTC-USDT-SWAP")
        granted = clients.statistics(client, (environment, user_id, "account/positions")).granted
    assert len(stub.requests) == granted == 3


async def test_raise_for_status_hides_no_code(stub: Stub, clients: Clients) -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        connection.answer(
            {"code": "51115", "data": [], "msg": "Cancel all pending close orders."}, "429 Too Many Requests"
        )

    stub.script = script
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        client = clients(stub.base_url, session=session)
        with pytest.raises(RejectedError) as caught:
            await client.close_position("BTC-USDT-SWAP", "cross")
    assert caught.value.code == "51115"


@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect"])
async def test_a_redirect_is_not_followed(stub: Stub, clients: Clients, status: str) -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        connection.answer(b"", status, f"Location: {stub.base_url}/api/v5/trade/close-position")

    stub.script = script
    async with aiohttp.ClientSession() as session:
        client = clients(stub.base_url, session=session)
        with pytest.raises(RejectedError):
            await client.close_position("BTC-USDT-SWAP", "cross")
    assert len(stub.requests) == 1


async def test_its_traces_see_each_request_once(stub: Stub, clients: Clients) -> None:
    seen: list[str] = []

    async def on_start(_: object, __: object, params: aiohttp.TraceRequestStartParams) -> None:
        seen.append(params.method)

    async def on_chunk_sent(_: object, __: object, params: aiohttp.TraceRequestChunkSentParams) -> None:
        seen.append(params.chunk.decode())

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(on_start)
    trace.on_request_chunk_sent.append(on_chunk_sent)
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        client = clients(stub.base_url, session=session)
        await client.close_position("BTC-USDT-SWAP", "cross")
    assert seen == ["POST", '{"instId":"BTC-USDT-SWAP","mgnMode":"cross"}']


@pytest.mark.parametrize(
    "signal",
    [
        "on_request_start",
        "on_connection_create_end",
        "on_request_headers_sent",  # aiohttp's name for the moment before
        "on_request_chunk_sent",
    ],
)
async def test_a_trace_that_raises_before_the_write_leaves_nothing_sent(
    stub: Stub, clients: Clients, signal: str
) -> None:
    async def hook(*_: object) -> None:
        raise ValueError("theirs")

    trace = aiohttp.TraceConfig()
    getattr(trace, signal).append(hook)
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        client = clients(stub.base_url, session=session)
        with pytest.raises(NotSentError, match="theirs"):
            await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0.1)
        assert clients.fate(client) == "free"
    assert stub.requests == []


async def _raises(_: aiohttp.TraceRequestEndParams) -> None:
    raise ValueError("theirs")


async def _raises_cancelled(_: aiohttp.TraceRequestEndParams) -> None:
    raise asyncio.CancelledError


async def _reads(params: aiohttp.TraceRequestEndParams) -> None:
    assert '"code"' in await params.response.text()


async def _reads_the_stream(params: aiohttp.TraceRequestEndParams) -> None:
    await params.response.content.read()


async def _closes(params: aiohttp.TraceRequestEndParams) -> None:
    params.response.close()


async def _takes_its_time(_: aiohttp.TraceRequestEndParams) -> None:
    await asyncio.sleep(0.4)  # longer than `timeout`


@pytest.mark.parametrize("hook", [_raises, _raises_cancelled, _reads, _reads_the_stream, _closes, _takes_its_time])
async def test_a_trace_cannot_lose_an_answer(
    stub: Stub, clients: Clients, hook: Callable[[aiohttp.TraceRequestEndParams], Awaitable[None]]
) -> None:
    async def on_end(_: object, __: object, params: aiohttp.TraceRequestEndParams) -> None:
        await hook(params)

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(on_end)
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        client = clients(stub.base_url, session=session, timeout=0.2)
        assert (await client.close_position("BTC-USDT-SWAP", "cross")).inst_id == "BTC-USDT-SWAP"
        assert clients.fate(client) == "settled"
    assert len(stub.requests) == 1


async def test_an_instrumented_session_of_its_own_cannot_lose_an_answer(
    stub: Stub, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def on_end(*_: object) -> None:
        raise ValueError("a hook of the program's")

    make = aiohttp.ClientSession.__init__

    def instrumented(session: aiohttp.ClientSession, **options: Any) -> None:
        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(on_end)
        make(session, trace_configs=[trace], **options)

    monkeypatch.setattr(aiohttp.ClientSession, "__init__", instrumented)  # as OpenTelemetry and Sentry do
    client = clients(stub.base_url)
    assert (await client.close_position("BTC-USDT-SWAP", "cross")).inst_id == "BTC-USDT-SWAP"
    assert clients.fate(client) == "settled"


async def test_a_wrapper_around_aiohttps_requests_cannot_lose_an_answer(
    stub: Stub, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = aiohttp.ClientSession._request

    async def wrapped(session: aiohttp.ClientSession, *args: Any, **options: Any) -> aiohttp.ClientResponse:
        response = await make(session, *args, **options)
        raise ValueError(f"of an agent's, about {len(await response.read())} bytes")

    monkeypatch.setattr(aiohttp.ClientSession, "_request", wrapped)  # as agents of monitoring services do
    async with aiohttp.ClientSession() as session:
        client = clients(stub.base_url, session=session)
        assert (await client.close_position("BTC-USDT-SWAP", "cross")).inst_id == "BTC-USDT-SWAP"
        assert clients.fate(client) == "settled"


async def test_a_call_is_cancelled_while_a_trace_takes_its_time(stub: Stub, clients: Clients) -> None:
    begun = asyncio.Event()

    async def on_end(*_: object) -> None:
        begun.set()
        await asyncio.sleep(60)

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(on_end)
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        client = clients(stub.base_url, session=session)
        closing = asyncio.create_task(client.close_position("BTC-USDT-SWAP", "cross"))
        await begun.wait()
        closing.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await closing
    assert cancelled.value.__notes__ == ["BTC-USDT-SWAP: already sent, outcome unknown"]


async def test_a_cookie_jar_cannot_lose_an_answer(stub: Stub, clients: Clients) -> None:
    class Full(aiohttp.CookieJar):
        def update_cookies_from_headers(self, *_: object) -> None:
            raise ValueError("the jar is full")

    async def script(connection: Connection) -> None:
        await connection.request()
        connection.answer(ACCEPTED, "200 OK", "Set-Cookie: a=b")

    stub.script = script
    async with aiohttp.ClientSession(cookie_jar=Full()) as session:
        await clients(stub.base_url, session=session).close_position("BTC-USDT-SWAP", "cross")


async def test_a_limit_of_its_connector_makes_closes_wait_for_each_other(stub: Stub, clients: Clients) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=2)) as session:
        client = clients(stub.base_url, session=session, connect_timeout=30.0)
        async with asyncio.timeout(5):  # without waiting for more than its pool can give
            assert await client.warm_up(5) == 2
        await asyncio.gather(*(client.close_position("BTC-USDT-SWAP", "cross") for _ in range(10)))
    assert len(stub.requests) == 10
    assert len(stub.connections) == 2


async def test_its_own_headers_go_along_and_ours_are_as_signed(exchange: SimulatedExchange, clients: Clients) -> None:
    exchange.open_position("BTC-USDT-SWAP", 1)
    async with aiohttp.ClientSession(headers={"User-Agent": "desk-7", "X-Trace": "1"}) as session:
        client = clients(exchange.base_url, session=session, credentials=exchange.credentials)
        assert await client.positions(["BTC-USDT-SWAP", "ETH-USDT-SWAP"])  # a comma in a signed query
        await client.close_position("BTC-USDT-SWAP", "cross")
    assert exchange.positions == ()


async def test_closed_by_its_owner(stub: Stub, clients: Clients) -> None:
    async with aiohttp.ClientSession() as session:
        client = clients(stub.base_url, session=session)
        await client.close_position("BTC-USDT-SWAP", "cross")
    with pytest.raises(NotSentError, match=r"the session is closed$") as caught:
        await client.close_position("ETH-USDT-SWAP", "cross")
    assert len(caught.value.attempts) == 1  # no repeat can help
    for call in (client.positions(), client.close_position("SOL-USDT-SWAP", "cross", confirm=True)):
        with pytest.raises(NotSentError, match=r"the session is closed$"):
            await call
    assert clients.fate(client, client.limiter_key("ETH-USDT-SWAP")) == "free"
    assert await client.warm_up(3) == 0


async def test_made_in_another_event_loop(stub: Stub, clients: Clients) -> None:
    async def make() -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    session = await asyncio.to_thread(asyncio.run, make())
    client = clients(stub.base_url, session=session)
    with pytest.raises(NotSentError, match=r"the session was made in another event loop$") as caught:
        await client.close_position("ETH-USDT-SWAP", "cross")
    assert len(caught.value.attempts) == 1
    session.detach()


async def test_refused_when_the_client_is_made(clients: Clients) -> None:
    async with aiohttp.ClientSession() as session:
        await session.close()
        with pytest.raises(InvalidRequestError, match="session is closed"):
            clients("http://127.0.0.1:1", session=session)
    with pytest.raises(InvalidRequestError, match=r"must be an aiohttp.ClientSession, got str"):
        clients("http://127.0.0.1:1", session="session")
    async with aiohttp.ClientSession(base_url="https://example.com/") as session:
        with pytest.raises(InvalidRequestError, match="base_url"):
            clients("http://127.0.0.1:1", session=session)
    signed = ("OK-ACCESS-KEY", "ok-access-sign", "Content-Type", "x-simulated-trading", "Host", "Accept-Encoding")
    for name in (*signed, "expTime", "Range", "If-None-Match", "If-Modified-Since"):
        async with aiohttp.ClientSession(headers={name: "x"}) as session:
            with pytest.raises(InvalidRequestError, match=f"default headers that belong to each request: {name}"):
                clients("http://127.0.0.1:1", session=session)


@pytest.mark.filterwarnings("ignore:.*auth.*deprecated:DeprecationWarning")
async def test_a_default_auth_is_refused(clients: Clients) -> None:
    async with aiohttp.ClientSession(auth=aiohttp.BasicAuth("user", "password")) as session:
        with pytest.raises(InvalidRequestError, match="default auth") as caught:
            clients("http://127.0.0.1:1", session=session)
    assert "password" not in str(caught.value)


async def test_a_hook_by_which_a_reading_becomes_too_old_is_named(exchange: SimulatedExchange) -> None:
    async def on_start(_: object, __: object, sent: aiohttp.TraceRequestStartParams) -> None:
        if sent.url.path.endswith("close-position"):
            await asyncio.sleep(1.2)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(on_start)
    exchange.open_position("BTC-USDT-SWAP", "3")
    async with (
        aiohttp.ClientSession(trace_configs=[trace]) as session,
        Client(exchange.credentials, base_url=exchange.base_url, session=session) as client,
    ):
        with pytest.raises(NotSentError, match="trace hooks"):
            await client.close_position("BTC-USDT-SWAP", "cross", confirm=True, confirm_timeout=1.5)
