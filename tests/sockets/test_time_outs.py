"""No answer in time, or no connection: whether the request was sent decides the error and the token."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import aiohttp
import pytest

from okx_async import Attempt, NotSentError, OkxError, Outcome, OutcomeUnknownError, SlotTimeoutError
from tests.sockets.conftest import OWN, Clients, Connection, Stub, silent

pytestmark = [pytest.mark.loops, pytest.mark.usefixtures("no_uid_check")]


@pytest.fixture(autouse=True)
def one_attempt_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out repeats: these tests look at what one attempt leaves behind."""
    monkeypatch.setattr("okx_async._rest.retry.MAX_REPEATS", 0)


@pytest.fixture
def unreachable() -> Iterator[str]:
    """Yield the URL of a port that drops connection attempts: its queue of one is full."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(2):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def refusing() -> Iterator[str]:
    """Yield the URL of a port that refuses connections: bound, so that no other program has it, but not listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


async def nothing_sent(clients: Clients, base_url: str, **arguments: object) -> NotSentError:
    attempts: list[Attempt] = []
    client = clients(base_url, on_attempt=attempts.append, **arguments)
    with pytest.raises(NotSentError) as caught:
        await client.close_position("BTC-USDT-SWAP", "cross")
    assert clients.fate(client) == "free"
    assert [(a.outcome, a.token, a.sent, a.settled) for a in attempts] == [(Outcome.NOT_SENT, "refunded", None, None)]
    assert caught.value.attempts == tuple(attempts)
    assert caught.value.__cause__ is None
    return caught.value


async def test_no_connection_in_time(clients: Clients, unreachable: str) -> None:
    error = await nothing_sent(clients, unreachable, connect_timeout=0.1, timeout=30.0)
    assert (
        str(error)
        == "BTC-USDT-SWAP: nothing was sent: no connection within connect_timeout=0.1 s; trying again is safe"
    )


async def test_no_connection_in_time_on_a_callers_session(clients: Clients, unreachable: str) -> None:
    async with aiohttp.ClientSession() as session:
        error = await nothing_sent(clients, unreachable, connect_timeout=0.1, session=session)
    assert "no connection within connect_timeout=0.1 s" in str(error)


async def test_no_connection_in_time_in_a_full_pool_of_a_caller(stub: Stub, clients: Clients) -> None:
    asked = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        asked.set()

    stub.script = script
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        other = asyncio.ensure_future(session.get(stub.base_url))
        await asked.wait()
        await nothing_sent(clients, stub.base_url, connect_timeout=0.05, session=session)
        other.cancel()
        await asyncio.wait({other})
    assert len(stub.requests) == 1


@OWN
async def test_a_refused_connection(clients: Clients, refusing: str, *, own: bool) -> None:
    async with aiohttp.ClientSession() as session:
        error = await nothing_sent(clients, refusing, session=None if own else session)
    assert "nothing was sent: no connection to 127.0.0.1:" in str(error)
    assert ": Connection refused; trying again is safe" in str(error)


@OWN
async def test_a_name_that_does_not_resolve(clients: Clients, monkeypatch: pytest.MonkeyPatch, *, own: bool) -> None:
    async def getaddrinfo(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    async with aiohttp.ClientSession() as session:
        error = await nothing_sent(clients, "https://okx.invalid", session=None if own else session)
    assert "DNS cannot look up okx.invalid" in str(error)


@OWN
async def test_a_server_that_speaks_no_tls(stub: Stub, clients: Clients, *, own: bool) -> None:
    async def script(connection: Connection) -> None:
        connection.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    stub.script = script
    async with aiohttp.ClientSession() as session:
        secure = stub.base_url.replace("http", "https")
        error = await nothing_sent(clients, secure, session=None if own else session)
    assert "speaks no TLS (WRONG_VERSION_NUMBER): check scheme and port of base_url" in str(error)
    assert stub.requests == []


async def in_doubt(clients: Clients, stub: Stub, **arguments: object) -> OkxError:
    attempts: list[Attempt] = []
    client = clients(stub.base_url, on_attempt=attempts.append, **arguments)
    with pytest.raises(OutcomeUnknownError, match="ask positions, do not blindly repeat") as caught:
        await client.close_position("BTC-USDT-SWAP", "cross")
    assert clients.fate(client) == "in doubt"
    assert [(a.outcome, a.token, a.settled) for a in attempts] == [(Outcome.UNKNOWN, "in doubt", None)]
    assert attempts[0].sent is not None
    assert len(stub.requests) <= 1  # never repeated; none if the machine stalls for the whole time-out
    return caught.value


@OWN
@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
    ids=["nothing", "half the headers", "no body", "an informational response"],
)
async def test_no_complete_answer_in_time(stub: Stub, clients: Clients, begun: bytes, *, own: bool) -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        connection.write(begun)

    stub.script = script
    async with aiohttp.ClientSession() as session:
        error = await in_doubt(clients, stub, timeout=0.1, session=None if own else session)
    assert "no answer within 0.1 s" in str(error)


async def test_a_body_that_arrives_byte_by_byte_has_no_longer(stub: Stub, clients: Clients) -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not connection.ended.is_set():  # each byte in time, and never the last
            connection.write(b" ")
            await asyncio.sleep(0.01)

    stub.script = script
    await in_doubt(clients, stub, timeout=0.1)


async def test_the_time_for_the_answer_begins_with_the_connection(stub: Stub, clients: Clients) -> None:
    client = clients(stub.base_url, timeout=0.5)
    key = client.limiter_key("BTC-USDT-SWAP")
    await client.limiter.block(key, 0.6)  # the queue takes longer than `timeout`
    assert (await client.close_position("BTC-USDT-SWAP", "cross")).attempts[0].waited >= 0.59


async def test_the_connection_is_lost(stub: Stub, clients: Clients) -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        connection.transport.abort()

    stub.script = script
    error = await in_doubt(clients, stub)
    assert "ServerDisconnectedError" in str(error)


async def test_a_request_on_a_connection_that_was_closed_while_idle_is_sent_on_another(
    stub: Stub, clients: Clients
) -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        connection.answer({"code": "0", "data": [], "msg": ""})
        connection.transport.close()

    stub.script = script
    client = clients(stub.base_url)
    for _ in range(3):
        await client.close_position("BTC-USDT-SWAP", "cross")
        await stub.all_ended()
    assert len(stub.connections) == 3


async def test_no_free_connection_in_time(stub: Stub, clients: Clients) -> None:
    stub.script = silent
    client = clients(stub.base_url, max_connections=1, timeout=1.0)
    first = asyncio.ensure_future(client.close_position("ETH-USDT-SWAP", "cross"))
    await clients.until(lambda: stub.requests)
    for max_wait in (0, 0.05):
        with pytest.raises(SlotTimeoutError, match="no connection free within max_wait; nothing was sent"):
            await client.close_position("BTC-USDT-SWAP", "cross", max_wait=max_wait)
        assert clients.fate(client) == "free"
    first.cancel()
    await asyncio.wait({first})
    assert len(stub.requests) == 1
