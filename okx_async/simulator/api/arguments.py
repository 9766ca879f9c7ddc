"""Checks of what the simulated exchange is made with, beside its settings: a wrong value is told when it is given."""

from contextlib import suppress
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address, ip_address
from math import inf
from typing import Any

LAST_PORT = 65535
PERMISSIONS = ("read_only", "trade", "withdraw")


def check_way(latency: Any, jitter: Any, fill: Any) -> None:
    """Check the seconds of the way to the exchange, and which part of a close is filled.

    Raises:
        TypeError: If a value is of another type.
        ValueError: If it is not possible.
    """
    if not all(0 <= _number("latency and jitter", each) < inf for each in (latency, jitter)):
        raise ValueError("latency and jitter must be finite numbers of seconds and not negative")
    if not 0 <= _number("fill", fill) <= 1:
        raise ValueError(f"fill must be from 0 to 1, got {fill}")


def check_place(host: Any, port: Any, control: Any) -> None:
    """Check where the exchange is to listen, and to whom it lends its control.

    Raises:
        TypeError: If a value is of another type.
        ValueError: If it is not possible.
    """
    if not isinstance(host, str):
        raise TypeError(f"host must be a name or an address, got {host!r}")
    if not 0 <= _whole("port", port) <= LAST_PORT:
        raise ValueError(f"port must be from 0 (a free one) to {LAST_PORT}, got {port}")
    if control not in ("here", "everywhere", "nowhere"):
        raise ValueError(f'control must be "here", "everywhere" or "nowhere", got {control!r}')


def check_memory(journal_cap: Any, **clocks: Any) -> None:
    """Check how much the exchange remembers, and the clocks by which it does.

    Raises:
        TypeError: If a value is of another type.
        ValueError: If it is not possible.
    """
    if journal_cap is not None and _whole("journal_cap", journal_cap) < 1:
        raise ValueError(f"journal_cap must be at least 1, or None for no cap, got {journal_cap}")
    for name, clock in clocks.items():
        if not callable(clock):
            raise TypeError(f"{name} must be a function that returns seconds, got {clock!r}")
        now: Any = 0.0
        with suppress(Exception):  # the time of an event loop that does not run yet, say
            now = clock()
        if isinstance(now, bool) or not isinstance(now, int | float):
            raise TypeError(f"{name} must return seconds, and returned {now!r}")
        if not -inf < now < inf:
            raise ValueError(f"{name} must return a finite number of seconds, and returned {now}")


def address_of(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address, the same for each of its spellings; None: it is none.

    Args:
        text: As a connection tells it: perhaps with a zone, or an IPv4 address in the form of IPv6.
    """
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def check_key(perm: Any, ip: Any) -> None:
    """Check what an API key may do, and the addresses that it is bound to.

    Raises:
        TypeError: If one is no string.
        ValueError: If it is no comma list of permissions, or of addresses.
    """
    for name, given in (("perm", perm), ("ip", ip)):
        if not isinstance(given, str):
            raise TypeError(f"{name} must be a comma list in one string, got {given!r}")
    unknown = [each for each in perm.split(",") if perm and each not in PERMISSIONS]
    if unknown:
        raise ValueError(f"perm must be a comma list of {', '.join(PERMISSIONS)}, got {perm!r}")
    for each in ip.split(",") if ip else ():
        try:
            ip_address(each)
        except ValueError:
            raise ValueError(f"ip must be a comma list of addresses, got {ip!r}") from None


def _number(name: str, given: Any) -> float | Decimal:
    if isinstance(given, bool) or not isinstance(given, int | float | Decimal):
        raise TypeError(f"{name} must be numeric, got {given!r}")
    return given


def _whole(name: str, given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int):
        raise TypeError(f"{name} must be a whole number, got {given!r}")
    return given
