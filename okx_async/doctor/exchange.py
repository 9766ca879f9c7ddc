"""Checks that ask the exchange: its host, its clock, the round trip, and the account of the key.

They send public/time a few times and account/config once, through the limiter that all clients of the process share.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from ssl import SSLContext
from typing import Final, Literal

from aiohttp.abc import AbstractResolver

from okx_async._callbacks import notify
from okx_async._calls.attempt import AttemptState
from okx_async._calls.wiring import Wiring, wire_caller
from okx_async._credentials import Credentials
from okx_async._errors import NotSentError
from okx_async._http.proxy import names_a_proxy
from okx_async._http.route import NetworkOptions, make_route
from okx_async._limiter.slots import SlotSource
from okx_async._quota import Priority
from okx_async._rest.hosts import host_of
from okx_async._rest.rate_keys import check_user_id
from okx_async._rest.records import server_time
from okx_async._rest.requests import ACCOUNT_CONFIG, PUBLIC_TIME, ApiRequest
from okx_async._validation import check_callback
from okx_async.doctor.account import account_findings
from okx_async.doctor.finding import Finding, Level
from okx_async.doctor.refusals import OF_THE_OTHER, environment_finding, no_answer, not_asked, refusal
from okx_async.doctor.times import Sample, clock_finding, round_trip_findings

__all__ = ["examine_exchange"]

_SAMPLES: Final = 5  # half of the quota of 2 s: other programs may use the rest
_PATIENCE: Final = 5.0
_NO_KEYS: Final = Credentials("-", "-", "-")  # never signs; too short to be redacted from texts


async def examine_exchange(
    credentials: Credentials | None,
    *,
    user_id: str | None = None,
    demo: bool = False,
    region: str = "global",
    base_url: str | None = None,
    counts_as: Literal["live", "demo"] | None = None,
    limiter: SlotSource | None = None,
    allow_plain_http: bool = False,
    proxy: str | None = None,
    ssl: SSLContext | None = None,
    local_addr: str | tuple[str, int] | None = None,
    family: int = 0,
    resolver: AbstractResolver | None = None,
    connect_timeout: float = 2.0,
    timeout: float = 5.0,  # noqa: ASYNC109 - as Client has it
    on_finding: Callable[[Finding], object] | None = None,
) -> list[Finding]:
    """Return findings from at most six requests; what fails at the exchange or on the way is a finding.

    Args:
        credentials: the API key to check; None checks only what is public.
        user_id: the UID that clients are given, compared with the exchange's; None compares nothing.
        demo: use demo trading; the default is live trading.
        region: the account's home, as Client has it.
        base_url: another host, in place of the region's.
        counts_as: what that host counts as, as Client has it.
        limiter: grants the slots; None: the limiter that all clients of this process share.
        allow_plain_http: permit ``http://`` for a host that is not local.
        proxy, ssl, local_addr, family, resolver: the way to the host, as Client has them.
        connect_timeout: seconds for a connection.
        timeout: seconds for an answer.
        on_finding: called with each finding as it arrives.

    Raises:
        InvalidRequestError: an argument cannot work.
    """
    if user_id is not None:
        check_user_id(user_id)
    check_callback("on_finding", on_finding)
    base = host_of(region, base_url, allow_plain_http=allow_plain_http)
    options = NetworkOptions(proxy, ssl, local_addr, family, resolver)
    del proxy  # it may hold a password, and tools show the variables of frames
    route = make_route(base, options)
    keys = credentials or _NO_KEYS
    began = time.time() - time.monotonic()
    wiring = wire_caller(
        keys,
        base,
        demo=demo,
        connect_timeout=connect_timeout,
        timeout=timeout,
        max_connections=1,
        route=route,
        counts_as=counts_as,
        limiter=limiter,
        wall_clock=lambda: began + time.monotonic(),  # one that is set meanwhile would spoil the round trips
    )
    visit = _Visit(wiring, on_finding, demo=demo, unused_proxy=route.proxy is None and names_a_proxy())
    where = f"{base}, {'demo' if demo else 'live'} trading"
    where += "" if route.proxy is None else f", through the proxy {route.proxy.url.origin()}"
    try:
        measured = await visit.ask_time(where)
        if measured is None:
            visit.skip("environment", "clock", "round trip", "account", why=visit.no_host)
        elif credentials is None:
            visit.skip("environment", why="no keys")
            visit.tell_times(measured)
            visit.skip("account", why="no keys")
        else:
            for sample in measured.samples:  # a wrong clock must not hide the account
                wiring.clock.learn(sample.sent, sample.received, sample.told)
            rest = await visit.ask_account(user_id)
            visit.tell_times(measured)
            for finding in rest:
                visit.find(finding)
    finally:
        wiring.sender.close()
        await wiring.transport.aclose()
    return visit.findings


@dataclass(frozen=True, slots=True)
class _Measured:
    """Answers of public/time, none if it did not tell, and the seconds that connecting took."""

    samples: list[Sample]
    connecting: float = 0.0


class _Visit:
    """The requests of one examination, and the findings so far: host, environment and clock before all else."""

    def __init__(
        self, wiring: Wiring, on_finding: Callable[[Finding], object] | None, *, demo: bool, unused_proxy: bool
    ) -> None:
        self.findings: list[Finding] = []
        self._demo = demo
        self._unused_proxy = unused_proxy
        self._counted = wiring.identity.environment
        self._sender, self._uid_lookup = wiring.sender, wiring.uid_lookup
        self._on_finding = on_finding
        self._no_slot: NotSentError | None = None

    @property
    def no_host(self) -> str:
        """Why nothing more is asked."""
        return "no host to ask" if self._no_slot is None else "the host was not asked"

    async def ask_time(self, where: str) -> _Measured | None:
        """Measure clock and round trips; return what was measured, None if the exchange did not answer."""
        samples: list[Sample] = []
        connecting = 0.0
        for _ in range(_SAMPLES):
            before = time.monotonic()
            attempt = await self._ask(PUBLIC_TIME)
            told = None if attempt.answer is None else server_time(attempt.answer)
            if told is None or attempt.wire.sent is None or attempt.settled is None:
                if not samples:
                    self.find(self._failure("host", attempt, where))
                    return _Measured([]) if attempt.answer is not None and attempt.answer.envelope else None
                break
            if not samples:
                connecting = time.monotonic() - before - (attempt.settled - attempt.wire.sent)
            samples.append(Sample(attempt.wire.sent, attempt.settled, told))
        self.find(Finding("host", Level.OK, f"{where}: answers"))
        return _Measured(samples, connecting)

    def tell_times(self, measured: _Measured) -> None:
        """Add the findings on clock and round trips."""
        if not measured.samples:
            self.skip("clock", "round trip", why="public/time did not tell")
            return
        self.find(clock_finding(measured.samples))
        for finding in round_trip_findings(measured.samples, measured.connecting):
            self.find(finding)

    async def ask_account(self, user_id: str | None) -> list[Finding]:
        """Add the finding on the environment; return those on the account, to be added later.

        One request only: a refused key is not tried again.
        """
        attempt = await self._ask(ACCOUNT_CONFIG)
        answer = attempt.answer
        if answer is None or not answer.ok or not answer.data:
            failure = self._failure("account", attempt, "account/config")
            if answer is not None and answer.code.partition("_")[0] in OF_THE_OTHER:
                self.find(replace(failure, check="environment"))
                return [Finding("account", Level.SKIP, "not looked at: the key is of the other environment")]
            self.skip("environment", why="the account does not tell")
            self.find(failure)  # a wrong home is among the reasons, so it comes before clock and round trips
            return []
        self.find(environment_finding(self._counted, demo=self._demo))
        return account_findings(answer.data[0], user_id, demo=self._demo)

    def skip(self, *checks: str, why: str) -> None:
        """Add a finding for each check that is not made."""
        for check in checks:
            self.find(Finding(check, Level.SKIP, f"not looked at: {why}"))

    async def _ask(self, request: ApiRequest) -> AttemptState:
        attempt = self._sender.new_attempt()
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        try:
            await self._sender.attempt(request, attempt, self._uid_lookup, priority=Priority.NORMAL, deadline=deadline)
        except NotSentError as error:  # no slot: others ask all the time, or the limits cannot be kept
            self._no_slot = error
        return attempt

    def _failure(self, check: str, attempt: AttemptState, what: str) -> Finding:
        if self._no_slot is not None:
            return not_asked(check, what, self._no_slot)
        if attempt.answer is None:
            return no_answer(check, what, attempt.wire.failure, proxies=self._unused_proxy)
        return refusal(check, attempt.answer, what, demo=self._demo)

    def find(self, finding: Finding) -> None:
        """Add a finding, and tell it."""
        self.findings.append(finding)
        if self._on_finding is not None:
            notify(self._on_finding, finding)
