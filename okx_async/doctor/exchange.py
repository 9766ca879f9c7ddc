"""Checks that ask the exchange: its host, its clock, the round trip, and the account of the key.

They send public/time a few times and account/config once, through the limiter that all clients of the process share.
"""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Final

from okx_async._callbacks import notify
from okx_async._calls.attempt import AttemptState
from okx_async._calls.wiring import Wiring, wire_caller
from okx_async._credentials import Credentials
from okx_async._errors import NotSentError
from okx_async._quota import Priority
from okx_async._rest.hosts import check_base_url, region_url
from okx_async._rest.rate_keys import check_user_id
from okx_async._rest.records import server_time
from okx_async._rest.requests import ACCOUNT_CONFIG, PUBLIC_TIME, ApiRequest
from okx_async._rest.responses import one_line
from okx_async._validation import check_callback
from okx_async.doctor.account import account_findings
from okx_async.doctor.finding import Finding, Level
from okx_async.doctor.refusals import no_answer, refusal
from okx_async.doctor.times import Sample, clock_finding, round_trip_findings

__all__ = ["examine_exchange"]

_SAMPLES: Final = 5  # half of the quota of 2 s: other programs may use the rest
_PATIENCE: Final = 5.0
_NO_KEYS: Final = Credentials("-", "-", "-")  # never signs; too short to be redacted from texts
_PROXIES: Final = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


async def examine_exchange(
    credentials: Credentials | None,
    *,
    user_id: str | None = None,
    demo: bool = False,
    region: str = "global",
    base_url: str | None = None,
    allow_plain_http: bool = False,
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
        allow_plain_http: permit ``http://`` for a host that is not local.
        connect_timeout: seconds for a connection.
        timeout: seconds for an answer.
        on_finding: called with each finding as it arrives.

    Raises:
        InvalidRequestError: an argument cannot work.
    """
    if user_id is not None:
        check_user_id(user_id)
    check_callback("on_finding", on_finding)
    home = region_url(region)
    base = home if base_url is None else check_base_url(base_url, allow_plain_http=allow_plain_http)
    keys = credentials or _NO_KEYS
    began = time.time() - time.monotonic()
    wiring = wire_caller(
        keys,
        base,
        demo=demo,
        connect_timeout=connect_timeout,
        timeout=timeout,
        max_connections=1,
        wall_clock=lambda: began + time.monotonic(),  # one that is set meanwhile would spoil the round trips
    )
    visit = _Visit(wiring, on_finding)
    try:
        samples = await visit.ask_time(f"{base}, {'demo' if demo else 'live'} trading")
        if samples is None:
            visit.skip("account", why="no host to ask")
        elif credentials is None:
            visit.skip("account", why="no keys")
        else:
            for sample in samples:  # a wrong clock must not hide the account
                wiring.clock.learn(sample.sent, sample.received, sample.told)
            await visit.ask_account(user_id, demo=demo)
    finally:
        wiring.sender.close()
        await wiring.transport.aclose()
    return visit.findings


class _Visit:
    """The requests of one examination, and the findings so far."""

    def __init__(self, wiring: Wiring, on_finding: Callable[[Finding], object] | None) -> None:
        self.findings: list[Finding] = []
        self._sender, self._uid_lookup = wiring.sender, wiring.uid_lookup
        self._on_finding = on_finding

    async def ask_time(self, where: str) -> list[Sample] | None:
        """Measure clock and round trips; return the samples, None if the exchange did not answer."""
        samples: list[Sample] = []
        connecting = 0.0
        for _ in range(_SAMPLES):
            before = time.monotonic()
            attempt = await self._ask(PUBLIC_TIME)
            told = None if attempt.answer is None else server_time(attempt.answer)
            if told is None or attempt.wire.sent is None or attempt.settled is None:
                if not samples:
                    self._find(self._failure("host", attempt, where))
                    self.skip("clock", "round trip", why="public/time did not tell")
                    return [] if attempt.answer is not None and attempt.answer.envelope else None
                break
            if not samples:
                connecting = time.monotonic() - before - (attempt.settled - attempt.wire.sent)
            samples.append(Sample(attempt.wire.sent, attempt.settled, told))
        self._find(Finding("host", Level.OK, f"{where}: answers"))
        self._find(clock_finding(samples))
        for finding in round_trip_findings(samples, connecting):
            self._find(finding)
        return samples

    async def ask_account(self, user_id: str | None, *, demo: bool) -> None:
        """Check the account's record. One request only: a refused key is not tried again."""
        attempt = await self._ask(ACCOUNT_CONFIG)
        if attempt.answer is None or not attempt.answer.ok or not attempt.answer.data:
            self._find(self._failure("account", attempt, "account/config", demo=demo))
            return
        for finding in account_findings(attempt.answer.data[0], user_id, demo=demo):
            self._find(finding)

    def skip(self, *checks: str, why: str) -> None:
        """Add a finding for each check that is not made."""
        for check in checks:
            self._find(Finding(check, Level.SKIP, f"not looked at: {why}"))

    async def _ask(self, request: ApiRequest) -> AttemptState:
        attempt = self._sender.new_attempt()
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        try:
            await self._sender.attempt(request, attempt, self._uid_lookup, priority=Priority.NORMAL, deadline=deadline)
        except NotSentError as error:  # no slot: something else in this process asks all the time
            attempt.wire.failure = one_line(str(error))
        return attempt

    def _failure(self, check: str, attempt: AttemptState, what: str, *, demo: bool = False) -> Finding:
        if attempt.answer is None:
            return no_answer(check, what, attempt.wire.failure, proxies=any(os.environ.get(name) for name in _PROXIES))
        return refusal(check, attempt.answer, what, demo=demo)

    def _find(self, finding: Finding) -> None:
        self.findings.append(finding)
        if self._on_finding is not None:
            notify(self._on_finding, finding)
