"""TLS: certificates that are refused are named once, with a remedy; a slow handshake counts as waiting."""

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp
import pytest

from okx_async import NotSentError
from tests.sockets import tls
from tests.sockets.conftest import Clients

pytestmark = [pytest.mark.loops, pytest.mark.usefixtures("no_uid_check")]

OWN = pytest.mark.parametrize("own", [True, False], ids=["own session", "caller's session"])
TAKEN = b'HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n{"code":"0","data":[],"msg":""}'


@pytest.fixture(autouse=True)
def _trust(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls.CONTEXT, tls.trusting())


@dataclass
class Server:
    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)


@contextmanager
def running(  # noqa: C901 - a server and its front
    context: ssl.SSLContext, handshake: float = 0.0
) -> Iterator[Server]:
    """Run a server, in a loop of its own, behind a front that lets handshakes through after so many seconds."""
    seen = Server()
    writers: list[asyncio.StreamWriter] = []
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # it is told of each handshake that fails

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                seen.requests.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(TAKEN)
        writer.close()

    async def front(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        await asyncio.sleep(handshake)
        there, back = await asyncio.open_connection("127.0.0.1", inner.sockets[0].getsockname()[1])

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while data := await source.read(65536):
                    sink.write(data)
            sink.close()

        writers.extend((back, writer))
        await asyncio.gather(pump(reader, back), pump(there, writer))

    async def start(handler: Any, tls: ssl.SSLContext | None) -> asyncio.Server:
        return await asyncio.start_server(handler, "127.0.0.1", 0, ssl=tls)

    async def end() -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)

    def there(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(5)

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    inner, outer = there(start(serve, context)), there(start(front, None))
    seen.port = outer.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        for server in (inner, outer):
            loop.call_soon_threadsafe(server.close)
        there(end())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def servers() -> Iterator[Callable[..., Server]]:
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(running(*arguments))


@OWN
@pytest.mark.parametrize(
    ("name", "by", "until", "said", "remedy"),
    [
        ("localhost", "a stranger", None, r"is not trusted \(", "SSL_CERT_FILE, --cafile, ssl="),
        ("localhost", "", tls.LONG_AGO, r"has expired \(", "date and time"),
        ("other.example", "", None, r"is for another name \(Hostname mismatch", "region, base_url and proxy"),
    ],
    ids=["untrusted", "expired", "another name"],
)
async def test_a_certificate_that_is_refused_is_named_once(  # noqa: PLR0917 - fixtures and parameters
    clients: Clients,
    servers: Callable[..., Server],
    name: str,
    by: str,
    until: datetime | None,
    said: str,
    remedy: str,
    *,
    own: bool,
) -> None:
    async with aiohttp.ClientSession() as session:
        server = servers(tls.serving(name, by=by, until=until))
        client = clients(f"https://localhost:{server.port}", session=None if own else session)
        with pytest.raises(NotSentError, match=f"nothing was sent: the certificate of localhost .*({said})") as caught:
            await client.close_position("BTC-USDT-SWAP", "cross")
        with pytest.raises(NotSentError, match=remedy):
            await client.positions()
        with pytest.raises(NotSentError, match=remedy):
            await client.flatten(deadline=3.0)
        assert await client.warm_up(1) == 0
        assert clients.fate(client) == "free"
    assert remedy in str(caught.value)
    assert "trying again" not in str(caught.value)
    assert [attempt.token for attempt in caught.value.attempts] == ["refunded"]
    assert server.requests == []
    assert server.connections <= 8  # one for each address of localhost and each call


@OWN
async def test_a_slow_handshake_counts_as_waiting(
    clients: Clients, servers: Callable[..., Server], *, own: bool
) -> None:
    async with aiohttp.ClientSession() as session:
        server = servers(tls.serving(), 0.6)
        client = clients(f"https://localhost:{server.port}", session=None if own else session, connect_timeout=4.0)
        begun = time.monotonic()
        with pytest.raises(NotSentError, match="nothing was sent"):
            await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0.2)
        assert 0.15 < time.monotonic() - begun < 0.55
        assert clients.fate(client) == "free"
        await asyncio.sleep(0.6)
        assert server.requests == []
        await client.close_position("BTC-USDT-SWAP", "cross", max_wait=3.0)
        await client.close_position("BTC-USDT-SWAP", "cross")
        assert len(server.requests) == 2


async def test_with_no_time_to_wait_a_connection_may_still_be_made(
    clients: Clients, servers: Callable[..., Server]
) -> None:
    """max_wait=0 is no wait for a slot; a cold client would never send anything with it otherwise."""
    server = servers(tls.serving(), 0.1)
    client = clients(f"https://localhost:{server.port}")
    await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0)
    assert len(server.requests) == 1
