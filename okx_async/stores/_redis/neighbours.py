"""What else stands in a server of limits, and what of that is likely to be a mistake.

Programs with different prefixes, or in different databases, do not see one another. Live and demo never share a key,
but to flush the server for the one, or to vouch for it, is to do so for the other.
"""

import re
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import replace
from typing import Final

from okx_async._errors import InvalidRequestError
from okx_async.stores._redis.link import Link
from okx_async.stores.records import UnreadableError, key_of
from okx_async.stores.store import StoreError

MANY: Final = 10_000
"""Keys of a server from which on a program does not look through them when it starts."""
PAGE: Final = 5_000
"""Keys that are looked at in one call: a server far away is asked a few times, and none is held up for long."""
SHOWN: Final = 3
"""Prefixes that are named, and databases that are looked at."""
LATELY: Final = 24 * 3600
"""Seconds after which an epoch that no program has asked for, and beside which no key is in use, is not told of."""
_EPOCH: Final = "epoch"
_NAME: Final = re.compile(r"(?P<prefix>[A-Za-z0-9-]+):\{(?P=prefix)-\d+\}:(?P<rest>.*)", re.DOTALL)
_REAL: Final = {"live", "demo"}


def names_in(link: Link) -> set[str]:
    """Return the names of all records of limits in a server, whatever their prefix; raises StoreError."""
    names: set[str] = set()
    cursor = b"0"
    while True:
        [found] = link.commands([("SCAN", cursor, "MATCH", "*:{*-*}:*", "COUNT", PAGE)])
        if isinstance(found, Exception):
            raise link.failure(found)
        cursor, page = found
        names |= {name.decode(errors="replace") for name in page}
        if cursor == b"0":
            return {name for name in names if _NAME.fullmatch(name)}


def in_use(link: Link, names: set[str]) -> set[str]:
    """Return the names without the epochs of prefixes that no program has used lately.

    An epoch never expires, so one may be of a prefix that was tried once. The server knows when it was last asked for,
    which every visit of a program does. Where it does not tell (this user may not ask, or its policy counts uses
    instead), all are taken to be in use.
    """
    kinds: dict[str, list[str]] = {}
    for name in names:
        if found := _NAME.fullmatch(name):
            kinds.setdefault(found["prefix"], []).append(name)
    alone = [found for found in kinds.values() if all(name.endswith(f"}}:{_EPOCH}") for name in found)]
    asked = [name for found in alone for name in found]
    since = dict(zip(asked, link.commands([("OBJECT", "IDLETIME", name) for name in asked]), strict=True))
    old = [found for found in alone if all(type(at := since[name]) is int and at > LATELY for name in found)]
    return names.difference(*old)


def size_of(link: Link) -> int:
    """Return how many keys the server had when the connection was opened."""
    return _size(link.info.get(f"db{link.address.options.get('db', 0)}", ""))


def _size(line: str) -> int:
    found = re.match(r"keys=(\d+)", line)
    return int(found[1]) if found else 0


def doubts(names: Iterable[str], prefix: str) -> list[str]:
    """Return what is likely to be a mistake, in words, for a program with that prefix."""
    others, kinds = set[str](), set[str]()
    for name in names:
        found = _NAME.fullmatch(name)
        if found is None:
            continue
        if found["prefix"] != prefix:
            others.add(found["prefix"])
        elif found["rest"] != _EPOCH:
            with suppress(UnreadableError):  # not of this library
                kinds.update(key_of(found["rest"])[:1])
    told = []
    if others:
        shown = ", ".join(sorted(others)[:SHOWN]) + (" and more" if len(others) > SHOWN else "")
        told.append(
            f"programs with another prefix ({shown}) keep limits there too, or did lately: they and those with "
            f"{prefix} do not see one another; all programs of an account need the same one"
        )
    if kinds >= _REAL:
        told.append(
            "live and demo programs keep their limits there: to flush it or to vouch for it for the one is to do so "
            "for the other"
        )
    return told


def elsewhere(link: Link, prefix: str) -> list[str]:
    """Return what stands in other databases of a server and is likely to be a mistake, in words; none if it is large.

    An epoch alone is of programs of before: it never expires.
    """
    own, told = link.address.options.get("db", 0), []
    sizes = {int(name[2:]): line for name, line in link.info.items() if re.fullmatch(r"db\d+", name)}
    for number in [number for number in sizes if number != own and _size(sizes[number]) < MANY][:SHOWN]:
        address = replace(link.address, options={**link.address.options, "db": number})
        with suppress(StoreError, InvalidRequestError), closing(Link(address)) as other:  # this user may not look there
            if any(name.startswith(f"{prefix}:") and not name.endswith("}:epoch") for name in names_in(other)):
                told.append(
                    f"programs keep limits in its database {number}, too: they and those in database {own} do not see "
                    "one another; all programs of an account need the same one"
                )
    return told
