"""A caller's session with the connector of aiohttp-socks: all of it leads through the proxy, failures are not sent."""

import asyncio
import logging

import aiohttp
import pytest
from aiohttp_socks import ProxyConnector

from okx_async import NotSentError
from tests.sockets import tls
from tests.sockets.conftest import Clients, Stub
from tests.sockets.frames import variables
from tests.sockets.proxies import SocksProxy, running
from tests.sockets.test_own_proxy import exchange_with_tls

pytestmark = pytest.mark.usefixtures("no_uid_check")

LOGIN = ("alice", "made-up-word-77")


def session(proxy: SocksProxy, login: tuple[str, str] | None = None) -> aiohttp.ClientSession:
    who = "" if login is None else f"{login[0]}:{login[1]}@"
    connector = ProxyConnector.from_url(f"socks5://{who}127.0.0.1:{proxy.port}", rdns=True, ssl=tls.trusting())
    return aiohttp.ClientSession(connector=connector)


async def test_everything_leads_through_it(clients: Clients) -> None:
    async with exchange_with_tls() as (stub, port), running(SocksProxy(port, login=LOGIN)) as proxy:
        async with session(proxy, LOGIN) as own:
            client = clients("https://localhost:1", session=own)
            assert await client.warm_up(2) == 2
            await asyncio.gather(*(client.close_position("BTC-USDT-SWAP", "cross") for _ in range(2)))
            await client.aclose()
        assert proxy.asked == [("localhost", 1)] * 2
        assert len(stub.connections) == 2
        assert len(stub.requests) == 2


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ("down", "ProxyConnectionError"),
        ("refused", "ProxyError: Connection refused by destination host; trying again is safe"),
        ("methods", "the SOCKS proxy refuses the login (No acceptable authentication methods were offered)"),
        ("silent", "no connection through the session's ProxyConnector within connect_timeout=0.3 s"),
        ("hangs up", "the SOCKS proxy hung up before there was a connection to the exchange: check its"),
        ("HTTP", "the proxy does not answer as a SOCKS proxy does: check its scheme and port"),
        ("login", "(Username and password authentication failure): put the right user name"),
    ],
)
async def test_before_its_tunnel_stands_nothing_is_sent(
    stub: Stub, clients: Clients, caplog: pytest.LogCaptureFixture, ends: str, words: str
) -> None:
    caplog.set_level(logging.DEBUG)
    port = int(stub.base_url.rpartition(":")[2])
    async with running(SocksProxy(port, ends=ends, login=("bob", "x") if ends == "login" else None)) as proxy:
        if ends == "down":
            proxy.port = 9
        async with session(proxy, LOGIN) as own:
            client = clients("https://exchange.invalid", session=own, connect_timeout=0.3)
            with pytest.raises(NotSentError) as caught:
                await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0.5)
            assert await client.warm_up(2) == 0
            with pytest.raises(NotSentError):
                await client.flatten(deadline=0.5)
    assert words in str(caught.value)
    assert len(caught.value.attempts) == 1 or ends not in {"methods", "login"}
    assert {attempt.token for attempt in caught.value.attempts} == {"refunded"}
    assert clients.fate(client) == "free"
    assert stub.requests == []
    assert LOGIN[1] not in variables(caught.value) + caplog.text
