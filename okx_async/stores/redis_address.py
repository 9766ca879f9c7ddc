"""The address of a Redis or Valkey server, from a URL; the text that names it holds no password."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from redis.connection import AbstractConnection, Connection, parse_url

from okx_async._errors import InvalidRequestError

FORMS: Final = "redis://, rediss:// or unix:// as in redis://user:password@host:6379/0"
_OURS: Final = {"host", "port", "db", "username", "password", "path", "connection_class"}
_TLS: Final = {"ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"}
"""What may stand in the query of a URL: the options of the connection that say which server it is, and no others."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, and how to be let in."""

    label: str
    kind: type[AbstractConnection]
    options: Mapping[str, Any] = field(repr=False)


def read_address(url: object) -> Address:
    """Return the address that a URL holds.

    Raises:
        InvalidRequestError: It is none. The text does not repeat it: it may hold a password.
    """
    if not isinstance(url, str):
        raise InvalidRequestError(f"url must be a text, got {type(url).__name__}; it is {FORMS}")
    scheme, _, rest = url.partition("://")
    if scheme not in {"redis", "rediss", "unix"}:
        raise InvalidRequestError(f"url must be {FORMS}")
    try:
        options: dict[str, Any] = dict(parse_url(url))  # type: ignore[no-untyped-call]
    except (ValueError, TypeError):
        raise InvalidRequestError(f"the url of the limits cannot be read; it must be {FORMS}") from None
    unknown = sorted(options.keys() - _OURS - (_TLS if scheme == "rediss" else set()))
    if unknown:
        raise InvalidRequestError(f"the url of the limits holds what is not known: {', '.join(unknown)}")
    kind = options.pop("connection_class", Connection)
    database = options.setdefault("db", 0)
    path = rest.partition("?")[0].rpartition("@")[2].partition("/")[2]
    if scheme == "unix":
        if not options.get("path"):
            raise InvalidRequestError("the url of the limits must be unix:///path/of/the/socket")
        where = f"unix://{options['path']}"
    else:
        if path and path.strip("/") != str(database):
            raise InvalidRequestError(f"the url of the limits ends in the number of a database; it must be {FORMS}")
        host = options.setdefault("host", "localhost")
        where = f"{scheme}://{f'[{host}]' if ':' in host else host}:{options.setdefault('port', 6379)}"
    return Address(f"{where}/{database}" if scheme != "unix" else where, kind, options)
