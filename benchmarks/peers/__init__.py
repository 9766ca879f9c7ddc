"""The limiters that are measured: one adapter a file, one surface for all.

A peer that is not installed is left out of a run and named there (`pip install '.[bench]'` brings them all).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

from benchmarks.clients import Subject


class Limited(Protocol):
    """A limiter of many keys, as a careful user of its library would build it."""

    def slot(self, key: str) -> AbstractAsyncContextManager[object]:
        """Return a context manager whose block may send one request of `key`."""

    async def spin(self, keys: Iterable[str]) -> None:
        """Take and leave a slot of each key in turn, in the library's own words: nothing of ours in between."""


Make = Callable[[int, float], Limited]
"""(limit, seconds of the window) to a limiter."""

__all__ = ["NAMES", "Peer", "installed", "load", "versions"]


@dataclass(frozen=True, slots=True)
class Peer:
    """One row of every table."""

    name: str
    distribution: str
    how: str
    """What was built, in the library's own terms."""
    make: Make
    free: Callable[[], Limited]
    """The same with slots that are always free: in the cheapest setting that the library offers for that."""
    kept: Callable[[], Limited] | None = None
    """The same, where `free` would forget its keys at once."""
    least_per: float = 0.0
    """Seconds: the shortest window that it can be given."""


NAMES = (
    "okx_async",
    "aiolimiter",
    "asynciolimiter",
    "asynciolimiter-strict",
    "ccxt-leaky",
    "ccxt-rolling",
    "limits",
    "pyrate-limiter",
    "throttled-py",
)
_MODULES = {name: name.replace("-", "_") for name in NAMES} | {
    "asynciolimiter-strict": "asynciolimiter",
    "ccxt-leaky": "ccxt",
    "ccxt-rolling": "ccxt",
}
_MISSING: dict[str, str] = {}


def load(name: str) -> Peer:
    """Return the peer of that name; ImportError if its library is not installed."""
    module = importlib.import_module(f"benchmarks.peers.{_MODULES[name]}")
    peers: tuple[Peer, ...] = module.PEERS
    return next(peer for peer in peers if peer.name == name)


def installed(names: Iterable[str] = NAMES) -> list[Peer]:
    """Return those that can be run here, and name the others on stderr, once."""
    peers = []
    for name in names:
        try:
            peers.append(load(name))
        except ImportError as error:
            if name not in _MISSING:
                _MISSING[name] = str(error)
                print(f"left out, not installed: {name}", file=sys.stderr)
    return peers


def versions(peers: Iterable[Peer] | Iterable[Subject]) -> dict[str, str]:
    """Return the version of every library that is measured, and of what the runs rest on."""
    found = {}
    for name in [*dict.fromkeys(peer.distribution for peer in peers), "aiohttp"]:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
