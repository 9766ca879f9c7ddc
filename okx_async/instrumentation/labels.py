"""The values of labels: few, whatever an exchange or a proxy answers and whatever keys a limiter has."""

import re
from collections.abc import Hashable
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from okx_async import Attempt

CLOSE: Final = "trade/close-position"
OTHER: Final = "other"
PREFIX: Final = "/api/v5/"

_CODE: Final = re.compile(r"[0-9]{1,6}")
_PARTS: Final = (2, 3)
"""How many parts the keys of a Client have: without a user id, and with one."""


class Target(NamedTuple):
    """Where attempts were sent, as OpenTelemetry names the parts of a URL."""

    url: str
    address: str
    port: int
    scheme: str
    path: str


def target_of(url: str) -> Target:
    """Return the parts of an attempt's URL."""
    parts = urlsplit(url)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    return Target(url, parts.hostname or "", port, parts.scheme or "https", parts.path or f"{PREFIX}{CLOSE}")


def code_label(code: str) -> str:
    """Return a code of the exchange as a label: its digits, "" for none, "other" for what is no code of OKX."""
    if not code:
        return ""
    first = code.partition("_")[0]  # the exchange may add a detail, as in 51000_posSide
    return first if _CODE.fullmatch(first) else OTHER


def environment_of(key: Hashable) -> str:
    """Return the environment that a key of a Client begins with; "" for no key, "other" for other keys."""
    if key is None:
        return ""
    return str(key[0]) if isinstance(key, tuple) and len(key) in _PARTS else OTHER


def endpoint_of(key: Hashable) -> str:
    """Return the endpoint that a key of a Client is of: its own name, or that of closes for an instrument."""
    if not isinstance(key, tuple) or len(key) not in _PARTS:
        return OTHER
    scope = str(key[-1])
    return scope if "/" in scope else CLOSE


def also_of(attempt: Attempt, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values of further labels that were asked for."""
    if not names:
        return ()
    key = attempt.key
    user_id = key[1] if key is not None and len(key) == _PARTS[1] else ""
    values = {"inst_id": str(attempt.request.inst_id), "user_id": user_id}
    return tuple(values[name] for name in names)
