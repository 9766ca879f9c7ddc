import socket
import ssl
from typing import Any

import aiohttp
import pytest

from okx_async._errors import InvalidRequestError
from okx_async._http.route import DIRECT, NetworkOptions, make_route

BASE = "https://openapi.okx.com"
V4, V6 = socket.AF_INET, socket.AF_INET6


def test_without_options_it_is_direct() -> None:
    assert make_route(BASE, NetworkOptions()) == DIRECT
    assert repr(DIRECT) == "<Route direct>"


@pytest.mark.parametrize(
    ("options", "address", "family"),
    [
        ({"local_addr": "192.0.2.1"}, "192.0.2.1", V4),
        ({"local_addr": ("192.0.2.1", 0)}, "192.0.2.1", V4),
        ({"local_addr": "[2001:db8::1]"}, "2001:db8::1", V6),
        ({"local_addr": "2001:DB8:0::1", "family": V6}, "2001:db8::1", V6),
        ({"family": V4}, None, V4),
        ({"family": int(V6)}, None, V6),
    ],
)
def test_an_address_decides_the_family(options: dict[str, Any], address: str | None, family: int) -> None:
    route = make_route(BASE, NetworkOptions(**options))
    assert (route.local_addr, route.family) == (address, family)


@pytest.mark.parametrize(
    ("base_url", "options", "words"),
    [
        (BASE, {"local_addr": "eth0"}, "local_addr must be an IP address of this machine, got 'eth0'"),
        (BASE, {"local_addr": ("192.0.2.1", 80)}, "local_addr must have port 0"),
        (BASE, {"local_addr": ("192.0.2.1", False)}, "local_addr must have port 0"),
        (BASE, {"local_addr": ("192.0.2.1",)}, "local_addr must be an IP"),
        (BASE, {"local_addr": 1}, "local_addr must be an IP"),
        (BASE, {"local_addr": "192.0.2.1", "family": V6}, "is an address of IPv4, family asks for IPv6"),
        (BASE, {"family": 4}, r"family must be socket\.AF_INET"),
        (BASE, {"family": True}, r"family must be socket\.AF_INET"),
        (BASE, {"family": "ipv4"}, r"family must be socket\.AF_INET"),
        (BASE, {"resolver": "8.8.8.8"}, r"resolver must be an aiohttp\.abc\.AbstractResolver"),
        (BASE, {"ssl": False}, r"ssl must be an ssl\.SSLContext"),
        (BASE, {"proxy": "socks5://h:1"}, "proxy is a SOCKS proxy"),
        ("https://[::1]:1", {"family": V4}, "::1 is an address of IPv6, but family or local_addr asks for IPv4"),
        ("http://127.0.0.1:1", {"local_addr": "::1"}, "asks for IPv6"),
        (BASE, {"proxy": "http://[::1]:1", "family": V4}, "asks for IPv4"),
    ],
)
def test_what_cannot_work_is_refused(base_url: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        make_route(base_url, NetworkOptions(**options))


@pytest.mark.parametrize(
    "options",
    [
        {"proxy": "http://h:1"},
        {"proxy": "env"},
        {"ssl": ssl.create_default_context()},
        {"local_addr": "127.0.0.1"},
        {"family": V4},
        {"resolver": object()},
    ],
    ids=lambda options: next(iter(options)),
)
async def test_beside_a_session_they_are_refused(options: dict[str, Any]) -> None:
    (name,) = options
    async with aiohttp.ClientSession() as session:
        assert make_route(BASE, NetworkOptions(), session) == DIRECT
        with pytest.raises(InvalidRequestError, match=f"^{name} is for the client's own session: give it to yours"):
            make_route(BASE, NetworkOptions(**options), session)


async def test_a_session_that_goes_past_the_environments_proxy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example:3128")
    async with aiohttp.ClientSession(trust_env=True) as session:
        with pytest.raises(InvalidRequestError, match="past the proxy of ALL_PROXY"):
            make_route("https://openapi.okx.com", NetworkOptions(), session)


def test_a_context_of_the_environment_is_made_where_tls_is_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", "/")
    assert make_route(BASE, NetworkOptions()).ssl is not None
    assert make_route("http://127.0.0.1", NetworkOptions()).ssl is None
    assert make_route("http://127.0.0.1", NetworkOptions(proxy="https://h:1")).ssl is not None


def test_no_login_is_shown() -> None:
    route = make_route(BASE, NetworkOptions(proxy="http://alice:made-up-word@h:1"))
    assert repr(route) == "<Route Proxy(url=URL('http://h:1'))>"
    assert "made-up-word" in route.secrets
