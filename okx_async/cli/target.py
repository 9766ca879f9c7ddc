"""The exchange that a command talks to, and whether real money is at stake there."""

import shlex
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from okx_async import (
    Attempt,
    AuthenticationError,
    Client,
    ClockSkewError,
    Credentials,
    NotSentError,
    OkxError,
    SlotTimeoutError,
)
from okx_async._rest.hosts import check_base_url, region_url
from okx_async.cli.limits import command_limits


@dataclass(frozen=True, slots=True)
class Target:
    """The exchange that a command talks to; the fields are arguments of Client."""

    demo: bool
    region: str
    base_url: str | None

    def url(self) -> str:
        """Return the base URL; raises InvalidRequestError for wrong options."""
        home = region_url(self.region)
        return home if self.base_url is None else check_base_url(self.base_url)

    def client(self, credentials: Credentials, on_attempt: Callable[[Attempt], object] | None = None) -> Client:
        """Return a client; raises InvalidRequestError for wrong options."""
        return Client(
            credentials,
            demo=self.demo,
            region=self.region,
            base_url=self.base_url,
            limiter=command_limits(),
            on_attempt=on_attempt,
        )

    def positions_command(self, *inst_ids: str) -> str:
        """Return the command that lists what is left, of some instruments or of all."""
        return self._command("positions", *(word for inst_id in inst_ids for word in ("--inst", inst_id)))

    def doctor_hint(self, error: OkxError) -> str:
        """Return the advice to run `doctor` for an error of network, keys or clock; "" for any other error."""
        explains = isinstance(error, NotSentError | AuthenticationError | ClockSkewError)
        explains = explains and not isinstance(error, SlotTimeoutError)  # a matter of --max-wait
        return f"see what is wrong: {self._command('doctor')}" if explains else ""

    def _command(self, *command: str) -> str:
        words = ["okx-async", *command]
        words += ["--demo"] * self.demo
        words += ["--region", self.region] if self.region != "global" else []
        words += ["--base-url", self.base_url] if self.base_url is not None else []
        return shlex.join(words)

    def description(self) -> str:
        """Return environment and address, as the question for consent shows them."""
        return f"{'demo trading' if self.demo else 'LIVE TRADING'}, {self.url()}"

    def simulated(self, credentials: Credentials) -> bool:
        """Whether no real money can be at stake: a local address and the keys of `okx-async simulate`.

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
