"""Addresses, names, certificates, slow links and long answers, over the client's own connections."""

import asyncio
import contextlib
import os
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from okx_async import NotSentError
from tests.sockets import tls
from tests.sockets.conftest import ACCEPTED, OWN, Clients, Connection, Stub, response
from tests.sockets.test_own_proxy import exchange_with_tls

pytestmark = pytest.mark.usefixtures("no_uid_check")


class Names(AbstractResolver):
    """A resolver that says what the test wants: addresses, an error, or nothing."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.address = address
        self.down: Exception | None = None
        self.silent = asyncio.Event()
        self.silent.set()
        self.asked = 0
        self.families: set[int] = set()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        self.families.add(family)
        await self.silent.wait()
        if self.down is not None:
            raise self.down
        kind = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        return [ResolveResult(hostname=host, host=self.address, port=port, family=kind, proto=0, flags=0)]

    async def close(self) -> None:
        raise AssertionError("the resolver is the caller's")


def named(stub: Stub) -> dict[str, Any]:
    return {"base_url": stub.base_url.replace("127.0.0.1", "exchange.invalid"), "allow_plain_http": True}


async def hang_up_after_each(line: Connection) -> None:
    await line.request()
    line.answer(ACCEPTED, "200 OK", "Connection: close")


async def test_the_last_known_address_serves_while_dns_is_down(
    stub: Stub, clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    stub.script = hang_up_after_each
    names = Names()
    client = clients(**named(stub), resolver=names)
    await client.close_position("BTC-USDT-SWAP", "cross")
    for trouble in ("fails", "silent"):
        if trouble == "fails":
            names.down = OSError(-3, "Temporary failure in name resolution")
        else:
            names.down = None
            names.silent.clear()
        connector: Any = client._wiring.transport._session.connector  # type: ignore[union-attr]
        connector.clear_dns_cache()  # as a minute later
        await client.close_position("BTC-USDT-SWAP", "cross", max_wait=2.0)
    assert "DNS cannot look up exchange.invalid (Temporary failure in name resolution): its last known" in caplog.text
    assert "DNS does not answer for exchange.invalid: its last known address is used" in caplog.text
    assert len(stub.requests) == 3
    names.silent.set()


async def test_an_address_that_answers_no_more_is_looked_up_again(stub: Stub, clients: Clients) -> None:
    stub.script = hang_up_after_each
    names = Names("127.0.0.77")  # nothing listens there
    client = clients(**named(stub), resolver=names)
    with pytest.raises(NotSentError):
        await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0.1)
    names.address = "127.0.0.1"
    await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0.5)
    assert names.asked >= 2

    names.address, names.down = "127.0.0.1", OSError(-3, "Temporary failure")
    for known in client._wiring.transport._session.connector.names._known.values():  # type: ignore[union-attr]
        known[0]["host"] = "127.0.0.77"  # the exchange has moved while DNS is down
    connector: Any = client._wiring.transport._session.connector  # type: ignore[union-attr]
    connector.clear_dns_cache()
    with pytest.raises(NotSentError, match=r"DNS cannot look up .*and its last known address does not answer"):
        await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0.1)


async def test_dns_is_named_though_the_first_try_had_no_need_of_it(stub: Stub, clients: Clients) -> None:
    """The first one goes to the address that aiohttp keeps, and its failure is what has DNS asked."""
    stub.script = hang_up_after_each
    names = Names()
    client = clients(**named(stub), resolver=names, keepalive=0)
    await client.close_position("BTC-USDT-SWAP", "cross")
    names.down = OSError(-3, "Temporary failure")
    for known in client._wiring.transport._session.connector.names._known.values():  # type: ignore[union-attr]
        known[0]["host"] = "127.0.0.77"  # nothing listens there; aiohttp keeps the same record
    told = r"DNS cannot look up exchange\.invalid .*, and its last known address does not answer: .* refused"
    with pytest.raises(NotSentError, match=told) as caught:
        await client.close_position("BTC-USDT-SWAP", "cross", max_wait=1.0)
    assert len(caught.value.attempts) > 1


@pytest.mark.parametrize("trouble", ["fails", "silent"])
async def test_what_is_wrong_with_dns_is_named(clients: Clients, trouble: str) -> None:
    names = Names()
    if trouble == "fails":
        names.down = OSError(-2, "Name or service not known")
    else:
        names.silent.clear()
    client = clients("https://exchange.invalid", resolver=names, connect_timeout=0.2)
    with pytest.raises(NotSentError) as caught:
        await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0.5)
    told = {
        "fails": "DNS cannot look up exchange.invalid (Name or service not known)",
        "silent": "DNS does not answer for exchange.invalid: no connection within connect_timeout=0.2 s",
    }
    assert told[trouble] in str(caught.value)
    assert clients.fate(client) == "free"
    names.silent.set()


async def test_on_a_callers_session_too(clients: Clients) -> None:
    names = Names()
    names.down = OSError(-2, "Name or service not known")
    connector = aiohttp.TCPConnector(resolver=names)
    async with aiohttp.ClientSession(connector=connector) as session:
        client = clients("https://exchange.invalid", session=session)
        with pytest.raises(NotSentError, match=r"DNS cannot look up exchange\.invalid \(Name or service not known\)"):
            await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0.1)


async def test_connections_leave_from_the_address_that_was_given(stub: Stub, clients: Clients) -> None:
    client = clients(stub.base_url, local_addr="127.0.0.5")
    assert await client.warm_up(2) == 2
    await client.close_position("BTC-USDT-SWAP", "cross")
    peers = {line.transport.get_extra_info("peername")[0] for line in stub.connections}
    assert peers == {"127.0.0.5"}


async def test_an_address_of_another_machine_is_named(stub: Stub, clients: Clients) -> None:
    client = clients(stub.base_url, local_addr="192.0.2.1")
    with pytest.raises(NotSentError, match=r"local_addr=192\.0\.2\.1, which is no address of this") as caught:
        await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0.3)
    assert {attempt.token for attempt in caught.value.attempts} == {"refunded"}


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
async def test_names_are_looked_up_for_one_family_only(stub: Stub, clients: Clients, family: int) -> None:
    names = Names("127.0.0.1" if family == socket.AF_INET else "::1")
    client = clients(**named(stub), resolver=names, family=family)
    with contextlib.suppress(NotSentError):
        await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0.1)
    assert names.families == {family}


@pytest.mark.parametrize("how", ["ssl", "SSL_CERT_FILE", "SSL_CERT_FILE, set after aiohttp was imported"])
async def test_an_authority_is_trusted_by_context_or_environment(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str
) -> None:
    file = tmp_path / "authority.pem"
    tls.authority("").cert_pem.write_to_path(str(file))
    options: dict[str, Any] = {}
    if how == "ssl":
        options["ssl"] = ssl.create_default_context(cafile=str(file))
    else:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with exchange_with_tls() as (stub, port):
        await clients(f"https://localhost:{port}", **options).close_position("BTC-USDT-SWAP", "cross")
        assert len(stub.requests) == 1
    assert os.environ.get("SSL_CERT_FILE", "") == ("" if how == "ssl" else str(file))


@OWN
async def test_a_connection_that_timed_out_names_the_limit(clients: Clients, *, own: bool) -> None:
    with socket.socket() as full:  # its queue is full: nothing answers to connect
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        async with contextlib.AsyncExitStack() as stack:
            waiting = [socket.socket() for _ in range(3)]
            for one in waiting:
                stack.callback(one.close)
                one.settimeout(0)
                with contextlib.suppress(BlockingIOError):
                    one.connect(address)
            session = None if own else await stack.enter_async_context(aiohttp.ClientSession())
            client = clients(f"http://127.0.0.1:{address[1]}", session=session, connect_timeout=0.3)
            with pytest.raises(NotSentError, match=r"no connection within connect_timeout=0\.3 s"):
                await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0.5)
            if own:
                with pytest.raises(NotSentError, match=r"before max_wait, .* was over \(connect_timeout=0\.3 s\)"):
                    await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0.1)


async def test_without_keepalive_each_request_has_a_connection_of_its_own(
    stub: Stub, clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    client = clients(stub.base_url, keepalive=0)
    assert await client.warm_up(3) == 0
    assert "with keepalive=0 none is kept" in caplog.text
    assert "could be opened" not in caplog.text
    for _ in range(3):
        await client.close_position("BTC-USDT-SWAP", "cross")
    assert len(stub.connections) == 3
    await stub.all_ended()


@OWN
@pytest.mark.parametrize(
    "headers",
    [
        [f"X-Policy: {'a' * 60_000}"],
        [f"X-{n}: {'a' * 1000}" for n in range(60)],
        [f"X-{n}: {'a' * 100}" for n in range(500)],
    ],
    ids=["one of 60 kB", "60 of 1 kB", "500 of 0.1 kB"],
)
async def test_answers_with_large_headers_are_read(
    stub: Stub, clients: Clients, headers: list[str], *, own: bool
) -> None:
    async def script(line: Connection) -> None:
        while True:
            await line.request()
            line.write(response("200 OK", b'{"code":"0","data":[],"msg":""}', *headers))

    stub.script = script
    async with aiohttp.ClientSession() as session:
        client = clients(stub.base_url, session=None if own else session)
        await client.close_position("BTC-USDT-SWAP", "cross")
        assert await client.positions() == []


async def test_a_cache_on_the_way_has_to_ask_the_exchange(stub: Stub, clients: Clients) -> None:
    async def script(line: Connection) -> None:
        while True:
            path = (await line.request()).path
            if path == "/api/v5/public/time":
                line.answer({"code": "0", "data": [{"ts": str(time.time_ns() // 1_000_000)}], "msg": ""})
            elif path.startswith("/api/v5/trade/") and len(stub.requests) == 1:
                line.answer({"code": "50102", "data": [], "msg": "Timestamp request expired"})
            else:
                line.answer({"code": "0", "data": [], "msg": ""})

    stub.script = script
    client = clients(stub.base_url)
    await client.close_position("BTC-USDT-SWAP", "cross")
    await client.positions()
    asked = {request.path.partition("?")[0]: request.headers.get("cache-control") for request in stub.requests}
    assert asked == {
        "/api/v5/trade/close-position": None,
        "/api/v5/public/time": "no-cache",
        "/api/v5/account/positions": "no-cache",
    }
