import ssl
from typing import Any, cast

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from okx_async._http.bodies import UnreadableBodyError
from okx_async._http.failures import futile, hide_logins, words

PROXY = URL("http://alice:pass%20word@proxy:3128")
KEY = ConnectionKey("openapi.okx.com", 443, True, True, None, None, None)  # noqa: FBT003 - aiohttp's order


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
    [(407, "user name and password"), (401, "asks for a login"), (403, "HTTP 403 Forbidden"), (299, r"\(HTTP 299\)")],
)
def test_a_proxy_that_refuses_is_told_by_its_status_alone(status: int, said: str) -> None:
    text = words(refused(status))
    assert "pass" not in text.replace("password", "")
    assert "alice" not in text
    with pytest.raises(aiohttp.ClientError, match=said):
        raise aiohttp.ClientError(text)
    assert futile(refused(status)) is (status in {401, 407})


@pytest.mark.parametrize(
    ("code", "message", "step"),
    [
        (10, "certificate has expired", "date and time"),
        (9, "certificate is not yet valid", "date and time"),
        (62, "Hostname mismatch", "another server answers at this address"),
        (64, "IP address mismatch", "another server answers at this address"),
        (18, "self-signed certificate", "SSL_CERT_FILE"),
        (20, "unable to get local issuer certificate", "SSL_CERT_FILE"),
    ],
)
def test_a_certificate_that_is_refused_has_a_remedy(code: int, message: str, step: str) -> None:
    error = certificate(code, message)
    assert futile(error)
    assert words(error).startswith(f"the certificate of openapi.okx.com is refused: {message}; ")
    assert step in words(error)


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
