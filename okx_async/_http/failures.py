"""What aiohttp's errors say, in words that help and show no secret."""

import errno
import os
import re
import ssl
from asyncio import IncompleteReadError
from http import HTTPStatus
from typing import Final

import aiohttp
from aiohttp.client_exceptions import UnixClientConnectorError

from okx_async._http.bodies import UnreadableBodyError
from okx_async._http.certificates import useless_file

_LOGIN: Final = re.compile(r"//[^/?#\s]*@")
_BASIC_AUTH: Final = re.compile(r"BasicAuth\([^)]*\)")
_NAME_OF_ANOTHER: Final = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_NOT_NOW: Final = frozenset({9, 10})  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_EXPIRED: Final = 10
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})
_NO_REASON: Final = "SSLV3_ALERT_HANDSHAKE_FAILURE"
"""The server's word where it gives no reason; TLS 1.2 has none for a client certificate that it misses."""
_TLS_REASON: Final = re.compile(r"\[SSL: (\w+)\]")
_CERTIFICATE_WANTED: Final = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
_CERTIFICATE_REFUSED: Final = frozenset(
    {
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        "TLSV1_ALERT_UNKNOWN_CA",
    }
)
"""A server's words about a client certificate; some say the first where they miss one."""
_NO_NAME: Final = "TLSV1_UNRECOGNIZED_NAME"
_NO_PROTOCOL: Final = "TLSV1_ALERT_NO_APPLICATION_PROTOCOL"
_NO_COMMON: Final = frozenset(
    {
        "NO_PROTOCOLS_AVAILABLE",
        "NO_SHARED_CIPHER",
        _NO_REASON,
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "UNSUPPORTED_PROTOCOL",
    }
)
"""OpenSSL's words for what no repeat can change."""
_BARRED: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})
_HANGS_UP: Final = frozenset({errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE})
_PROXY_STEP: Final = "check its scheme and port, and that it is an HTTP proxy and no SOCKS proxy"
PROXY_HUNG_UP: Final = f"the proxy hung up before there was a connection to the exchange: {_PROXY_STEP}"
_SOCKS_STEP: Final = "check its scheme and port, and that it is a SOCKS proxy and no HTTP proxy"
_LOGIN_WANTED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED})


def words(exc: BaseException) -> str:
    """Return an error as text, in full: it is shortened after the search for the client's own secrets."""
    if own := _own(exc):
        return own
    try:
        text = str(exc)
    except Exception:  # noqa: BLE001 - a user's mock may make aiohttp's errors without their parts
        text = ""
    if exc.__cause__ is not None and "underlying connection Connection<" in text:
        return words(exc.__cause__)  # the rest is aiohttp's inner state, the proxy's login included
    # aiohttp says "ssl:default" for plain http too, and "400" for answers that it cannot read, whatever their status.
    if isinstance(exc, aiohttp.ServerDisconnectedError) and not isinstance(exc.message, str):
        text = "in the head of an answer"  # which is the message, as far as it came
    text = f"{type(exc).__name__}: {text}".replace(" ssl:default", "").replace(": 400, message=", ": ")
    return hide_logins(text.rstrip(": "))


def untunnelled(exc: BaseException) -> str:
    """Return why there was no way through a proxy, of an error before there was a connection; "" for any other."""
    match exc:
        case aiohttp.ClientHttpProxyError() | aiohttp.ClientConnectorError():
            return ""  # they say so themselves
        case aiohttp.ServerDisconnectedError():
            return PROXY_HUNG_UP
        case IncompleteReadError():  # of the packages that speak SOCKS; aiohttp itself raises none
            return f"the SOCKS proxy hung up before there was a connection to the exchange: {_SOCKS_STEP}"
        case aiohttp.ClientOSError() if exc.errno in _HANGS_UP:
            return PROXY_HUNG_UP
        case aiohttp.ClientResponseError():  # to CONNECT; of an answer that can be read it is a ClientHttpProxyError
            return f"the proxy's answer cannot be read: {_PROXY_STEP} ({words(exc)})"
        case _:
            return ""


def certificate_wanted(exc: BaseException) -> bool:
    """Return whether the server misses or refuses a client certificate, so that it has not read what was written.

    In TLS 1.3 the client's part of the handshake ends before the server has judged it, so requests may follow at once.
    Of a connection that has served a request it says nothing: the handshake was judged before that.
    """
    return bool(_about_our_certificate(exc))


def _about_our_certificate(exc: BaseException) -> str:
    """Return the server's word about a client certificate, "" if it has none."""
    told = [reason for reason in _tls_reasons(exc) if reason == _CERTIFICATE_WANTED or reason in _CERTIFICATE_REFUSED]
    return told[0] if told else ""


def is_alert(exc: BaseException) -> bool:
    """Return whether it is a TLS alert of the server's."""
    return any("_ALERT_" in reason for reason in _tls_reasons(exc))


def _tls_reasons(exc: BaseException) -> list[str]:
    """Return OpenSSL's words in an error; of one that was not awaited aiohttp keeps the text alone."""
    said = _TLS_REASON.match(str(getattr(exc, "strerror", "")))
    return [str(getattr(each, "reason", "")) for each in (exc, exc.__cause__)] + ([said[1]] if said else [])


def futile(exc: BaseException) -> bool:
    """Return whether a repeat would meet the same: what is wrong does not pass by itself."""
    if isinstance(exc, aiohttp.ClientHttpProxyError):
        return exc.status in _LOGIN_WANTED
    return (
        _socks_login(exc)
        or certificate_wanted(exc)
        or bool(_handshake(exc))
        or isinstance(
            exc, aiohttp.ClientConnectorCertificateError | aiohttp.ServerFingerprintMismatch | aiohttp.InvalidURL
        )
    )


def hide_logins(text: str) -> str:
    """Return a text without the user names and passwords of its URLs."""
    return _BASIC_AUTH.sub("BasicAuth(…)", _LOGIN.sub("//…@", text))


def _own(exc: BaseException) -> str:
    """Return words of ours for an error, "" for any other."""
    match exc:
        case aiohttp.ClientHttpProxyError():
            return _proxy(exc)
        case aiohttp.ClientConnectorError() if not isinstance(exc, aiohttp.ClientSSLError):
            return _unreached(exc)
        case aiohttp.InvalidURL():  # its text is the URL, of which no part can be told from a password
            return f"{type(exc).__name__}: the URL of the session's proxy cannot be used"
        case UnreadableBodyError():
            return str(exc)
        case _:
            return _socks(exc) or _remedy(exc)


def _socks_login(exc: BaseException) -> bool:
    """Return whether a proxy wants another login, by the words of the packages that speak SOCKS, and CONNECT too."""
    return _of_socks(exc) and ("authentication" in str(exc).lower() or str(exc).startswith(("401", "407")))


def _socks(exc: BaseException) -> str:
    """Return what is wrong with a SOCKS proxy, "" if its own words say it, and for any other error."""
    if _socks_login(exc):
        step = "put the right user name and password into the proxy's URL"
        kind = "" if str(exc)[:1].isdecimal() else "SOCKS "
        return f"the {kind}proxy refuses the login ({hide_logins(str(exc))}): {step}"
    if _of_socks(exc) and "socks version" in str(exc).lower():
        return f"the proxy does not answer as a SOCKS proxy does: {_SOCKS_STEP}"
    return ""


def _of_socks(exc: BaseException) -> bool:
    """Return whether it is an error of the packages that speak to SOCKS proxies, about what the proxy said."""
    kind = type(exc)
    return kind.__name__ == "ProxyError" and kind.__module__.startswith(("aiohttp_socks", "python_socks"))


def _proxy(exc: aiohttp.ClientHttpProxyError) -> str:
    # Its own text has the proxy's URL, password included, and words of the proxy.
    known = exc.status in set(HTTPStatus)
    answer = f"HTTP {exc.status}{f' {HTTPStatus(exc.status).phrase}' if known else ''}"
    if exc.status in _LOGIN_WANTED:
        step = "put the right user name and password into the proxy's URL (proxy=, OKX_PROXY or your session's)"
        return f"the proxy asks for a login ({answer}): {step}"
    text = f"the proxy makes no connection to the exchange ({answer})"
    return f"{text}: its rules must allow CONNECT to the exchange's host and port" if exc.status in _BARRED else text


def _unreached(exc: aiohttp.ClientConnectorError) -> str:
    try:
        host, port, error = exc.host, exc.port, exc.os_error
    except Exception:  # noqa: BLE001 - a user's mock may make aiohttp's errors without their parts
        return type(exc).__name__
    said = hide_logins(error.strerror or str(error))
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        return said if said.startswith("DNS ") else f"DNS cannot look up {host} ({said})"
    if error.errno and said.startswith("Connect call failed"):  # asyncio says no more than the address
        said = os.strerror(error.errno)
    place = f"{host}:{port}"
    if isinstance(exc, aiohttp.ClientProxyConnectionError):
        place = f"the proxy {place}"
    elif isinstance(exc, UnixClientConnectorError):
        place = f"the socket {exc.path}"
    # Without a number and words it is TLS that was not begun.
    return f"no connection to {place}: {said or 'it ended in the handshake'}"


def _handshake(exc: BaseException) -> str:
    """Return why no handshake with this server can work, and what to do; "" for any other error."""
    if not isinstance(exc, aiohttp.ClientConnectorSSLError):
        return ""
    reason = getattr(exc.os_error, "reason", "")
    if reason in _NO_TLS:
        return f"{exc.host}:{exc.port} speaks no TLS ({reason}): check scheme and port of base_url, and the proxy"
    if reason == _NO_NAME:
        return f"{exc.host}:{exc.port} knows no server of this name ({reason}): check region, base_url and proxy"
    if reason == _NO_PROTOCOL:
        return f"{exc.host}:{exc.port} does not speak HTTP/1.1 ({reason}): check base_url"
    if reason in _NO_COMMON:
        wanted = ", or it asks for a client certificate" if reason == _NO_REASON else ""
        common = f"{exc.host}:{exc.port} and this client have no TLS version or cipher in common{wanted}"
        return f"{common} ({reason}): check ssl="
    return ""


def _remedy(exc: BaseException) -> str:
    """Return which certificate is refused and what to do, "" for any other error."""
    if isinstance(exc, aiohttp.ServerFingerprintMismatch):
        return f"the certificate of {exc.host} has another fingerprint than the session's connector asks for"
    if reason := _about_our_certificate(exc):
        step = "pass ssl= with a context whose load_cert_chain() has loaded"
        if reason == _CERTIFICATE_WANTED:
            return f"the server asks for a client certificate ({reason}): {step} it"
        return f"the server refuses this client's certificate, or misses one ({reason}): {step} one that is valid there"
    if trouble := _handshake(exc):
        return trouble
    if not isinstance(exc, aiohttp.ClientConnectorCertificateError):
        return ""
    error = exc.certificate_error
    code, said = 0, str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        code, said = error.verify_code, error.verify_message
    if code in _NOT_NOW:
        kind = "has expired" if code == _EXPIRED else "is not valid yet"
        step = "check this machine's date and time; if they are right, the server is to blame"
    elif code in _NAME_OF_ANOTHER:
        kind = "is for another name"
        step = "check region, base_url and proxy: another server answers at this address"
    else:
        kind = "is not trusted"
        unread = " (unreadable)" if useless_file() else ""  # more of it would be cut off
        step = (
            f"if it is your proxy's, trust its authority (SSL_CERT_FILE{unread}, --cafile, ssl=), else check base_url"
        )
    return f"the certificate of {exc.host} {kind} ({said}): {step}"
