"""The address of a Redis or Valkey server, from a URL; the text that names it holds no password.

Several hosts, divided by commas, are nodes of a cluster or, with ``redis+sentinel://``, sentinels that know the server.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from redis.connection import AbstractConnection, Connection, parse_url

from okx_async._errors import InvalidRequestError
from okx_async.stores.url_options import OF_SERVERS

FORMS: Final = "redis://, rediss:// or unix:// as in redis://user:password@host:6379/0"
ENCODED: Final = "in user and password / is written %2F, ? %3F, # %23, @ %40 and % %25"
LOGIN: Final = "USER:PASSWORD@"
SENTINEL_PORT: Final = 26379
_OURS: Final = {"host", "port", "db", "username", "password", "path", "connection_class"}
FILES: Final = "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"
_TLS: Final = {*FILES, "ssl_cert_reqs", "ssl_check_hostname"}
"""What may stand in the query of a URL: the options of the connection that say which server it is, and no others."""
_CHECKS: Final = "none", "optional", "required"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, and how to be let in."""

    label: str
    kind: type[AbstractConnection]
    options: Mapping[str, Any] = field(repr=False)
    others: tuple[tuple[str, int], ...] = ()
    """Further nodes of the cluster, or further sentinels."""
    service: str = ""
    """What sentinels call the server; empty: this is its address."""
    form: str = ""
    """The URL that it was read from, with words in place of user and password."""

    def at(self, host: str, port: int) -> "Address":
        """Return the address of another server of the same users."""
        scheme = self.label.partition("://")[0].partition("+")[0]
        label = f"{scheme}://{_host(host)}:{port}/{self.options['db']}"
        return Address(label, self.kind, {**self.options, "host": host, "port": port})

    def all(self) -> list["Address"]:
        """Return this address and those of the others."""
        if not self.others and not self.service:
            return [self]
        hosts = [(self.options["host"], self.options["port"]), *self.others]
        return [self.at(host, port) for host, port in hosts]


def read_address(url: object) -> Address:
    """Return the address that a URL holds.

    Raises:
        InvalidRequestError: It is none. The text does not repeat it: it may hold a password.
    """
    if not isinstance(url, str):
        raise InvalidRequestError(f"url must be a text, got {type(url).__name__}; it is {FORMS}")
    if "#" in url.partition("://")[2]:  # what precedes it would be the server
        raise InvalidRequestError(f"the url of the limits has a # in it: {ENCODED}")
    try:
        return _address(url)
    except InvalidRequestError:  # a ValueError, whose text says more
        raise
    except (ValueError, TypeError):
        raise InvalidRequestError(f"the url of the limits cannot be read; it must be {FORMS}; {ENCODED}") from None


def _address(url: str) -> Address:
    scheme, _, rest = url.partition("://")
    sentinels = scheme in {"redis+sentinel", "rediss+sentinel"}
    if scheme == "unix":
        login = rest.partition("/")[0]
        address = _socket(login, _options(url))
    elif sentinels or scheme in {"redis", "rediss"}:
        login = _login(rest)
        address = _hosts(scheme.partition("+")[0], rest, sentinels=sentinels)
    else:
        raise InvalidRequestError(f"url must be {FORMS}")
    return replace(address, form=f"{scheme}://{login and LOGIN}{rest.removeprefix(login)}")


def _login(rest: str) -> str:
    """Return user and password of what follows the scheme, with the @ behind them."""
    user, at, _ = rest.partition("?")[0].rpartition("@")
    return user + at


def _socket(user: str, options: dict[str, Any]) -> Address:
    kind = options.pop("connection_class")
    options.setdefault("db", 0)
    if not options.get("path") or (user and not user.endswith("@")):  # the rest of a password is no part of the path
        raise InvalidRequestError(f"the url of the limits must be unix:///path/of/the/socket; {ENCODED}")
    return Address(f"unix://{options['path']}", kind, options)


def _hosts(scheme: str, rest: str, *, sentinels: bool) -> Address:
    whole, mark, query = rest.partition("?")
    user, at, place = whole.rpartition("@")
    if "/" in user or not all("=" in option for option in query.split("&") if option):
        # What precedes the / or the ? would be the server, and a part of the password its port.
        raise InvalidRequestError(f"the url of the limits cannot be read: {ENCODED}")
    place, _, path = place.partition("/")
    service, default = "", 6379
    if sentinels:
        service, _, path = path.partition("/")
        default = SENTINEL_PORT
        if not service:
            raise InvalidRequestError(
                "the url of the limits must name the service of the sentinels: redis+sentinel://host:26379/service/0"
            )
    first, *further = place.split(",")
    options = _options(f"{scheme}://{user}{at}{first}/{path}{mark}{query}")
    if "@" in options.get("host", ""):  # a login whose @ is encoded, too
        raise ValueError(scheme)
    others = tuple(_other(host, default) for host in further)
    kind = options.pop("connection_class", Connection)
    database = options.setdefault("db", 0)
    if path.strip("/") not in {"", str(database)}:
        raise InvalidRequestError(
            f"the url of the limits must end in the number of a database, if in anything; it must be {FORMS}"
        )
    options.setdefault("host", "localhost")
    options.setdefault("port", default)
    named = ",".join(f"{_host(host)}:{port}" for host, port in [(options["host"], options["port"]), *others])
    where = f"{scheme}+sentinel://{named}/{service}" if sentinels else f"{scheme}://{named}"
    return Address(f"{where}/{database}", kind, options, others, service)


def _options(url: str) -> dict[str, Any]:
    """Return the options of a connection; raises ValueError."""
    options: dict[str, Any] = dict(parse_url(url))  # type: ignore[no-untyped-call]
    if options.keys() - _OURS - (_TLS if url.startswith("rediss") else set()):
        # They are not named: one may be the rest of a password.
        raise InvalidRequestError(
            f"the url of the limits holds an option that is not known; rediss:// may have {', '.join(sorted(_TLS))}, "
            f"and that in OKX_LIMITS {', '.join(OF_SERVERS)}, which are arguments of RedisLimiter"
        )
    if options.get("ssl_cert_reqs", "required") not in _CHECKS:
        raise InvalidRequestError(f"ssl_cert_reqs in the url of the limits must be {', '.join(_CHECKS)}")
    return options


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _other(text: str, default: int) -> tuple[str, int]:
    """Return host and port of a further host."""
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.path or "@" in unquote(text):
        raise ValueError(text)
    return parts.hostname, parts.port or default
