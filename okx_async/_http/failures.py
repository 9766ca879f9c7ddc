"""What aiohttp's errors say, in words that help and show no secret."""

import re
import ssl
from http import HTTPStatus
from typing import Final

import aiohttp

from okx_async._http.bodies import UnreadableBodyError

_LOGIN: Final = re.compile(r"//[^/?#\s]*@")
_BASIC_AUTH: Final = re.compile(r"BasicAuth\([^)]*\)")
_NAME_OF_ANOTHER: Final = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_NOT_NOW: Final = frozenset({9, 10})  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_LOGIN_WANTED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED})


def words(exc: BaseException) -> str:
    """Return an error as text, in full: it is shortened after the search for the client's own secrets."""
    if isinstance(exc, aiohttp.ClientHttpProxyError):
        return _proxy(exc)
    if isinstance(exc, aiohttp.InvalidURL):  # its text is the URL, of which no part can be told from a password
        return f"{type(exc).__name__}: the URL of the session's proxy cannot be used"
    if isinstance(exc, UnreadableBodyError):
        return str(exc)
    if remedy := _remedy(exc):
        return remedy
    try:
        text = str(exc)
    except Exception:  # noqa: BLE001 - a user's mock may make aiohttp's errors without their parts
        text = ""
    if exc.__cause__ is not None and "underlying connection Connection<" in text:
        return words(exc.__cause__)  # the rest is aiohttp's inner state, the proxy's login included
    # aiohttp says "ssl:default" for plain http too, and "400" for answers that it cannot read, whatever their status.
    text = f"{type(exc).__name__}: {text}".replace(" ssl:default", "").replace(": 400, message=", ": ")
    return hide_logins(text.rstrip(": "))


def futile(exc: BaseException) -> bool:
    """Return whether a repeat would meet the same: what is wrong does not pass by itself."""
    if isinstance(exc, aiohttp.ClientHttpProxyError):
        return exc.status in _LOGIN_WANTED
    return isinstance(
        exc, aiohttp.ClientConnectorCertificateError | aiohttp.ServerFingerprintMismatch | aiohttp.InvalidURL
    )


def hide_logins(text: str) -> str:
    """Return a text without the user names and passwords of its URLs."""
    return _BASIC_AUTH.sub("BasicAuth(…)", _LOGIN.sub("//…@", text))


def _proxy(exc: aiohttp.ClientHttpProxyError) -> str:
    # Its own text has the proxy's URL, password included, and words of the proxy.
    known = exc.status in set(HTTPStatus)
    answer = f"HTTP {exc.status}{f' {HTTPStatus(exc.status).phrase}' if known else ''}"
    if exc.status in _LOGIN_WANTED:
        return f"the proxy asks for a login ({answer}): give the session's proxy its user name and password"
    return f"the proxy makes no connection to the exchange ({answer})"


def _remedy(exc: BaseException) -> str:
    """Return which certificate is refused and what to do, "" for any other error."""
    if isinstance(exc, aiohttp.ServerFingerprintMismatch):
        return f"the certificate of {exc.host} has another fingerprint than the session's connector asks for"
    if not isinstance(exc, aiohttp.ClientConnectorCertificateError):
        return ""
    error = exc.certificate_error
    code, said = 0, str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        code, said = error.verify_code, error.verify_message
    if code in _NOT_NOW:
        step = "check this machine's date and time; if they are right, the server's certificate is to blame"
    elif code in _NAME_OF_ANOTHER:
        step = "check region, base_url and proxy: another server answers at this address"
    else:
        step = (
            "if a proxy of yours stands in between, name its certificate authority in the environment variable "
            "SSL_CERT_FILE, or pass a session with an SSL context of its own; if not, check region and base_url"
        )
    return f"the certificate of {exc.host} is refused: {said}; {step}"
