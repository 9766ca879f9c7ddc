"""The direct way of the client's own session, against servers that keep what they were sent."""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

import aiohttp
import pytest
from aiohttp import http_writer
from yarl import URL

from okx_async._http.bodies import Reply
from okx_async._http.direct import DirectWay, direct_way
from okx_async._http.write_gate import SPOILT
from tests._http.serving import ANSWER, PATH, send, serving

INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


def seen(monkeypatch: pytest.MonkeyPatch, cls: type, name: str) -> list[object]:
    """Stand in the place of a method, as tools do that look at each request."""
    calls: list[object] = []
    step: Callable[..., Any] = getattr(cls, name)

    def looked_at(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments[0])
        return step(*arguments, **options)

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
    [
        (aiohttp.ClientRequest, "send"),
        (aiohttp.ClientRequest, "__init__"),
        (aiohttp.ClientRequest, "update_headers"),
        (aiohttp.ClientResponse, "start"),
        (aiohttp.ClientResponse, "_response_eof"),
        (aiohttp.ClientSession, "_request"),
        (aiohttp.ClientSession, "_prepare_headers"),
        (http_writer.StreamWriter, "write_headers"),
    ],
)
async def test_a_tool_that_looks_at_requests_sees_each(cls: type, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as (server, subject):
        await send(subject)
        calls = seen(monkeypatch, cls, name)
        assert (await send(subject))[1] == Reply(200, b"{}", "3")
    assert len(calls) == 1
    assert len(server.received) == 2


async def test_a_tool_that_looks_at_one_session_sees_each() -> None:
    async with serving() as (server, subject):
        await send(subject)
        session: Any = subject._session
        step, calls = session._request, []

        async def looked_at(*arguments: Any, **options: Any) -> Any:
            calls.append(arguments)
            return await step(*arguments, **options)

        session.__dict__["_request"] = looked_at
        assert (await send(subject))[1] == Reply(200, b"{}", "3")
    assert len(calls) == 1
    assert len(server.received) == 2


class Looking(aiohttp.ClientRequest):
    """Of a tool: notes each request."""

    sent: ClassVar[list[str]] = []

    async def send(self, conn: Any) -> Any:
        self.sent.append(self.method)
        return await super().send(conn)


@pytest.mark.filterwarnings("ignore:Inheritance class:DeprecationWarning")
@pytest.mark.parametrize("how", ["method", "class"])
async def test_a_session_that_a_tool_made_its_own_has_no_direct_way(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have classes of requests and answers, or headers, that the direct way knows nothing of."""
    made = aiohttp.ClientSession.__init__
    Looking.sent.clear()

    def with_class(*arguments: Any, **options: Any) -> None:
        made(*arguments, **options, request_class=Looking)

    async with serving() as (_, subject):
        with monkeypatch.context() as patched:
            if how == "method":
                patched.setattr(aiohttp.ClientSession, "__init__", with_class)
            else:
                patched.setattr(
                    aiohttp, "ClientSession", type("Theirs", (aiohttp.ClientSession,), {"__init__": with_class})
                )
            subject._open()
        assert (await send(subject))[1] == Reply(200, b"{}", "3")
    assert Looking.sent == ["POST"]


async def test_a_session_with_trace_hooks_has_them_called() -> None:
    ended: list[str] = []

    async def note(_: Any, __: Any, parameters: aiohttp.TraceRequestEndParams) -> None:
        ended.append(parameters.method)

    hooks = aiohttp.TraceConfig()
    hooks.on_request_end.append(note)
    hooks.freeze()
    async with serving() as (_, subject):
        subject._open().trace_configs.append(hooks)
        assert (await send(subject))[1] == Reply(200, b"{}", "3")
    assert ended == ["POST"]


async def test_no_request_and_no_response_of_aiohttp_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as (server, subject):
        await send(subject)
        # Each request and each response has a part in these, which are no step that a tool is looked for in.
        monkeypatch.setattr(aiohttp.ClientRequest, "request_info", None)
        monkeypatch.setattr(aiohttp.ClientResponse, "_cleanup_writer", None)
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


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", b"HTTP/1.1 "], ids=["body", "head"]
)
async def test_one_that_is_cancelled_before_the_end_of_its_answer_ends_its_connection(answer: bytes) -> None:
    async with serving(answer) as (server, subject):
        task = asyncio.ensure_future(send(subject))
        await server.asked.wait()
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        await server.ended.wait()
        server.answer = ANSWER
        assert (await send(subject))[1] == Reply(200, b"{}", "3")
        assert server.connections == 2


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
