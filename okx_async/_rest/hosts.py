"""REST hosts: the home of an account, the environment that a host belongs to, and the check of a base URL."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote

from yarl import URL

from okx_async._errors import InvalidRequestError
from okx_async._validation import check_bool, is_one_of, short_repr

_HOST: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?")

# A key belongs to one home; there is no fallback from one to another.
# https://www.okx.com/docs-v5/en/#overview for global and eea; us and tr observed in several clients, app in OKX's own
# Agent Trade Kit. Accounts of Australia are at the host of the US.
REGIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "global": "https://openapi.okx.com",
        "eea": "https://eea.okx.com",
        "us": "https://us.okx.com",
        "app": "https://app.okx.com",
        "au": "https://us.okx.com",
        "tr": "https://tr.okx.com",
    }
)

# OKX's own domains: where its first one is blocked, users take the others (observed), and okex.com is its former one.
_DOMAINS: Final = frozenset({"okx.com", "okx.ac", "okx.cab", "okex.com"})


def region_url(region: str) -> str:
    """Return the REST base of an account's home; InvalidRequestError names the homes there are."""
    if not is_one_of(region, REGIONS):
        raise InvalidRequestError(f"region must be one of {', '.join(REGIONS)}, got {short_repr(region)}")
    return REGIONS[region]


def host_of(region: str, base_url: str | None, *, allow_plain_http: bool = False) -> str:
    """Return the REST base: `base_url` if there is one, else that of the region; both are checked."""
    home = region_url(region)
    check_bool("allow_plain_http", allow_plain_http)  # "false", of an environment, would allow it
    return home if base_url is None else check_base_url(base_url, allow_plain_http=allow_plain_http)


def environment(base_url: str | None, *, demo: bool, region: str = "global", counts_as: str | None = None) -> str:
    """Return the part of a key that tells exchanges apart.

    ``"live"`` or ``"demo"`` for every host of OKX (one UID is counted once, whichever host it uses), the
    origin (``"http://127.0.0.1:1234"``) for any other `base_url`, which is taken as already checked, unless it is
    declared to be a way to OKX: `counts_as` is ``"live"`` or ``"demo"`` then, as `demo` says.
    """
    if not isinstance(demo, bool):
        raise InvalidRequestError(f"demo must be True or False, got {short_repr(demo)}")
    if counts_as is not None:
        if not is_one_of(counts_as, ("live", "demo")):
            raise InvalidRequestError(f"counts_as must be 'live', 'demo' or None, got {short_repr(counts_as)}")
        if demo is not (counts_as == "demo"):
            wrong = "contradicts" if demo else "needs"
            raise InvalidRequestError(f"counts_as={counts_as!r} {wrong} demo=True")
        return counts_as
    url = URL(region_url(region) if base_url is None else base_url)
    host = (url.host_subcomponent or "").removesuffix(".")
    if ".".join(host.split(".")[-2:]) in _DOMAINS:
        return "demo" if demo else "live"
    if _is_loopback(host.strip("[]")):
        host = "127.0.0.1"  # one exchange, whichever of its names is used
    return f"{url.scheme}://{host}{'' if url.is_default_port() else f':{url.port}'}"


def is_eea(base_url: str) -> bool:
    """Return whether a base URL is the home of the EEA, where no SWAP ids exist."""
    return (URL(base_url).host or "").removesuffix(".") == URL(REGIONS["eea"]).host


def check_base_url(url: str, *, allow_plain_http: bool = False) -> str:
    """Return `url` with lower-case scheme and host, without default port and trailing slash.

    It must be https; plain http, which shows the passphrase to every host on the way, is for
    loopback addresses only unless `allow_plain_http`. A path is kept: the prefix of a reverse proxy. Raises
    InvalidRequestError, whose message never shows user name, password or query.
    """
    if not isinstance(url, str):
        raise InvalidRequestError(f"base_url must be a string, got {short_repr(url)}")
    place = re.split("[/?#]", url.partition("//")[2])[0]
    # An @ that is encoded, or words where the port stands, are left over from a login.
    if "@" in url + unquote(place) or re.search(r":[^]:]*[^]:0-9]", place.rpartition("]")[2]):
        raise InvalidRequestError(
            "base_url must not hold a user name or password (not shown here), and its port is a number"
        )
    if "?" in url or "#" in url:
        raise InvalidRequestError(
            f"base_url must hold no query and no fragment, got {short_repr(re.split('[?#]', url)[0])}…"
        )
    try:
        parsed = URL(url)
        host = parsed.raw_host or ""
        port = parsed.port
        _ = parsed.host  # which is decoded when it is asked for: "xn--" is no name
    except ValueError as exc:
        raise InvalidRequestError(f"base_url must be a URL, got {short_repr(url)}") from exc
    if parsed.scheme not in {"http", "https"}:
        raise InvalidRequestError(f"base_url must begin with https://, got {short_repr(url)}")
    # Written as it goes over the wire: no second spelling of one host, no blanks, nothing to re-quote.
    if not re.fullmatch(r"[!-\[\]-~]+", url) or not port or not (_HOST.fullmatch(host) or _is_ip(host)):
        raise InvalidRequestError(f"base_url must name a host in ASCII and hold no blanks, got {short_repr(url)}")
    if parsed.scheme == "http" and not allow_plain_http and not _is_loopback(host):
        raise InvalidRequestError(
            "base_url must begin with https://: plain http is for loopback addresses, unless a program passes "
            f"allow_plain_http=True, got {short_repr(url)}"
        )
    if parsed.raw_path.rstrip("/").endswith("/api/v5"):
        raise InvalidRequestError(f"base_url must leave out /api/v5, which is added to it, got {short_repr(url)}")
    # origin() leaves a default port out and writes scheme and host in lower case.
    return f"{parsed.origin()}{parsed.raw_path}".rstrip("/")


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return "%" not in host  # an IPv6 zone belongs to this machine only and is quoted in several ways


def _is_loopback(host: str) -> bool:
    return host.removesuffix(".") == "localhost" or (_is_ip(host) and ip_address(host).is_loopback)
