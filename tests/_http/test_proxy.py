from base64 import b64encode
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from okx_async._errors import InvalidRequestError
from okx_async._http.proxy import (
    check_session_proxy,
    environment_proxy,
    names_a_proxy,
    read_proxy,
    session_secrets,
    session_settings,
)
from tests.odd_values import ODD

BASE = "https://openapi.okx.com"
SECRET = "made-up-word-77"


def basic(user: str, password: str) -> str:
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


@pytest.mark.parametrize(
    ("given", "url", "login"),
    [
        ("http://proxy.corp:3128", "http://proxy.corp:3128", None),
        ("HTTPS://Proxy.corp", "https://proxy.corp", None),
        ("http://proxy.corp", "http://proxy.corp", None),
        ("http://proxy.corp:3128/", "http://proxy.corp:3128", None),
        (" http://proxy.corp:3128\r\n", "http://proxy.corp:3128", None),
        ("proxy.corp:3128", "http://proxy.corp:3128", None),
        ("alice:word@proxy.corp:3128", "http://proxy.corp:3128", basic("alice", "word")),
        ("http://alice:p%40ss%3Aw%2Frd@h:1", "http://h:1", basic("alice", "p@ss:w/rd")),
        ("http://m%C3%BCller:gr%C3%BC%C3%9Fe@h:1", "http://h:1", basic("müller", "grüße")),
        ("http://müller:grüße@h:1", "http://h:1", basic("müller", "grüße")),
        ("http://alice:50%off@h:1", "http://h:1", basic("alice", "50%off")),
        ("http://alice:a@b@h:1", "http://h:1", basic("alice", "a@b")),
        ("http://token@h:1", "http://h:1", basic("token", "")),
        ("http://:word@h:1", "http://h:1", basic("", "word")),
        ("http://[::1]:3128", "http://[::1]:3128", None),
        ("http://a:b@[2001:db8::1]:3128", "http://[2001:db8::1]:3128", basic("a", "b")),
        ("http://bücher.example:1", "http://xn--bcher-kva.example:1", None),
    ],
)
def test_a_proxy_is_read(given: str, url: str, login: str | None) -> None:
    proxy = read_proxy(given, BASE)
    assert proxy is not None
    assert (str(proxy.url), proxy.authorization) == (url, login)
    assert "alice" not in repr(proxy)
    assert login is None or login.removeprefix("Basic ") not in repr(proxy)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "http://",
        f"http://alice:{SECRET}@",
        f"http://alice:{SECRET}@:3128",
        f"http://alice:{SECRET}@h:port",
        f"http://alice:{SECRET}@h:99999",
        f"http://alice:{SECRET}@h:0",
        f"http://alice:{SECRET}@h:1/path",
        f"http://alice:{SECRET}@h:1?q=1",
        f"http://alice:{SECRET}@h:1#f",
        f"http://alice:{SECRET}/x@h:1",
        f"http://alice:{SECRET}?x@h:1",
        f"http://alice:{SECRET}#x@h:1",
        f"http://alice:{SECRET}[@h:1",
        f"http://alice:{SECRET} x@h:1",
        f"http://alice:{SECRET}@h\n:1",
        f"http://alice:{SECRET}@a b:1",
        f"http://alice:{SECRET}\u2100@h:1",
        f"http://al%3Aice:{SECRET}@h:1",
        f"ftp://alice:{SECRET}@h:1",
        f"socks5://alice:{SECRET}@h:1",
        f"socks5h://alice:{SECRET}@h:1",
        f"htpp:/alice:{SECRET}@h:1",
        f"alice:{SECRET}@proxy.corp",
        f"http://alice:{SECRET}%40h:1",
        f"http://alice%3A{SECRET}%40h:1",
        f"http://{SECRET}%40h:1",
        "proxy.corp",
        "3128",
        "http://[::1:3128",
        42,
        b"http://h:1",
        ["http://h:1"],
        *ODD,
    ],
)
def test_what_is_no_proxy_is_refused_and_not_shown(given: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^proxy") as caught:
        read_proxy(given, BASE)
    assert "alice" not in str(caught.value)
    told = str(caught.value) + repr(caught.value.__cause__) + repr(caught.value.__context__)
    assert SECRET not in told
    assert caught.value.__context__ is None


def test_socks_has_a_way_of_its_own() -> None:
    with pytest.raises(InvalidRequestError, match=r"pass a session= .* aiohttp-socks"):
        read_proxy("socks5://h:1", BASE)


def test_there_may_be_none() -> None:
    assert read_proxy(None, BASE) is None
    assert read_proxy("env", BASE) is None
    assert not names_a_proxy()


@pytest.mark.parametrize(
    ("variables_", "url", "found"),
    [
        ({"HTTPS_PROXY": "http://h:1"}, BASE, "http://h:1"),
        ({"https_proxy": "http://h:2"}, BASE, "http://h:2"),
        ({"HTTPS_PROXY": "http://h:1", "https_proxy": "http://h:2"}, BASE, "http://h:2"),
        ({"HTTP_PROXY": "http://h:1"}, BASE, None),
        ({"HTTP_PROXY": "http://h:1"}, "http://127.0.0.1:1", "http://h:1"),
        ({"ALL_PROXY": "http://h:3"}, BASE, "http://h:3"),
        ({"ALL_PROXY": "http://h:3", "HTTPS_PROXY": " h:1 "}, BASE, "http://h:1"),
        ({"HTTPS_PROXY": "http://h:1", "NO_PROXY": "okx.com"}, BASE, None),
        ({"HTTPS_PROXY": "http://h:1", "no_proxy": "x, .okx.com"}, BASE, None),
        ({"HTTPS_PROXY": "http://h:1", "NO_PROXY": "openapi.okx.com:443"}, BASE, None),
        ({"HTTPS_PROXY": "http://h:1", "NO_PROXY": "*"}, BASE, None),
        ({"HTTPS_PROXY": "http://h:1", "NO_PROXY": "kx.com,okx.com.example"}, BASE, "http://h:1"),
        ({"HTTPS_PROXY": "http://h:1", "NO_PROXY": "::1"}, "https://[::1]:8443", None),
        ({"HTTPS_PROXY": "http://h:1", "NO_PROXY": "openapi.okx.com"}, f"{BASE}.", None),
        ({"HTTPS_PROXY": "http://h:1", "NO_PROXY": "localhost,*.OKX.com"}, BASE, None),
        ({"HTTPS_PROXY": "http://h:1", "NO_PROXY": "localhost okx.com."}, BASE, None),
        ({"HTTPS_PROXY": "http://h:1", "NO_PROXY": "*.kx.com , *.com.example,.,*."}, BASE, "http://h:1"),
        ({"HTTPS_PROXY": "http://h:1", "NO_PROXY": "fc00::/7, 10.0.0.0/8"}, "https://10.9.8.7", None),
        ({"HTTPS_PROXY": "http://h:1", "NO_PROXY": "fc00::/7, 10.0.0.0/8"}, "https://[fd00::1]", None),
        ({"HTTPS_PROXY": "http://h:1", "NO_PROXY": "fc00::/7, 10.0.0.0/8, x"}, "https://11.9.8.7", "http://h:1"),
    ],
)
def test_the_environment_names_a_proxy(
    monkeypatch: pytest.MonkeyPatch, variables_: dict[str, str], url: str, found: str | None
) -> None:
    for name, value in variables_.items():
        monkeypatch.setenv(name, value)
    proxy = read_proxy("env", url)
    assert (None if proxy is None else str(proxy.url)) == found
    assert names_a_proxy()


def test_what_the_environment_says_wrong_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://alice:{SECRET}@h:port")
    with pytest.raises(InvalidRequestError, match=r"^proxy='env': HTTPS_PROXY must be a URL") as caught:
        read_proxy("env", BASE)
    assert SECRET not in str(caught.value)
    assert environment_proxy(BASE) == ("HTTPS_PROXY", f"http://alice:{SECRET}@h:port")


async def test_what_a_session_sends_as_login_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://bob:other-word@h:1")
    async with aiohttp.ClientSession(proxy=f"http://alice:{SECRET}@h:1", trust_env=True) as session:
        secrets = session_secrets(session)
        assert {SECRET, f"alice:{SECRET}", "other-word"} <= set(secrets)
    async with aiohttp.ClientSession(proxy="http://[::1") as session:
        assert session_secrets(session) == ()


@pytest.mark.parametrize(
    ("variables_", "options", "url", "past"),
    [
        ({"HTTPS_PROXY": f"https://alice:{SECRET}@h:1"}, {"trust_env": True}, BASE, "HTTPS_PROXY"),
        ({"https_proxy": f" HTTPS://alice:{SECRET}@h:1"}, {"trust_env": True}, BASE, "HTTPS_PROXY"),
        ({"ALL_PROXY": f"socks5://alice:{SECRET}@h:1"}, {"trust_env": True}, BASE, "ALL_PROXY"),
        ({"ALL_PROXY": "socks5://h:1", "HTTPS_PROXY": "http://h:1"}, {"trust_env": True}, BASE, None),
        ({"HTTPS_PROXY": "http://h:1"}, {"trust_env": True}, BASE, None),
        ({"HTTPS_PROXY": "https://h:1", "NO_PROXY": "okx.com"}, {"trust_env": True}, BASE, None),
        ({"HTTPS_PROXY": "https://h:1"}, {"trust_env": True, "proxy": "http://h:2"}, BASE, None),
        ({"HTTPS_PROXY": "https://h:1"}, {}, BASE, None),
        ({"ALL_PROXY": "http://h:1"}, {"trust_env": True}, "http://127.0.0.1:1", None),
        ({}, {"trust_env": True}, BASE, None),
    ],
)
async def test_a_session_that_would_go_past_the_environments_proxy_is_refused(
    monkeypatch: pytest.MonkeyPatch, variables_: dict[str, str], options: dict[str, Any], url: str, past: str | None
) -> None:
    for name, value in variables_.items():
        monkeypatch.setenv(name, value)
    async with aiohttp.ClientSession(**options) as session:
        if past is None:
            check_session_proxy(session, url)
            return
        with pytest.raises(InvalidRequestError, match=f"would go past the proxy of {past}: give it") as refused:
            check_session_proxy(session, url)
    assert SECRET not in str(refused.value)


async def test_a_session_that_trusts_the_environment_gets_its_proxy_beforehand(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://alice:{SECRET}@h:1")
    async with aiohttp.ClientSession() as session:
        assert session_settings(session, BASE) == {}
    async with aiohttp.ClientSession(trust_env=True, proxy="http://other:1") as session:
        assert session_settings(session, BASE) == {"_trust_env": False}
    async with aiohttp.ClientSession(trust_env=True) as session:
        assert session_settings(session, "http://127.0.0.1:1") == {"_trust_env": False}
        settings = session_settings(session, BASE)
        assert settings["_default_proxy"] == URL("http://h:1")
        assert settings["_default_proxy_auth"].password == SECRET
        netrc = tmp_path / "netrc"
        netrc.write_text("machine h login bob password a-word-of-netrc\n")
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("HTTPS_PROXY", "http://h:1")
        settings = session_settings(session, BASE)
        assert "a-word-of-netrc" in session_secrets(session, settings)
        assert "a-word-of-netrc" not in session_secrets(session)
        monkeypatch.setenv("HTTPS_PROXY", f"http://alice:{SECRET}@h:port")
        with pytest.raises(InvalidRequestError, match="names a proxy whose URL cannot be used") as refused:
            session_settings(session, BASE)
    assert SECRET not in str(refused.value)
