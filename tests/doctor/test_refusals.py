"""Refusals and missing answers, with their remedies."""

import pytest

from okx_async._rest.responses import parse
from okx_async.doctor import Level
from okx_async.doctor.refusals import no_answer, refusal


@pytest.mark.parametrize(
    ("status", "body", "level", "text", "remedy"),
    [
        (
            401,
            b'{"msg":"API key doesn\'t exist","code":"50119"}',
            Level.FAIL,
            "API key doesn't exist",
            "eea eea.okx.com",
        ),
        (
            401,
            b'{"msg":"Invalid OK-ACCESS-KEY","code":"50111"}',
            Level.FAIL,
            "50111",
            "OKX_API_KEY for what is missing",
        ),
        (401, b'{"msg":"x","code":"50105"}', Level.FAIL, "50105", "OKX_PASSPHRASE"),
        (401, b'{"msg":"x","code":"50113"}', Level.FAIL, "50113", "OKX_SECRET_KEY"),
        (401, b'{"msg":"Your IP is not listed","code":"50110"}', Level.FAIL, "Your IP", "IP address to the API key's"),
        (200, b'{"msg":"","code":"50120"}', Level.FAIL, "lacks permission", "Read and Trade"),
        (401, b'{"msg":"","code":"50102"}', Level.FAIL, "timestamp expired", "NTP"),
        (200, b'{"msg":"","code":"50028"}', Level.FAIL, "cannot take the order", "repeating it cannot help"),
        (429, b'{"msg":"Too Many Requests","code":"50011"}', Level.WARN, "Too Many", "share one limiter"),
        (503, b'{"msg":"","code":"50001"}', Level.WARN, "temporarily", "try later"),
        (500, b'{"msg":"","code":"50026"}', Level.WARN, "50026", "ask again"),
        (200, b'{"msg":"what is new","code":"59999"}', Level.WARN, "what is new", "ask again"),
        (403, b"<html>Forbidden</html>", Level.FAIL, "HTTP 403", "region= and base_url"),
        (302, b"", Level.FAIL, "HTTP 302", "region= and base_url"),
        (200, b"<html>Log in to this network</html>", Level.FAIL, "HTTP 200", "region= and base_url"),
        (502, b"<html>Bad Gateway</html>", Level.WARN, "HTTP 502", "ask again"),
        (200, b'{"msg":"","code":"0","data":[]}', Level.WARN, "says nothing", "ask again"),
    ],
)
def test_each_refusal_has_its_remedy(status: int, body: bytes, level: Level, text: str, remedy: str) -> None:
    finding = refusal("account", parse(status, body), "account/config")
    assert (finding.check, finding.level) == ("account", level)
    assert finding.text.startswith("account/config: ")
    assert text in finding.text
    assert remedy in finding.remedy


def test_the_other_environment_is_named() -> None:
    answer = parse(401, b'{"msg":"APIKey does not match current environment.","code":"50101"}')
    assert "pass demo=True (--demo)" in refusal("account", answer, "account/config").remedy
    assert "leave demo=True (--demo) out" in refusal("account", answer, "account/config", demo=True).remedy


@pytest.mark.parametrize("proxies", [True, False])
def test_no_answer_says_why_and_what_is_not_used(*, proxies: bool) -> None:
    finding = no_answer("host", "https://openapi.okx.com", "no route", proxies=proxies)
    assert finding.level is Level.FAIL
    assert "no route" in finding.text
    assert ("proxy is not used" in finding.remedy) is proxies


@pytest.mark.parametrize(
    ("said", "step"),
    [
        (
            "the certificate of openapi.okx.com is not trusted (self-signed (so to say))",
            "trust its authority: --cafile",
        ),
        ("the proxy asks for a login (HTTP 407 Proxy Authentication Required)", "put in the right password"),
        ("the SOCKS proxy refuses the login (no)", "put in the right password"),
    ],
)
def test_a_reason_that_says_what_to_do_has_no_other_remedy_beside_it(said: str, step: str) -> None:
    finding = no_answer("host", "https://openapi.okx.com", f"{said}: {step}", proxies=True)
    assert (finding.text, finding.remedy) == (f"https://openapi.okx.com: no answer: {said}", step)


def test_a_connection_that_is_cut_off_may_miss_a_certificate() -> None:
    for said in ("ClientOSError: [Errno 104] Connection reset by peer", "ServerDisconnectedError: Server disconnected"):
        assert "client certificate (ssl=)" in no_answer("host", "https://a", said, proxies=False).remedy
    assert "certificate" not in no_answer("host", "https://a", "no route", proxies=False).remedy
    said = "the server asks for a client certificate (TLSV13_ALERT_CERTIFICATE_REQUIRED): pass ssl= with a context"
    assert no_answer("host", "https://a", said, proxies=False).remedy == "pass ssl= with a context"
    said = "the server refuses this client's certificate, or misses one (TLSV1_ALERT_UNKNOWN_CA): pass ssl= with one"
    assert no_answer("host", "https://a", said, proxies=False).remedy == "pass ssl= with one"
