"""The HTTP proxy through which every connection leads: its address, and its login, which no text shows."""

import os
import re
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

import aiohttp
from aiohttp.helpers import get_env_proxy_for_url
from yarl import URL

from okx_async._errors import InvalidRequestError

ENVIRONMENT: Final = "env"
"""The argument that stands for the proxy that the environment names."""
EXAMPLE: Final = "http://user:password@host:port"
HIDDEN: Final = "(not shown here: it may hold a password)"
SOCKS_STEP: Final = "pass a session= whose connector leads through it, for instance that of the package aiohttp-socks"
"""What a program can do about a SOCKS proxy."""
_PORTS: Final = {"http": 80, "https": 443}
_VARIABLES: Final = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy."""

    url: URL
    """Its address, without user name and password."""
    authorization: str | None = field(default=None, repr=False)
    """What it is sent as Proxy-Authorization."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """The texts that nothing may show."""


def read_proxy(proxy: object, base_url: str, *, socks_step: str = SOCKS_STEP) -> Proxy | None:
    """Return the proxy that an argument of Client names, None for none.

    Args:
        proxy: A URL, "env" for what the environment names for `base_url`, or None.
        base_url: Where requests go to.
        socks_step: What the caller can do about a SOCKS proxy, for the text of the error; by default `SOCKS_STEP`.

    Raises:
        InvalidRequestError: It cannot be used; the text shows no part of the URL that may be secret.
    """
    if proxy is None:
        return None
    if not isinstance(proxy, str):
        raise InvalidRequestError(f"proxy must be a URL such as {EXAMPLE}, or 'env', got {type(proxy).__name__}")
    proxy = proxy.strip()  # a URL has no blanks at its ends: they come of files that end in a line break
    if proxy == ENVIRONMENT:
        found = environment_proxy(base_url)
        return None if found is None else _read(found[1].strip(), f"proxy='env': {found[0]}", socks_step)
    return _read(proxy, "proxy", socks_step)


def environment_proxy(base_url: str) -> tuple[str, str] | None:
    """Return the name and the value of the variable that names the proxy for a URL; None: there is none.

    HTTPS_PROXY or HTTP_PROXY by the URL's scheme, else ALL_PROXY; NO_PROXY excepts hosts, also by ``*.example.com`` and
    networks such as ``10.0.0.0/8``. Names in lower case go first.
    """
    url = URL(base_url)
    proxies = getproxies_environment()
    host = (url.host or "").rstrip(".")
    if any(proxy_bypass_environment(name, proxies) for name in (host, f"{url.host_subcomponent}:{url.port}")):
        return None
    if _excepted(host, proxies.get("no", "")):
        return None
    for scheme in (url.scheme, "all"):
        if value := proxies.get(scheme):
            return f"{scheme}_proxy".upper(), value
    return None


def _excepted(host: str, exceptions: str) -> bool:
    """Return whether NO_PROXY names a host in a way that urllib does not know: ``*.example.com``, ``10.0.0.0/8``."""
    try:
        address = ip_address(host)
    except ValueError:
        names = [each.removeprefix("*.").rstrip(".").lower() for each in re.split(r"[\s,]+", exceptions)]
        return any(name and f".{host.lower()}".endswith(f".{name.removeprefix('.')}") for name in names)
    for each in re.split(r"[\s,]+", exceptions):
        with suppress(ValueError):  # no network
            if address in ip_network(each.replace("[", "").replace("]", ""), strict=False):
                return True
    return False


def names_a_proxy() -> bool:
    """Return whether the environment names any proxy."""
    return any(os.environ.get(name) or os.environ.get(name.lower()) for name in _VARIABLES)


def check_session_proxy(session: aiohttp.ClientSession, base_url: str) -> None:
    """Raise InvalidRequestError for a session with ``trust_env=True`` that would go past the environment's proxy.

    aiohttp passes over proxies that are reached by TLS, and over ALL_PROXY, and then connects directly.
    """
    named = getattr(session, "_default_proxy", None) is not None
    found = None if named or not session.trust_env or URL(base_url).scheme != "https" else environment_proxy(base_url)
    if found is not None and (found[0] == "ALL_PROXY" or found[1].strip().lower().startswith(("https:", "wss:"))):
        raise InvalidRequestError(
            f"session has trust_env=True, but aiohttp would go past the proxy of {found[0]}: give it to the session, "
            f"aiohttp.ClientSession(proxy=...), or pass proxy='env' in place of session= {HIDDEN}"
        )


def session_settings(session: aiohttp.ClientSession, base_url: str) -> dict[str, Any]:
    """Return the private settings with which a copy of a session makes requests without asking the environment.

    With ``trust_env=True`` aiohttp asks for each request which proxy the environment names, and whether .netrc has a
    login for the exchange, which would be a header beside the signed ones. It asks in threads of the loop's executor:
    they are the caller's, and all of them may be busy.
    """
    if not session.trust_env:
        return {}
    settings: dict[str, Any] = {"_trust_env": False}
    if getattr(session, "_default_proxy", None) is None:
        try:
            proxy, login = get_env_proxy_for_url(URL(base_url))
        except LookupError:
            return settings
        except ValueError:  # its text would show the URL
            raise InvalidRequestError(
                f"session has trust_env=True, and the environment names a proxy whose URL cannot be used {HIDDEN}"
            ) from None
        settings |= {"_default_proxy": proxy, "_default_proxy_auth": login}
    return settings


def session_secrets(
    session: aiohttp.ClientSession, settings: Mapping[str, Any] = MappingProxyType({})
) -> tuple[str, ...]:
    """Return what a caller's session would send to its proxy as login, as far as it can be seen.

    `settings`: what is set in its place for our requests.
    """
    secrets: list[str] = []
    urls: list[object] = [getattr(session, "_default_proxy", None)]
    if session.trust_env:
        urls += getproxies_environment().values()
    for url in urls:
        parts = None if url is None else _split(str(url))
        if parts is not None and parts.password:
            secrets += _secrets(unquote(parts.username or ""), unquote(parts.password))
    for auth in (getattr(session, "_default_proxy_auth", None), settings.get("_default_proxy_auth")):
        if isinstance(auth, aiohttp.BasicAuth):
            secrets += _secrets(auth.login, auth.password)
    return tuple(secrets)


def _read(text: str, name: str, socks_step: str) -> Proxy:
    scheme, found, rest = text.partition("://")
    if not found:  # as curl, pip and others read it
        scheme, rest = "http", text
    scheme = scheme.lower()
    if re.fullmatch(r"socks[0-9]?[ah]?", scheme):
        raise InvalidRequestError(f"{name} is a SOCKS proxy: {socks_step} {HIDDEN}")
    if scheme not in _PORTS:
        raise InvalidRequestError(f"{name} must begin with http:// or https://, as {EXAMPLE} {HIDDEN}")
    parts = None if re.search(r"[\s\x00-\x1f\x7f]", text) else _split(f"{scheme}://{rest}")
    port = None if parts is None else _port(parts, _PORTS[scheme] if found else None)
    url = None if parts is None or port is None else _url(scheme, parts.hostname or "", port)
    if parts is None or url is None:
        raise InvalidRequestError(
            f"{name} must be a URL such as {EXAMPLE}, with special characters of user name and password as %XX {HIDDEN}"
        )
    if parts.username is None:
        return Proxy(url)
    user, password = unquote(parts.username), unquote(parts.password or "")
    if ":" in user:
        raise InvalidRequestError(f"{name}: a user name with a colon cannot be sent to a proxy {HIDDEN}")
    return Proxy(url, f"Basic {_encoded(user, password)}", _secrets(user, password))


def _split(text: str) -> SplitResult | None:
    """Return the parts of a URL that is no more than scheme, login, host and port; None for any other text."""
    try:
        parts = urlsplit(text)
    except ValueError:  # its text would show the URL
        return None
    return None if parts.path.strip("/") or parts.query or parts.fragment or "?" in text or "#" in text else parts


def _port(parts: SplitResult, default: int | None) -> int | None:
    try:
        return default if parts.port is None else parts.port or None
    except ValueError:
        return None


def _url(scheme: str, host: str, port: int) -> URL | None:
    misread = "@" in unquote(host)  # a login whose @ is encoded, too
    try:
        return URL.build(scheme=scheme, host=host, port=port) if host and not misread else None
    except ValueError:
        return None


def _encoded(user: str, password: str) -> str:
    return b64encode(f"{user}:{password}".encode("utf-8", "surrogatepass")).decode()


def _secrets(user: str, password: str) -> tuple[str, ...]:
    """Return what to hide; not a user name alone, which may be a word of every other message."""
    return tuple({f"{user}:{password}", _encoded(user, password), password or user})
