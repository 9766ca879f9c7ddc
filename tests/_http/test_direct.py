"""The direct way of the client's own session, against servers that keep what they were sent."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from yarl import URL

from okx_async._http.bodies import Reply
from okx_async._http.direct import DirectWay, direct_way
from okx_async._http.inflight import InFlight
from okx_async._http.timeouts import TimeoutGroup
from okx_async._http.transport import Transport
from okx_async._http.write_gate import SPOILT

PATH = "/api/v5/trade/close-position?tag=a,b%20c"
HEADERS = {"OK-ACCESS-KEY": "k", "Accept-Encoding": "identity"}
OF_A_BODY = {"Content-Type": "application/json", "Content-Length": "2"}
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nRetry-After: 3\r\n\r\n{}"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


class Server:
    """Answers each request with the same bytes."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.received: list[bytes] = []
        self.connections = 0
        self.asked, self.ended = asyncio.Event(), asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(2 if b"Content-Length: 2" in head else 0)
            except (asyncio.IncompleteReadError, ConnectionResetError):
                self.ended.set()
                break
            self.received.append(head + body)
            self.asked.set()
            writer.write(self.answer)
        writer.close()

    @property
    def lines(self) -> list[list[bytes]]:
        """The lines of each request; the order of headers says nothing."""
        parts = [request.partition(b"\r\n") for request in self.received]
        return [[first, *sorted(rest.split(b"\r\n"))] for first, _, rest in parts]


@asynccontextmanager
async def serving(answer: bytes = ANSWER, **options: Any) -> AsyncIterator[tuple[Server, Transport]]:
    server = Server(answer)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    subject = Transport(
        f"http://127.0.0.1:{port}", session=None, **{"connect_timeout": 2.0, "keepalive": 15.0, **options}
    )
    try:
        yield server, subject
    finally:
        await subject.aclose()
        listening.close()


async def send(subject: Transport, method: str = "POST", body: bytes = b"[]") -> tuple[InFlight, Reply | None]:
    request = InFlight(TimeoutGroup(asyncio.get_running_loop()), timeout=5.0, wall_clock=lambda: 0.0)
    headers = {**HEADERS, **OF_A_BODY} if body else HEADERS
    with request:
        return request, await subject.send(request, method, PATH, lambda: headers, body)


def seen(monkeypatch: pytest.MonkeyPatch, cls: type, name: str) -> list[object]:
    """Stand in the place of a method, as tools do that look at each request."""
    calls: list[object] = []
    step: Callable[..., Any] = getattr(cls, name)

    async def looked_at(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments[0])
        return await step(*arguments, **options)

    monkeypatch.setattr(cls, name, looked_at)
    return calls


@pytest.mark.parametrize("keepalive", [15.0, 0.0])
@pytest.mark.parametrize(("method", "body"), [("POST", b"[]"), ("GET", b"")])
async def test_its_requests_are_those_of_a_session(
    method: str, body: bytes, keepalive: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(keepalive=keepalive) as (server, subject):
        direct = await send(subject, method, body)
        calls = seen(monkeypatch, aiohttp.ClientRequest, "send")
        by_session = await send(subject, method, body)
    assert direct[1] == by_session[1] == Reply(200, b"{}", "3")
    assert direct[0].may_have_left
    assert len(calls) == 1
    first, second = server.lines
    assert first == second
    assert first[0] == f"{method} {PATH} HTTP/1.1".encode()


@pytest.mark.parametrize(
    ("cls", "name"),
    [(aiohttp.ClientRequest, "send"), (aiohttp.ClientResponse, "start"), (aiohttp.ClientSession, "_request")],
)
async def test_a_tool_that_looks_at_requests_sees_each(cls: type, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as (server, subject):
        await send(subject)
        calls = seen(monkeypatch, cls, name)
        assert (await send(subject))[1] == Reply(200, b"{}", "3")
    assert len(calls) == 1
    assert len(server.received) == 2


async def test_no_request_and_no_response_of_aiohttp_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as (server, subject):
        await send(subject)
        monkeypatch.setattr(aiohttp.ClientRequest, "__init__", None)
        monkeypatch.setattr(aiohttp.ClientResponse, "__init__", None)
        assert (await send(subject))[1] == Reply(200, b"{}", "3")
    assert server.connections == 1


async def test_a_proxy_and_a_version_that_was_not_tried_have_none() -> None:
    async with serving() as (_, subject):
        session = subject._open()
        url = URL(subject._base_url)
        assert isinstance(direct_way(session, url), DirectWay)
        assert isinstance(direct_way(session, url, "3.12.15"), DirectWay)
        for version in ("3.15.0a1", "4.0.0", "10.1"):
            assert direct_way(session, url, version) is None
        async with aiohttp.ClientSession() as theirs:
            assert direct_way(theirs, url) is None


async def test_interim_answers_are_none() -> None:
    async with serving(INTERIM + ANSWER) as (_, subject):
        assert (await send(subject))[1] == Reply(200, b"{}", "3")


async def test_a_switch_of_protocols_is_an_answer_and_its_connection_is_not_kept() -> None:
    async with serving(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n") as (
        server,
        subject,
    ):
        for _ in range(2):
            request, reply = await send(subject)
            assert reply == Reply(101, b"", None)
            assert request.may_have_left
        assert server.connections == 2


async def test_what_is_no_http_is_no_answer_and_names_the_request() -> None:
    async with serving(b"SSH-2.0-OpenSSH_9.6\r\n\r\n") as (server, subject):
        request, reply = await send(subject)
        assert reply is None
        assert request.may_have_left
        assert "ClientResponseError" in request.failure
        assert PATH in request.failure
        assert "k" not in request.failure.split(PATH)[0].split("'")  # no header
        await send(subject)
        assert server.connections == 2


async def test_a_connection_whose_answer_was_not_read_to_its_end_is_not_kept() -> None:
    async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}") as (server, subject):
        task = asyncio.ensure_future(send(subject))
        await server.asked.wait()
        task.cancel()
        await asyncio.wait({task})
        server.answer = ANSWER
        assert (await send(subject))[1] == Reply(200, b"{}", "3")
        assert server.connections == 2


async def test_one_that_is_cancelled_before_the_head_ends_its_connection() -> None:
    async with serving(b"HTTP/1.1 ") as (server, subject):
        task = asyncio.ensure_future(send(subject))
        await server.asked.wait()
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        await server.ended.wait()
        server.answer = ANSWER
        assert (await send(subject))[1] == Reply(200, b"{}", "3")


async def test_a_connection_that_is_lost_as_it_is_lent_carries_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as (server, subject):
        connector = subject._open().connector
        assert connector is not None
        lend = connector.lend  # type: ignore[attr-defined]

        async def lost(*arguments: Any) -> Any:
            connection = await lend(*arguments)
            connection.protocol.close()
            return connection

        monkeypatch.setattr(connector, "lend", lost)
        request, reply = await send(subject)
        assert reply is None
        assert not request.may_have_left
        assert request.failure == f"ClientConnectionResetError: {SPOILT}"
        assert server.received == []


async def test_an_address_that_does_not_answer_in_time_is_said_as_a_session_says_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving() as (_, subject):

        async def lend(*_: Any) -> Any:
            raise TimeoutError

        monkeypatch.setattr(subject._open().connector, "lend", lend)
        request, _ = await send(subject)
        assert not request.may_have_left
        assert request.failure == "no connection within connect_timeout=2 s"
