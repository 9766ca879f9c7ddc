"""The clients that are measured: one adapter a file, one surface for all.

Each closes a position in its own library's words and nothing of ours in between. What is not installed is left out.
"""

from __future__ import annotations

import importlib
import sys
from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

__all__ = [
    "BARE",
    "IMPORTS",
    "KEYS",
    "NAMES",
    "OURS",
    "PASSPHRASE",
    "PATH",
    "SECRET",
    "Closer",
    "Subject",
    "WarmingUp",
    "interpreter",
    "load",
]

PATH = "/api/v5/trade/close-position"
KEYS = "37c541a1-5a6f-4b8e-9e5a-7e1a6c9d2f10"
SECRET = "0123456789ABCDEF0123456789ABCDEF"
PASSPHRASE = "correct-horse-9"


class Closer(Protocol):
    """An open client."""

    async def close(self, inst_id: str) -> object:
        """Close one position and return what the library returns."""

    async def batch(self, inst_ids: Sequence[str]) -> object:
        """Close all of them at once."""

    async def aclose(self) -> None:
        """Close the client."""


@runtime_checkable
class WarmingUp(Protocol):
    """A client that opens its connections before they are needed."""

    async def warm_up(self, connections: int) -> int:
        """Open so many, and return how many are open."""


Open: TypeAlias = "Callable[[str], Closer]"
"""A base URL to a client, made inside the event loop."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One row of every table."""

    name: str
    distribution: str
    how: str
    make: Open
    accepted: Callable[[object], bool]
    """Whether what `close` returned says that the exchange took it."""
    loop: Callable[[], AbstractEventLoop] | None = None
    slow: bool = False
    """Whether it paces all requests, so that a fast run of closes takes minutes."""


OURS, BARE = "okx_async", "aiohttp, tuned"
_MODULES = {
    OURS: "ours",
    "okx_async on uvloop": "ours",
    BARE: "aiohttp",
    "aiohttp, as people write it": "aiohttp",
    "aiohttp, request bytes of its own": "aiohttp_bytes",
    "asyncio protocol": "protocol",
    "httpx": "httpx",
    "python-okx": "python_okx",
    "python-okx in threads": "python_okx",
    "ccxt": "ccxt",
    "ccxt, throttler off": "ccxt",
    "python-okx-async": "python_okx_async",
}
NAMES = tuple(_MODULES)
IMPORTS = {
    OURS: "okx_async",
    BARE: "aiohttp, orjson",
    "asyncio protocol": "asyncio, orjson",
    "httpx": "httpx",
    "python-okx": "okx.Trade",
    "ccxt": "ccxt.async_support",
    "python-okx-async": "okx_async.AsyncTrade",
}
"""What a program imports that uses it."""

PEER = Path(sys.prefix) / "peer" / "bin" / "python"
"""The environment of its own that python-okx-async needs: it installs a package of our name."""


def interpreter(name: str) -> str | None:
    """Return the interpreter that can run this subject; None if it is not installed."""
    if name == "python-okx-async":
        return str(PEER) if PEER.exists() else None
    try:
        load(name)
    except ImportError:
        return None
    return sys.executable


def load(name: str) -> Subject:
    """Return the subject of that name; ImportError if its library is not installed."""
    subjects: tuple[Subject, ...] = importlib.import_module(f"benchmarks.clients.{_MODULES[name]}").SUBJECTS
    for subject in subjects:
        if subject.name == name:
            return subject
    raise ImportError(name)
