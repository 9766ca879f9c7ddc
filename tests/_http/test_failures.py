import asyncio
import ssl
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import HttpVersion11
from aiohttp.client_exceptions import UnixClientConnectorError
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.http import RawResponseMessage
from aiohttp_socks import ProxyError
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from okx_async._http.bodies import UnreadableBodyError
from okx_async._http.failures import futile, hide_logins, untunnelled, words

PROXY = URL("http://alice:pass%20word@proxy:3128")
KEY = ConnectionKey("openapi.okx.com", 443, True, True, None, None, None)  # noqa: FBT003 - aiohttp's order

HEADERS: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
INFO = aiohttp.RequestInfo(PROXY, "CONNECT", HEADERS, PROXY)


def refused(status: int) -> aiohttp.ClientHttpProxyError:
    headers = CIMultiDictProxy(CIMultiDict({"Proxy-Authorization": "Basic YWxpY2U6cGFzcyB3b3Jk"}))
    info = aiohttp.RequestInfo(PROXY, "CONNECT", headers, PROXY)
    return aiohttp.ClientHttpProxyError(info, (), status=status, message="pass word")


def certificate(code: int, message: str) -> aiohttp.ClientConnectorCertificateError:
    error: Any = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return aiohttp.ClientConnectorCertificateError(KEY, error)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (407, r"put the right user name and password into the proxy's URL \(proxy=, OKX_PROXY or your session's\)"),
        (401, "asks for a login"),
        (403, r"HTTP 403 Forbidden\): its rules must allow CONNECT"),
        (502, r"the exchange \(HTTP 502 Bad Gateway\)$"),
        (299, r"\(HTTP 299\)$"),
    ],
)
def test_a_proxy_that_refuses_is_told_by_its_status_alone(status: int, said: str) -> None:
    text = words(refused(status))
    assert "pass" not in text.replace("password", "")
    assert "alice" not in text
    with pytest.raises(aiohttp.ClientError, match=said):
        raise aiohttp.ClientError(text)
    assert futile(refused(status)) is (status in {401, 407})


@pytest.mark.parametrize(
    ("code", "kind", "message", "step"),
    [
        (10, "has expired", "certificate has expired", "date and time"),
        (9, "is not valid yet", "certificate is not yet valid", "date and time"),
        (62, "is for another name", "Hostname mismatch", "another server answers at this address"),
        (64, "is for another name", "IP address mismatch", "another server answers at this address"),
        (18, "is not trusted", "self-signed certificate", "(SSL_CERT_FILE, --cafile, ssl=)"),
        (20, "is not trusted", "unable to get local issuer certificate", "if it is your proxy's, trust its authority"),
    ],
)
def test_a_certificate_that_is_refused_has_a_remedy(code: int, kind: str, message: str, step: str) -> None:
    error = certificate(code, message)
    assert futile(error)
    assert words(error).startswith(f"the certificate of openapi.okx.com {kind} ({message}): ")
    assert len(words(error)) <= 200  # more is not shown
    assert step in words(error)


def test_a_file_of_authorities_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "no such file")
    assert "SSL_CERT_FILE (unreadable), --cafile" in words(certificate(20, "unable to get local issuer certificate"))
    assert len(words(certificate(20, "unable to get local issuer certificate"))) <= 200  # more is not shown
    monkeypatch.setenv("SSL_CERT_FILE", __file__)  # which holds no certificate
    assert "SSL_CERT_FILE (unreadable), --cafile" in words(certificate(20, "x"))
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "SSL_CERT_FILE, --cafile" in words(certificate(20, "x"))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "Name unknown")),
            "DNS cannot look up openapi.okx.com (Name unknown)",
        ),
        (aiohttp.ClientConnectorDNSError(KEY, OSError(None, "DNS does not answer")), "DNS does not answer"),
        (
            aiohttp.ClientProxyConnectionError(KEY, OSError(111, "to http://alice:pw@p refused")),
            "no connection to the proxy openapi.okx.com:443: to http://…@p refused",
        ),
        (
            aiohttp.ClientConnectorError(KEY, OSError(111, "Connect call failed ('192.0.2.1', 443)")),
            "no connection to openapi.okx.com:443: Connection refused",
        ),
        (
            aiohttp.ClientConnectorError(KEY, OSError("Multiple exceptions: http://alice:pw@p, x")),
            "no connection to openapi.okx.com:443: Multiple exceptions: http://…@p, x",
        ),
        (
            aiohttp.ClientConnectorError(KEY, ConnectionResetError()),
            "no connection to openapi.okx.com:443: it ended in the handshake",
        ),
        (
            UnixClientConnectorError("/run/proxy.sock", KEY, OSError(2, "No such file or directory")),
            "no connection to the socket /run/proxy.sock: No such file or directory",
        ),
        (aiohttp.ClientConnectorDNSError(cast("Any", None), OSError(1, "x")), "ClientConnectorDNSError"),
    ],
)
def test_what_was_not_reached_is_named(error: Exception, said: str) -> None:
    assert words(error) == said
    assert not futile(error)


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("WRONG_VERSION_NUMBER", "openapi.okx.com:443 speaks no TLS (WRONG_VERSION_NUMBER): check scheme and port"),
        ("NO_SHARED_CIPHER", "openapi.okx.com:443 and this client have no TLS version or cipher in common"),
        (
            "SSLV3_ALERT_HANDSHAKE_FAILURE",
            "openapi.okx.com:443 and this client have no TLS version or cipher in common, or it asks for a client cert",
        ),
        ("TLSV1_UNRECOGNIZED_NAME", "openapi.okx.com:443 knows no server of this name (TLSV1_UNRECOGNIZED_NAME): "),
        ("TLSV1_ALERT_NO_APPLICATION_PROTOCOL", "openapi.okx.com:443 does not speak HTTP/1.1 (TLSV1_ALERT_NO_APPL"),
        ("TLSV1_ALERT_UNKNOWN_CA", "the server refuses this client's certificate, or misses one (TLSV1_ALERT_UNKNOW"),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "the server refuses this client's certificate, or misses one (SSLV3_ALERT"),
        ("TLSV1_ALERT_INTERNAL_ERROR", "ClientConnectorSSLError: "),
        ("UNEXPECTED_EOF_WHILE_READING", "ClientConnectorSSLError: "),
    ],
)
def test_a_handshake_that_cannot_work_is_not_tried_again(reason: str, said: str) -> None:
    error: Any = ssl.SSLError(1, f"[SSL: {reason}]")
    error.reason = reason
    failed = aiohttp.ClientConnectorSSLError(KEY, error)
    assert words(failed).startswith(said)
    assert futile(failed) is not said.startswith("Client")


def test_so_has_a_fingerprint() -> None:
    error = aiohttp.ServerFingerprintMismatch(b"a", b"b", "openapi.okx.com", 443)
    assert futile(error)
    assert words(error).startswith("the certificate of openapi.okx.com has another fingerprint")


@pytest.mark.parametrize(
    "exc", [aiohttp.ConnectionTimeoutError(), aiohttp.ServerDisconnectedError(), ValueError(), ConnectionResetError()]
)
def test_what_may_pass_is_not_futile(exc: Exception) -> None:
    assert not futile(exc)


def test_an_url_that_cannot_be_used_is_not_shown() -> None:
    error = aiohttp.InvalidURL("http://alice:pass word@host:port")
    assert futile(error)
    assert words(error) == "InvalidURL: the URL of the session's proxy cannot be used"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("to http://alice:pw@host:1/path", "to http://…@host:1/path"),
        ("'https://alice:p@w'x@host'", "'https://…@host'"),
        ("http://host/path?q=a@b", "http://host/path?q=a@b"),
        ("http://host and http://b:c@d", "http://host and http://…@d"),
        ("proxy_auth=BasicAuth(login='a', password='b', encoding='latin1'), x", "proxy_auth=BasicAuth(…), x"),
        ("mail a@b", "mail a@b"),
    ],
)
def test_no_login_of_an_url_is_shown(text: str, hidden: str) -> None:
    assert hide_logins(text) == hidden
    assert words(ValueError(text)) == f"ValueError: {hidden}"


def test_the_inner_state_of_aiohttp_is_not_shown() -> None:
    outer = aiohttp.ClientConnectionError(f"into the underlying connection Connection<{PROXY}, password='x'>: y")
    outer.__cause__ = ValueError("theirs")
    assert words(outer) == "ValueError: theirs"


def test_errors_without_their_parts() -> None:
    assert words(UnreadableBodyError("the answer is long")) == "the answer is long"
    assert words(aiohttp.ClientConnectorError(cast("Any", None), OSError(111, "refused"))) == "ClientConnectorError"
    assert words(TimeoutError()) == "TimeoutError"


def test_an_answer_that_ended_in_its_head_is_not_shown() -> None:
    half = RawResponseMessage(
        HttpVersion11, 200, "OK", HEADERS, (), should_close=False, compression=None, upgrade=False, chunked=False
    )
    assert words(aiohttp.ServerDisconnectedError(half)) == "ServerDisconnectedError: in the head of an answer"
    assert words(aiohttp.ServerDisconnectedError()) == "ServerDisconnectedError: Server disconnected"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            aiohttp.ServerDisconnectedError(),
            "the proxy hung up before there was a connection to the exchange: ",
        ),
        (aiohttp.ClientOSError(104, "Connection reset by peer"), "the proxy hung up before"),
        (aiohttp.ClientOSError(None, "words of a SOCKS connector"), ""),
        (asyncio.IncompleteReadError(b"", 2), "the SOCKS proxy hung up before there was a connection"),
        (
            aiohttp.ClientResponseError(INFO, (), message="Bad status line"),
            "the proxy's answer cannot be read: check its",
        ),
        (aiohttp.ClientHttpProxyError(INFO, (), status=502), ""),
        (aiohttp.ClientConnectorError(KEY, OSError(111, "refused")), ""),
        (TimeoutError(), ""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_ended_the_way_through_a_proxy_is_named(error: Exception, said: str) -> None:
    assert untunnelled(error).startswith(said)
    assert bool(untunnelled(error)) == bool(said)


@pytest.mark.parametrize(
    ("said", "words_", "again"),
    [
        (
            "407 Proxy Authentication Required",
            "the proxy refuses the login (407 Proxy Authentication Required): put",
            False,
        ),
        ("401 no", "the proxy refuses the login (401 no): put the right user name", False),
        ("502 Bad Gateway", "ProxyError: 502 Bad Gateway", True),
    ],
)
def test_an_http_proxy_of_the_packages_that_speak_socks(said: str, words_: str, *, again: bool) -> None:
    error = ProxyError(said)
    assert words(error).startswith(words_)
    assert futile(error) is not again
