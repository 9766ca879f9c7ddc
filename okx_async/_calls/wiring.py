"""The one place that puts a caller together: for `Client`, the doctor and tests."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from okx_async._calls.caller import Caller
from okx_async._calls.capacity import CapacityLimiter
from okx_async._calls.default_source import default_limiter
from okx_async._calls.exchange_clock import ExchangeClock
from okx_async._calls.identity import Identity, identity_of
from okx_async._calls.published import published
from okx_async._calls.reports import LimitEvent, Reports
from okx_async._calls.sender import Sender
from okx_async._calls.uid_lookup import UidLookup
from okx_async._credentials import Credentials
from okx_async._errors import InvalidRequestError, OutcomeUnknownError
from okx_async._http.route import DIRECT, Route
from okx_async._http.transport import Transport
from okx_async._limiter.slots import SlotSource
from okx_async._log import logger
from okx_async._models import Attempt
from okx_async._quota import Priority
from okx_async._rest.hosts import environment, is_eea
from okx_async._rest.records import uid
from okx_async._rest.redaction import Redactor
from okx_async._rest.remedies import OWN_LIMITS
from okx_async._rest.requests import ACCOUNT_CONFIG
from okx_async._rest.signing import Signer
from okx_async._validation import (
    check_callback,
    check_count,
    check_pause,
    check_seconds,
    short_repr,
)

LEASE_SHARE = 7 / 8
"""The part of its lease that a slot must have left when its request is sent."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """A caller and the parts that it is made of."""

    caller: Caller
    sender: Sender
    uid_lookup: UidLookup
    identity: Identity
    transport: Transport
    capacity: CapacityLimiter
    clock: ExchangeClock
    limiter: SlotSource

    async def open(self, connections: int) -> int:
        """Open connections until so many stand ready, as far as the bound allows; return how many do."""
        wanted = min(connections, self.capacity.bound - self.capacity.taken)
        opened = await self.transport.open(wanted, self.capacity.bound)
        if not self.transport.keeps_connections:
            logger.warning("warm_up opens no connection: with keepalive=0 none is kept")
        elif opened < wanted:
            logger.warning("warm_up: only %d of %d connections could be opened", opened, wanted)
        return opened

    async def aclose(self) -> None:
        """End waiting attempts, await those on the wire up to their time-out, close the connections.

        It may be called by several tasks: none of them goes on, and perhaps ends its loop, before the end.
        """
        self.sender.close()
        try:
            await self.uid_lookup.aclose()
            await self.sender.aclose()
        finally:  # cancelled too: no connection is left open
            await self.transport.aclose()


def wire_caller(
    credentials: Credentials,
    base_url: str,
    *,
    user_id: str | None = None,
    demo: bool = False,
    limiter: SlotSource | None = None,
    session: aiohttp.ClientSession | None = None,
    connect_timeout: float = 2.0,
    timeout: float = 5.0,
    max_connections: int = 256,
    keepalive: float = 15.0,
    route: Route = DIRECT,
    counts_as: str | None = None,
    on_attempt: Callable[[Attempt], object] | None = None,
    on_limit: Callable[[LimitEvent], object] | None = None,
    wall_clock: Callable[[], float] = time.time,
    transport: Transport | None = None,
) -> Wiring:
    """Return a caller that sends to `base_url`, which is checked; the other arguments are Client's, and checked here.

    `transport` takes the place of the one made from `session`, `connect_timeout`, `keepalive` and `route`.
    """
    if not isinstance(credentials, Credentials):
        raise InvalidRequestError(f"credentials must be Credentials, got {type(credentials).__name__}")
    check_seconds(connect_timeout=connect_timeout, timeout=timeout)
    check_pause(keepalive, "keepalive")
    check_count("max_connections", max_connections, least=1)
    check_callback("on_attempt", on_attempt)
    check_callback("on_limit", on_limit)
    if limiter is not None and (isinstance(limiter, type) or not callable(getattr(limiter, "slot", None))):
        raise InvalidRequestError(f"limiter must be a SlotSource, such as a Limiter, got {short_repr(limiter)}")
    check_callback("wall_clock", wall_clock, or_none=False)
    transport = transport or Transport(
        base_url, session=session, connect_timeout=connect_timeout, keepalive=keepalive, route=route
    )
    limiter = default_limiter() if limiter is None else limiter
    check_lease(limiter, connect_timeout + timeout)
    identity = identity_of(environment(base_url, demo=demo, counts_as=counts_as), credentials.api_key, user_id, limiter)
    capacity = CapacityLimiter(max_connections)
    clock = ExchangeClock(wall_clock)
    sender = Sender(
        limiter=limiter,
        identity=identity,
        signer=Signer(credentials, demo=demo),
        redactor=Redactor(credentials, *route.secrets),
        transport=transport,
        capacity=capacity,
        timeout=timeout,
        wall_clock=wall_clock,
        clock=clock,
        # A caller's session may hide the moment of the write: its time to connect counts too.
        lasting=timeout if session is None else connect_timeout + timeout,
    )

    async def fetch_user_id() -> str:
        # The lookup repeats at its own pace.
        answer, _ = await caller.call(ACCOUNT_CONFIG, Priority.PANIC, None, once=True)
        found = uid(answer)
        if found is None:
            raise OutcomeUnknownError("account/config: the answer names no uid", status=answer.status)
        return found

    uid_lookup = UidLookup(identity, fetch_user_id, published(limiter, identity))
    reports = Reports(on_attempt, on_limit, base_url)
    caller = Caller(sender, limiter, uid_lookup, clock, reports, has_swaps=not is_eea(base_url))
    return Wiring(caller, sender, uid_lookup, identity, transport, capacity, clock, limiter)


def check_lease(limiter: SlotSource, longest: float) -> None:
    """Raise InvalidRequestError if requests may take longer than the slots of a shared limiter are kept."""
    lease: float | None = getattr(limiter, "lease", None)
    if lease is not None and longest > lease * LEASE_SHARE:
        raise InvalidRequestError(
            f"connect_timeout + timeout must be at most {lease * LEASE_SHARE:g} s with a limiter whose lease is "
            f"{lease:g} s, got {longest:g} s: lower one of them, or use limits of this process alone ({OWN_LIMITS})"
        )
