"""The client's own session behind an HTTP proxy: everything leads through it, and nothing of its login is shown."""

import asyncio
import logging
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

import okx_async as okx
from okx_async import NotSentError, OkxError, RejectedError
from okx_async.doctor import examine_exchange
from okx_async.simulator import SimulatedExchange
from tests.sockets import tls
from tests.sockets.conftest import ACCEPTED, CREDENTIALS, Clients, Connection, Stub, response
from tests.sockets.frames import variables
from tests.sockets.proxies import Front, HttpProxy, running

pytestmark = pytest.mark.usefixtures("no_uid_check")

USER, PASSWORD = "müller", "p@ss:w/rd ü-0815"
LOGIN = "m%C3%BCller:p%40ss%3Aw%2Frd%20%C3%BC-0815"
BASIC = f"Basic {b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
OUTER = pytest.mark.parametrize("scheme", ["http", "https"])


@asynccontextmanager
async def exchange_with_tls() -> AsyncIterator[tuple[Stub, int]]:
    """Run a stub behind TLS, whose connections are accepted in turn."""
    stub = Stub()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(stub), "127.0.0.1", 0, ssl=tls.serving())
    try:
        yield stub, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in stub.connections:
            connection.transport.abort()
        await asyncio.gather(*stub._tasks, return_exceptions=True)


def outer(scheme: str) -> ssl.SSLContext | None:
    return tls.serving() if scheme == "https" else None


@OUTER
async def test_everything_leads_through_its_tunnels(clients: Clients, scheme: str) -> None:
    async with exchange_with_tls() as (stub, port), running(HttpProxy(port, BASIC), tls=outer(scheme)) as proxy:
        client = clients(
            "https://localhost:1",  # nothing listens there: the proxy alone knows the way
            proxy=f"{scheme}://{LOGIN}@localhost:{proxy.port}",
            ssl=tls.trusting(),
        )
        assert await client.warm_up(3) == 3
        opened = proxy.connections
        results = await client.close_positions([okx.ClosePosition("BTC-USDT-SWAP", "cross")] * 3)
        assert [result.ok for result in results] == [True] * 3
        with pytest.raises(okx.OutcomeUnknownError):  # the stub answers everything in one way
            await client.positions()
        assert proxy.connections == len(stub.connections) == opened  # the tunnels that stood ready
        await client.aclose()
    assert {head.split(b"\r\n")[0] for head in proxy.heads} == {b"CONNECT localhost:1 HTTP/1.1"}
    assert {request.path.partition("?")[0] for request in stub.requests} == {
        "/api/v5/account/positions",
        "/api/v5/trade/close-position",
    }
    assert all("proxy-authorization" not in request.headers for request in stub.requests)


@OUTER
@pytest.mark.parametrize("fault", ["silence", "reset", "cancelled"])
async def test_in_a_tunnel_the_moment_of_the_write_is_known_too(clients: Clients, scheme: str, fault: str) -> None:
    async with exchange_with_tls() as (stub, port), running(HttpProxy(port), tls=outer(scheme)) as proxy:

        async def script(line: Connection) -> None:
            await line.request()
            if fault == "reset":
                line.transport.abort()

        stub.script = script
        client = clients(
            f"https://localhost:{port}",
            proxy=f"{scheme}://localhost:{proxy.port}",
            ssl=tls.trusting(),
            timeout=0.3 if fault == "silence" else 5.0,
        )
        closing = asyncio.ensure_future(client.close_position("BTC-USDT-SWAP", "cross"))
        if fault == "cancelled":
            await clients.until(lambda: stub.requests)
            closing.cancel()
            with pytest.raises(asyncio.CancelledError) as cancelled:
                await closing
            assert "already sent, outcome unknown" in "".join(cancelled.value.__notes__)
        else:
            with pytest.raises(okx.OutcomeUnknownError):
                await closing
        assert clients.fate(client) == "in doubt"
        assert len(stub.requests) == 1
        await stub.all_ended()  # the connection of a request in doubt is dropped, through both layers


@OUTER
async def test_an_answer_that_came_before_is_none(clients: Clients, scheme: str) -> None:
    """Bytes that come over a tunnel unasked are not taken for the answer to the next request."""
    async with exchange_with_tls() as (stub, port), running(HttpProxy(port), tls=outer(scheme)) as proxy:

        async def script(line: Connection) -> None:
            await line.request()
            line.answer(ACCEPTED)
            line.answer(ACCEPTED)
            await line.request()
            line.answer(ACCEPTED)

        stub.script = script
        client = clients(f"https://localhost:{port}", proxy=f"{scheme}://localhost:{proxy.port}", ssl=tls.trusting())
        for _ in range(3):
            await client.close_position("BTC-USDT-SWAP", "cross")
        assert len(stub.requests) == 3
        assert len(stub.connections) == 3


@pytest.mark.parametrize(
    "established",
    [
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 1000) for n in range(60)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 60_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(500)) + b"\r\n",
    ],
    ids=["HTTP/1.0", "a body", "chunked", "60 kB of headers", "a header of 60 kB", "500 headers"],
)
async def test_a_tunnel_stands_whatever_the_proxy_says_with_it(clients: Clients, established: bytes) -> None:
    async with exchange_with_tls() as (_, port), running(HttpProxy(port, established=established)) as proxy:
        client = clients(f"https://localhost:{port}", proxy=f"http://127.0.0.1:{proxy.port}", ssl=tls.trusting())
        await client.close_position("BTC-USDT-SWAP", "cross", max_wait=1.0)


@pytest.mark.parametrize(
    ("answer", "words", "most"),
    [
        (b"HTTP/1.1 407 no\r\nContent-Length: 0\r\n\r\n", "proxy asks for a login .*the right user name", 1),
        (b"HTTP/1.1 403 no\r\nContent-Length: 0\r\n\r\n", "its rules must allow CONNECT", 9),
        (b"HTTP/1.1 429 no\r\nContent-Length: 0\r\n\r\n", "HTTP 429 Too Many", 9),
        (b"HTTP/1.1 502 no\r\nContent-Length: 5\r\n\r\nhello", "HTTP 502 Bad Gateway", 9),
        (b"", "the proxy hung up before there was a connection", 9),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100, "SSL|no connection through", 9),
    ],
    ids=["407", "403", "429", "502 with a body", "hangs up", "early bytes"],
)
async def test_before_the_tunnel_stands_nothing_is_sent(  # noqa: PLR0917 - fixtures and parameters
    clients: Clients, stub: Stub, caplog: pytest.LogCaptureFixture, answer: bytes, words: str, most: int
) -> None:
    caplog.set_level(logging.DEBUG)
    async with running(HttpProxy(int(stub.base_url.rpartition(":")[2]), established=answer)) as proxy:
        client = clients(
            "https://exchange.invalid", proxy=f"http://{LOGIN}@127.0.0.1:{proxy.port}", connect_timeout=0.4
        )
        with pytest.raises(NotSentError, match=words) as caught:
            await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0.6)
        with pytest.raises(OkxError) as flattened:
            await client.flatten(deadline=0.5)
        assert await client.warm_up(2) == 0
    assert {attempt.token for attempt in caught.value.attempts} == {"refunded"}
    assert len(caught.value.attempts) <= most
    assert clients.fate(client) == "free"
    assert stub.requests == []
    shown = variables(caught.value) + variables(flattened.value) + caplog.text + repr(client)
    for secret in (PASSWORD, BASIC.removeprefix("Basic "), LOGIN, USER):
        assert secret not in shown


@pytest.mark.parametrize("where", ["connect", "handshake", "tunnel"])
async def test_a_proxy_that_is_silent_or_leaves_in_the_middle(stub: Stub, clients: Clients, where: str) -> None:
    async def leave(writer: asyncio.StreamWriter) -> None:
        writer.close()
        await asyncio.sleep(0)

    silence = asyncio.Event()

    async def wait(_: asyncio.StreamWriter) -> None:
        await silence.wait()

    early = {"connect": None, "handshake": wait, "tunnel": leave}[where]
    proxy = HttpProxy(early=early)
    if where == "connect":
        proxy.serve = lambda reader, _: reader.read()  # type: ignore[method-assign, assignment, return-value]
    async with running(proxy):
        client = clients(
            "https://localhost:1",
            proxy=f"http://127.0.0.1:{proxy.port}",
            ssl=tls.trusting(),
            connect_timeout=0.2,
        )
        with pytest.raises(NotSentError) as caught:
            await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0.5)
        late = f"no connection through the proxy http://127.0.0.1:{proxy.port} within connect_timeout=0.2 s"
        assert (late if where != "tunnel" else "ended in the handshake") in str(caught.value)
        assert {attempt.token for attempt in caught.value.attempts} == {"refunded"}
        assert stub.requests == []
        assert clients.fate(client) == "free"


async def test_a_proxy_that_is_slow_within_the_time_is_waited_for(clients: Clients) -> None:
    async def slowly(_: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)

    async with exchange_with_tls() as (_, port), running(HttpProxy(port, early=slowly)) as proxy:
        client = clients(f"https://localhost:{port}", proxy=f"http://127.0.0.1:{proxy.port}", ssl=tls.trusting())
        await client.close_position("BTC-USDT-SWAP", "cross")


async def test_a_proxy_that_is_down_is_named(clients: Clients) -> None:
    client = clients("https://exchange.invalid", proxy=f"http://{LOGIN}@127.0.0.1:9")
    with pytest.raises(NotSentError, match=r"no connection to the proxy 127\.0\.0\.1:9: ") as caught:
        await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0.3)
    assert PASSWORD not in variables(caught.value)
    assert clients.fate(client) == "free"


async def test_plain_http_is_given_to_the_proxy_with_its_login(stub: Stub, clients: Clients) -> None:
    async with running(HttpProxy(int(stub.base_url.rpartition(":")[2]), BASIC)) as proxy:
        client = clients(
            "http://exchange.invalid", allow_plain_http=True, proxy=f"http://{LOGIN}@127.0.0.1:{proxy.port}"
        )
        assert await client.warm_up(2) == 2
        await client.close_position("BTC-USDT-SWAP", "cross")
        await client.close_position("BTC-USDT-SWAP", "cross")
        await client.aclose()
    assert {request.path for request in stub.requests} == {"http://exchange.invalid/api/v5/trade/close-position"}
    assert len(stub.requests) == 2


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        ("407 no", RejectedError, "a proxy asks for a login: put the right user name"),
        ("403 no", RejectedError, "no answer of OKX itself"),
        ("502 no", okx.OutcomeUnknownError, "may have been executed"),
        ("504 no", okx.OutcomeUnknownError, "may have been executed"),
    ],
)
async def test_what_a_proxy_answers_after_the_write_is_not_unsent(
    stub: Stub, clients: Clients, status: str, error: type[OkxError], said: str
) -> None:
    """The proxy may have passed a plain http request on before it answered."""

    async def script(line: Connection) -> None:
        await line.request()
        line.write(response(status, f"<html>{USER} {PASSWORD} may not".encode()))

    stub.script = script
    port = stub.base_url.rpartition(":")[2]
    client = clients("http://exchange.invalid", allow_plain_http=True, proxy=f"http://{LOGIN}@127.0.0.1:{port}")
    with pytest.raises(error, match=said) as caught:
        await client.close_position("BTC-USDT-SWAP", "cross")
    assert clients.fate(client) == "in doubt"
    assert PASSWORD not in variables(caught.value)
    assert len(stub.requests) == 1


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_the_environment_is_asked_only_if_it_shall_be(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async with exchange_with_tls() as (_, port), running(HttpProxy(port)) as proxy:
        monkeypatch.setenv(name, f"127.0.0.1:{proxy.port}")
        url = f"https://localhost:{port}"
        await clients(url, ssl=tls.trusting()).close_position("BTC-USDT-SWAP", "cross")
        assert proxy.connections == 0
        await clients(url, ssl=tls.trusting(), proxy="env").close_position("BTC-USDT-SWAP", "cross")
        assert proxy.connections == 1
        monkeypatch.setenv("NO_PROXY", "example.com, localhost")
        await clients(url, ssl=tls.trusting(), proxy="env").close_position("BTC-USDT-SWAP", "cross")
        assert proxy.connections == 1


@pytest.mark.parametrize("url", [f"http://{LOGIN}@h:port", f"ftp://{LOGIN}@h:1"])
async def test_a_url_that_is_refused_is_in_no_variable_of_a_frame(url: str) -> None:
    with pytest.raises(okx.InvalidRequestError) as refused:
        okx.Client(CREDENTIALS, proxy=url)
    with pytest.raises(okx.InvalidRequestError) as mirrored:
        okx.Client(CREDENTIALS, base_url=url)
    with pytest.raises(okx.InvalidRequestError) as examined:
        await examine_exchange(CREDENTIALS, proxy=url)
    for caught in (refused, mirrored, examined):
        assert LOGIN not in variables(caught.value)


async def test_doctor_and_flatten_go_through_it() -> None:
    async with SimulatedExchange() as exchange:
        port = int(exchange.base_url.rpartition(":")[2])
        async with (
            running(Front(port), tls=tls.serving()) as front,
            running(HttpProxy(front.port, BASIC)) as proxy,
        ):
            url = f"http://{LOGIN}@127.0.0.1:{proxy.port}"
            found = await examine_exchange(
                exchange.credentials, base_url="https://localhost:1", proxy=url, ssl=tls.trusting()
            )
            assert "fail" not in {finding.level.value for finding in found}
            assert [finding.check for finding in found[:3]] == ["host", "environment", "clock"]
            assert proxy.connections == front.connections > 0
            assert {row.path for row in exchange.journal} >= {"/api/v5/public/time", "/api/v5/account/config"}

            client = okx.Client(
                exchange.credentials,
                base_url="https://localhost:1",
                proxy=url,
                ssl=tls.trusting(),
                limiter=okx.Limiter(),
            )
            exchange.open_position("BTC-USDT-SWAP", 2)
            async with client:
                report = await client.flatten()
            assert report.flat
            assert proxy.connections == front.connections
        assert f"through the proxy http://127.0.0.1:{proxy.port}: answers" in found[0].text
        assert PASSWORD not in repr(found)
    async with running(HttpProxy(login="x")) as proxy:
        found = await examine_exchange(
            CREDENTIALS, base_url="https://a.invalid", proxy=f"http://127.0.0.1:{proxy.port}"
        )
        assert "asks for a login" in found[0].text
