"""The clients that are measured: adapters that close positions in their library's own words.

This module imports neither a library nor `okx_async`: python-okx-async installs another package of that name.
"""

import asyncio
import base64
import hmac
import importlib
import sys
from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

PATH = "/api/v5/trade/close-position"
KEYS = ("37c541a1-5a6f-4b8e-9e5a-7e1a6c9d2f10", "0123456789ABCDEF0123456789ABCDEF", "correct-horse-9")
"""API key, secret key, passphrase."""
CLOSED = b'{"code":"0","data":[{"clOrdId":"","instId":"BTC-USDT-SWAP","posSide":"net","tag":""}],"msg":""}'


class Closer(Protocol):
    """An open client."""

    async def close(self, inst_id: str) -> object:
        """Close one position and return what the library returns."""

    async def batch(self, inst_ids: Sequence[str]) -> object:
        """Close all of them at once."""
        return await asyncio.gather(*map(self.close, inst_ids))

    async def aclose(self) -> None:
        """Close the client."""


def accepted(answer: object) -> bool:
    """Whether the exchange took the close, by an answer that is the exchange's JSON."""
    return isinstance(answer, dict) and answer["code"] == "0"


@dataclass(frozen=True, slots=True)
class Subject:
    """One row of every table."""

    name: str
    distribution: str
    how: str
    make: Callable[[str], Closer]
    """A base URL to a client, made inside the event loop."""
    accepted: Callable[[object], bool] = accepted
    """Whether the exchange took the close, by what `close` returned."""
    loop: Callable[[], AbstractEventLoop] | None = None
    slow: bool = False
    """Whether it paces all requests, so that a fast run of closes takes minutes."""


OURS, BARE, BYTES, APART = "okx_async", "aiohttp, tuned", "aiohttp, request bytes of its own", "python-okx-async"
MODULES = {
    OURS: "ours",
    "okx_async on uvloop": "ours",
    BARE: "aiohttp",
    "aiohttp, as people write it": "aiohttp",
    BYTES: "aiohttp",
    "asyncio protocol": "protocol",
    **dict.fromkeys(
        ["httpx", "python-okx", "python-okx in threads", "ccxt", "ccxt, throttler off", APART], "libraries"
    ),
}
NAMES = tuple(MODULES)
PEER = Path(sys.prefix) / "peer" / "bin" / "python"
"""The environment of its own that python-okx-async has."""


def load(name: str) -> Subject:
    """Return the subject of that name."""
    subjects: tuple[Subject, ...] = importlib.import_module(f"benchmarks.clients.{MODULES[name]}").SUBJECTS
    return next(subject for subject in subjects if subject.name == name)


def interpreter(name: str) -> str | None:
    """Return the interpreter that can run this subject; None if it is not installed."""
    if name == APART:
        return str(PEER) if PEER.exists() else None
    try:
        version(load(name).distribution)
    except ImportError:
        return None
    return sys.executable


def headers(body: str, keys: Sequence[str] = KEYS) -> dict[str, str]:
    """Return the headers of a signed close, made as people write it."""
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    digest = hmac.new(keys[1].encode(), f"{stamp}POST{PATH}{body}".encode(), "sha256").digest()
    return {
        "Content-Type": "application/json",
        "OK-ACCESS-KEY": keys[0],
        "OK-ACCESS-SIGN": base64.b64encode(digest).decode(),
        "OK-ACCESS-TIMESTAMP": stamp,
        "OK-ACCESS-PASSPHRASE": keys[2],
    }
