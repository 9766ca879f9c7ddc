"""Which exchange a command talks to, and whether money is at stake there."""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from okx_async import Client
from okx_async._keys import check_base_url, region_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from okx_async import Attempt, Credentials

__all__ = ["Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """Which exchange: see Client."""

    demo: bool
    region: str
    base_url: str | None

    def url(self) -> str:
        """Return the base of every request; raises InvalidRequestError."""
        home = region_url(self.region)
        return home if self.base_url is None else check_base_url(self.base_url)

    def client(self, credentials: Credentials, on_attempt: Callable[[Attempt], object] | None = None) -> Client:
        """Return a client; raises InvalidRequestError."""
        return Client(credentials, demo=self.demo, region=self.region, base_url=self.base_url, on_attempt=on_attempt)

    def positions_command(self, *inst_ids: str) -> str:
        """Return the command that shows what is left, of some instruments or of all."""
        words = ["okx-async", "positions"]
        for inst_id in inst_ids:
            words += ["--inst", inst_id]
        words += ["--demo"] * self.demo
        words += ["--region", self.region] if self.region != "global" else []
        words += ["--base-url", self.base_url] if self.base_url is not None else []
        return shlex.join(words)

    def words(self) -> str:
        """Say where, for whoever is asked for consent."""
        return f"{'demo trading' if self.demo else 'LIVE TRADING'}, {self.url()}"

    def simulated(self, credentials: Credentials) -> bool:
        """Whether no real money can be at stake: a local address, and the keys that `okx-async simulate` makes up.

        The address alone proves nothing: it may be a tunnel or a proxy.
        """
        if self.base_url is None or not _loopback(urlsplit(self.url()).hostname or ""):
            return False
        from okx_async.simulator import SimulatedExchange  # noqa: PLC0415 - only needed here

        return credentials == SimulatedExchange().credentials


def _loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"
