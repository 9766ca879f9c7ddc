"""A caller's session behind an HTTP proxy: before its tunnel stands nothing is sent, and its login is not shown."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest

from okx_async import NotSentError, OkxError
from tests.sockets.conftest import ACCEPTED, Clients, Connection, Stub
from tests.sockets.frames import variables

pytestmark = pytest.mark.usefixtures("no_uid_check")

PASSWORD = "p'w)rd-0815"
LOGIN = f"alice:{PASSWORD}"


class Proxy:
    """Answers CONNECT as the test says, or forwards what it gets."""

    def __init__(self, answer: bytes | None, *, hang_up: bool = False) -> None:
        self.answer = answer
        self.hang_up = hang_up
        self.heads: list[bytes] = []
        self.connections = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            if self.answer is not None:
                writer.write(self.answer)
                await writer.drain()
            if not self.hang_up:
                await reader.read()
        writer.close()


@asynccontextmanager
async def running(proxy: Proxy) -> AsyncIterator[Proxy]:
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()


def refusal(status: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "Content-Length: 0", "", ""]).encode()


@pytest.mark.share(2)
@pytest.mark.parametrize(
    ("answer", "hang_up", "words", "most"),
    [
        (refusal("407 alice"), False, r"for a login \(HTTP 407 Proxy Authentication Required\): put the right", 1),
        (refusal("401 no"), False, r"asks for a login \(HTTP 401 Unauthorized\)", 1),
        (refusal("403 no"), False, r"the proxy makes no connection to the exchange \(HTTP 403 Forbidden\)", 9),
        (refusal("429 no", "Retry-After: 5"), False, r"\(HTTP 429 Too Many Requests\)", 9),
        (refusal("502 no"), False, r"\(HTTP 502 Bad Gateway\)", 9),
        (refusal("599 no"), False, r"\(HTTP 599\)", 9),
        (b"", True, "the proxy hung up before there was a connection to the exchange: check its scheme", 9),
        (b"HTTP/1.1 2", True, "the proxy hung up before|the proxy's answer cannot be read", 9),
        (b"\x05\xff", True, "the proxy's answer cannot be read: .* that it is an HTTP proxy and no SOCKS proxy", 9),
        (
            refusal("200 OK", f"Via: {'a' * 9000}"),
            False,
            "answer cannot be read: .*Got more than",
            9,
        ),
        (b"SSH-2.0-x\r\n\r\n", False, "the proxy's answer cannot be read", 9),
        (refusal("200 OK"), True, "no connection to|ClientOSError", 9),  # it hangs up in the handshake
        (refusal("200 OK") + b"x" * 100, False, "SSL|the proxy's answer cannot be read", 9),
        (None, False, r"nothing was sent: no connection through the session's proxy within connect_timeout=0\.2 s;", 9),
    ],
    ids=[
        *("407", "401", "403", "429", "502", "599", "hangs up", "half a line", "SOCKS", "a long header", "no HTTP"),
        *("hangs up in the handshake", "garbage for a handshake", "silent"),
    ],
)
@pytest.mark.parametrize("how", ["session's proxy", "environment"])
async def test_before_the_tunnel_stands_nothing_is_sent(
    clients: Clients,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    how: str,
    answer: bytes | None,
    *,
    hang_up: bool,
    words: str,
    most: int,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with running(Proxy(answer, hang_up=hang_up)) as proxy:
        url = f"http://{LOGIN}@127.0.0.1:{proxy.port}"
        monkeypatch.setenv("https_proxy", url)
        ways: dict[str, Callable[[], aiohttp.ClientSession]] = {
            "session's proxy": lambda: aiohttp.ClientSession(proxy=url),
            "environment": lambda: aiohttp.ClientSession(trust_env=True),
        }
        async with ways[how]() as session:
            client = clients("https://127.0.0.1:1", session=session, connect_timeout=0.2)
            with pytest.raises(NotSentError, match=words) as caught:
                await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0.6)
            with pytest.raises(NotSentError, match=words):
                await client.positions()  # aiohttp sends a GET again over another connection
            assert await client.warm_up(2) == 0
    assert {attempt.token for attempt in caught.value.attempts} == {"refunded"}
    assert len(caught.value.attempts) <= most
    assert clients.fate(client) == "free"
    assert proxy.heads[0].startswith(b"CONNECT 127.0.0.1:1 ")
    assert PASSWORD not in variables(caught.value) + caplog.text
    assert "alice" not in str(caught.value)


async def test_an_unusable_proxy_is_named_once_and_not_shown(clients: Clients) -> None:
    async with aiohttp.ClientSession(proxy=f"http://{LOGIN}@host:port") as session:
        client = clients("https://127.0.0.1:1", session=session)
        with pytest.raises(NotSentError, match=r"the URL of the session's proxy cannot be used$") as caught:
            await client.close_position("BTC-USDT-SWAP", "cross")
    assert len(caught.value.attempts) == 1
    assert PASSWORD not in variables(caught.value)


def forwarding(stub: Stub) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", int(stub.base_url.rpartition(":")[2]))

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                while data := await source.read(65536):
                    sink.write(data)
            sink.close()

        await asyncio.gather(pump(reader, back), pump(there, writer))

    return serve


@pytest.mark.parametrize("trust_env", [False, True])
async def test_connections_opened_beforehand_lead_through_the_proxy_and_are_used(
    stub: Stub, clients: Clients, monkeypatch: pytest.MonkeyPatch, *, trust_env: bool
) -> None:
    async def script(line: Connection) -> None:
        while True:
            await line.request()
            line.answer(ACCEPTED)

    stub.script = script
    proxy = Proxy(None)
    proxy.serve = forwarding(stub)  # type: ignore[method-assign, assignment]
    async with running(proxy):
        url = f"http://127.0.0.1:{proxy.port}"
        monkeypatch.setenv("http_proxy", url)
        async with aiohttp.ClientSession(proxy=None if trust_env else url, trust_env=trust_env) as session:
            client = clients("http://exchange.invalid", session=session, allow_plain_http=True)
            assert await client.warm_up(3) == 3
            closes = [client.close_position("BTC-USDT-SWAP", "cross") for _ in range(3)]
            await asyncio.gather(*closes)
            assert len(stub.connections) == 3
        await stub.all_ended()
    assert {request.path for request in stub.requests} == {"http://exchange.invalid/api/v5/trade/close-position"}


async def test_a_flatten_ends_at_once(clients: Clients) -> None:
    async with running(Proxy(refusal("407 no"))) as proxy:
        async with aiohttp.ClientSession(proxy=f"http://127.0.0.1:{proxy.port}") as session:
            client = clients("https://127.0.0.1:1", session=session)
            with pytest.raises(OkxError, match="asks for a login"):
                await client.flatten(deadline=2.0)
        assert proxy.connections == 1
