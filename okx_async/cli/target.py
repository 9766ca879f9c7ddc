"""The exchange that a command talks to, and whether real money is at stake there."""

import os
import re
import shlex
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from okx_async import (
    Attempt,
    AuthenticationError,
    Client,
    ClockSkewError,
    Credentials,
    InvalidRequestError,
    NotSentError,
    OkxError,
    SlotSource,
    SlotTimeoutError,
)
from okx_async._http.certificates import context_of
from okx_async._http.proxy import ENVIRONMENT, environment_proxy, read_proxy
from okx_async._http.route import NetworkOptions, make_route
from okx_async._rest.hosts import environment, host_of
from okx_async._validation import check_seconds, short_repr
from okx_async.cli.limits import command_limits

_SOCKS_STEP: Final = (
    "the command line goes through HTTP proxies only; give the address of one that leads on to it, such as Privoxy "
    "(forward-socks5)"
)
_FAMILIES: Final = {None: 0, "ipv4": int(socket.AF_INET), "ipv6": int(socket.AF_INET6)}


@dataclass(frozen=True, slots=True)
class Target:
    """The exchange that a command talks to; the fields are arguments of Client."""

    demo: bool
    region: str
    base_url: str | None
    counts_as: str | None = None
    proxy: str | None = field(default=None, repr=False)
    cafile: str | None = None
    local_addr: str | None = None
    family: str | None = None
    connect_timeout: float = 2.0
    timeout: float = 5.0

    def url(self) -> str:
        """Return the base URL; raises InvalidRequestError for wrong options."""
        return host_of(self.region, self.base_url)

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of Client and of `examine_exchange`; raises InvalidRequestError for wrong options."""
        if self.family not in _FAMILIES:
            raise InvalidRequestError(f"family must be ipv4 or ipv6, got {short_repr(self.family)}")
        try:
            read_proxy(self.proxy, self.url(), socks_step=_SOCKS_STEP)  # Client would advise an argument of its own
        except InvalidRequestError as error:
            if not self._proxy_of_environment():
                raise
            raise InvalidRequestError(re.sub("^proxy", "OKX_PROXY", str(error))) from None
        return {
            "demo": self.demo,
            "region": self.region,
            "base_url": self.base_url,
            "counts_as": self.counts_as,
            "proxy": self.proxy,
            "ssl": None if self.cafile is None else context_of(self.cafile),
            "local_addr": self.local_addr,
            "family": _FAMILIES[self.family],
            "connect_timeout": self.connect_timeout,
            "timeout": self.timeout,
        }

    def route_note(self) -> str:
        """Return why `--proxy env` leads through no proxy; "" if it does, or was not given."""
        if self.proxy != ENVIRONMENT or environment_proxy(self.url()) is not None:
            return ""
        url = urlsplit(self.url())
        names = f"{url.scheme.upper()}_PROXY", "ALL_PROXY"
        if any(os.environ.get(name) or os.environ.get(name.lower()) for name in names):
            why = f"NO_PROXY excepts {url.hostname}"
        else:
            why = f"neither {names[0]} nor {names[1]} is set"
        return f"--proxy env: {why}, so the command connects directly"

    def check(self) -> None:
        """Raise InvalidRequestError for wrong options."""
        given = self.arguments()
        environment(self.url(), demo=self.demo, counts_as=self.counts_as)
        make_route(self.url(), NetworkOptions(*(given[name] for name in ("proxy", "ssl", "local_addr", "family"))))
        check_seconds(connect_timeout=self.connect_timeout, timeout=self.timeout)

    def client(
        self,
        credentials: Credentials,
        on_attempt: Callable[[Attempt], object] | None = None,
        limiter: SlotSource | None = None,
    ) -> Client:
        """Return a client; raises InvalidRequestError for wrong options."""
        return Client(
            credentials,
            on_attempt=on_attempt,
            limiter=limiter or command_limits(),
            **self.arguments(),
        )

    def positions_command(self, *inst_ids: str) -> str:
        """Return the command that lists what is left, of some instruments or of all."""
        return self._command("positions", *(word for inst_id in inst_ids for word in ("--inst", inst_id)))

    def flatten_command(self, *inst_ids: str) -> str:
        """Return the command that closes what is left, of some instruments or of all."""
        return self._command("flatten", *(word for inst_id in inst_ids for word in ("--inst", inst_id)))

    def doctor_hint(self, error: OkxError) -> str:
        """Return the advice to run `doctor` for an error of network, keys or clock; "" for any other error."""
        explains = isinstance(error, NotSentError | AuthenticationError | ClockSkewError)
        explains = explains and not isinstance(error, SlotTimeoutError)  # a matter of --max-wait
        return f"see what is wrong: {self._command('doctor')}" if explains else ""

    def _command(self, *command: str) -> str:
        words = ["okx-async", *command]
        words += ["--demo"] * self.demo
        words += ["--region", self.region] if self.region != "global" else []
        named = {
            "--base-url": self.base_url,
            "--counts-as": self.counts_as,
            "--proxy": self._proxy_to_type(),
            "--cafile": self.cafile,
            "--local-addr": self.local_addr,
            "--family": self.family,
        }
        words += [word for name, value in named.items() if value is not None for word in (name, value)]
        return shlex.join(words)

    def description(self) -> str:
        """Return environment and address, as the question for consent shows them."""
        proxy = read_proxy(self.proxy, self.url())
        through = "" if proxy is None else f", through the proxy {proxy.url.origin()}"
        return f"{'demo trading' if self.demo else 'LIVE TRADING'}, {self.url()}{through}"

    def _proxy_of_environment(self) -> bool:
        """Return whether OKX_PROXY names the proxy, perhaps with blanks around it."""
        return self.proxy == os.environ.get("OKX_PROXY", "").strip()

    def _proxy_to_type(self) -> str | None:
        """Return the proxy as it can be given again, None if the environment says it; no login is shown."""
        if self.proxy is None or self._proxy_of_environment():
            return None
        proxy = None if self.proxy == ENVIRONMENT else read_proxy(self.proxy, self.url())
        if proxy is None:
            return self.proxy
        login = "" if proxy.authorization is None else "USER:PASSWORD@"
        return f"{proxy.url.scheme}://{login}{proxy.url.host_subcomponent}:{proxy.url.port}"

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
