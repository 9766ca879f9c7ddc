"""The way of the client's own connections to the exchange: proxy, trusted certificates, addresses and names."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from ssl import SSLContext
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from okx_async._errors import InvalidRequestError, hides_arguments
from okx_async._http.certificates import check_context, environment_context
from okx_async._http.proxy import Proxy, check_session_proxy, read_proxy, session_secrets, session_settings
from okx_async._validation import short_repr

_FAMILIES: Final = {socket.AF_UNSPEC: None, socket.AF_INET: 4, socket.AF_INET6: 6}


@dataclass(frozen=True, slots=True)
class Route:
    """What the client's own session is made with, checked."""

    proxy: Proxy | None = None
    ssl: SSLContext | None = None
    """None: aiohttp's own context."""
    local_addr: str | None = None
    family: socket.AddressFamily = socket.AF_UNSPEC
    resolver: AbstractResolver | None = None
    secrets: tuple[str, ...] = ()
    """What no text may show of the proxy's login, also of a proxy of a caller's session."""
    session_settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Private settings of a caller's session that are others for our requests."""

    def __repr__(self) -> str:
        return f"<Route {'direct' if self.proxy is None else repr(self.proxy)}>"


DIRECT: Final = Route()


@dataclass(frozen=True, slots=True, repr=False)
class NetworkOptions:
    """The arguments of Client that belong to its own session, as they were given."""

    proxy: str | None = None
    ssl: SSLContext | None = None
    local_addr: str | tuple[str, int] | None = None
    family: int = socket.AF_UNSPEC
    resolver: AbstractResolver | None = None


@hides_arguments
def make_route(base_url: str, options: NetworkOptions, session: aiohttp.ClientSession | None = None) -> Route:
    """Return the route that arguments of Client describe.

    Raises:
        InvalidRequestError: An argument cannot work, or belongs to a caller's session.
    """
    if session is not None:
        _refuse_beside_session(options)
        if not isinstance(session, aiohttp.ClientSession):
            return DIRECT  # it is refused later
        check_session_proxy(session, base_url)
        settings = session_settings(session, base_url)
        return Route(secrets=session_secrets(session, settings), session_settings=settings)
    resolver = options.resolver
    if resolver is not None and not isinstance(resolver, AbstractResolver):
        raise InvalidRequestError(
            "resolver must be an aiohttp.abc.AbstractResolver, such as aiohttp.AsyncResolver(), got "
            f"{short_repr(resolver)}"
        )
    through = read_proxy(options.proxy, base_url)
    address = _address(options.local_addr)
    version = _version(options.family)
    if address is not None and version not in {None, address.version}:
        raise InvalidRequestError(
            f"local_addr {address} is an address of IPv{address.version}, family asks for IPv{version}"
        )
    version = version or (None if address is None else address.version)
    first = URL(base_url) if through is None else through.url
    _check_first(first.host or "", version)
    context = check_context(options.ssl)
    if context is None and "https" in {URL(base_url).scheme, first.scheme}:
        context = environment_context()
    return Route(
        proxy=through,
        ssl=context,
        local_addr=None if address is None else str(address),
        family={None: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}[version],
        resolver=resolver,
        secrets=() if through is None else through.secrets,
    )


def _refuse_beside_session(options: NetworkOptions) -> None:
    for name in NetworkOptions.__slots__:
        if getattr(options, name) not in (None, socket.AF_UNSPEC):
            whose = "aiohttp.ClientSession(proxy=...)" if name == "proxy" else f"aiohttp.TCPConnector({name}=...)"
            raise InvalidRequestError(f"{name} is for the client's own session: give it to yours, {whose}")


def _address(local: object) -> IPv4Address | IPv6Address | None:
    if local is None:
        return None
    host, port = local if isinstance(local, tuple) and len(local) == len(("host", "port")) else (local, 0)
    if port != 0 or isinstance(port, bool):
        raise InvalidRequestError("local_addr must have port 0: each connection leaves from a port of its own")
    if isinstance(host, str):
        try:
            return ip_address(host.strip("[]"))
        except ValueError:
            pass
    raise InvalidRequestError(f"local_addr must be an IP address of this machine, got {short_repr(local)}")


def _version(family: object) -> int | None:
    if isinstance(family, bool) or not isinstance(family, int) or family not in _FAMILIES:
        raise InvalidRequestError(
            f"family must be socket.AF_INET, socket.AF_INET6 or socket.AF_UNSPEC, got {short_repr(family)}"
        )
    return _FAMILIES[socket.AddressFamily(family)]


def _check_first(host: str, version: int | None) -> None:
    """Refuse an address of the other family, to which no connection can ever be made."""
    try:
        address = ip_address(host)
    except ValueError:
        return  # a name
    if version not in {None, address.version}:
        raise InvalidRequestError(
            f"{host} is an address of IPv{address.version}, but family or local_addr asks for IPv{version}"
        )
