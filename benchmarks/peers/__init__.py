"""The limiters that are measured, each as a careful user of its library would set it up for many keys."""

import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, TypeAlias


class Limited(Protocol):
    """A limiter of many keys."""

    def slot(self, key: str) -> AbstractAsyncContextManager[object]:
        """Return a context manager whose block may send one request of `key`."""

    async def spin(self, keys: Iterable[str]) -> None:
        """Take and leave a slot of each key in turn, in the library's own words: nothing of ours in between."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One row of every table."""

    name: str
    distribution: str
    how: str
    """The limiter in the library's own terms."""
    make: Callable[[int, float], Limited]
    """(limit, seconds of the window) to a limiter."""
    free: Callable[[], Limited]
    """The same with slots that are always free: in the cheapest setting that the library offers for that."""
    kept: Callable[[], Limited] | None = None
    """The same, where `free` would forget its keys at once."""
    least_per: float = 0.0
    """Seconds: the shortest window that it can be given."""


OURS = "okx_async"
NAMES = (
    OURS,
    "aiolimiter",
    "asynciolimiter",
    "asynciolimiter-strict",
    "ccxt-leaky",
    "ccxt-rolling",
    "limits",
    "pyrate-limiter",
    "throttled-py",
)


def load(name: str) -> Peer:
    """Return the peer of that name; ImportError if its library is not installed."""
    module = import_module(f"benchmarks.peers.{'ours' if name == OURS else 'libraries'}")
    peer: Peer = getattr(module, name.replace("-", "_"))()
    return peer


def installed(names: Iterable[str]) -> list[Peer]:
    """Return the peers that can be run here, and name the others on stderr."""
    peers = []
    for name in names:
        try:
            peers.append(load(name))
        except ImportError:
            print(f"left out, not installed: {name}", file=sys.stderr)
    return peers


Slot: TypeAlias = Callable[[], AbstractAsyncContextManager[object]]


@dataclass(frozen=True, slots=True)
class SharedPeer:
    """One limiter whose limits processes share."""

    name: str
    distribution: str
    how: str
    """The limiter in the library's own terms."""
    open: Callable[[str], Awaitable[Slot]]
    """The path of a file, or the URL of a server, to slots of the key; called in the process that uses them."""
    server: bool = True
