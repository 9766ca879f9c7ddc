"""One attempt, in order: user id, place, slot, signature, bytes, answer, and what becomes of the slot.

Signing comes after every wait, since the exchange refuses timestamps older than 30 s. The slot's fate is decided
here and nowhere else: settled by an answer that decides the request, refunded where not a byte can have left, and in
doubt in every other case, cancellation included. A request in doubt has its connection reset.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import NoReturn

from okx_async._calls.attempt import Flight
from okx_async._calls.capacity import Gate
from okx_async._calls.exchange_clock import ExchangeClock
from okx_async._calls.identity import Identity, Key
from okx_async._calls.uid_lookup import Discovery
from okx_async._errors import NotSentError, SlotTimeoutError
from okx_async._http.connector import reset
from okx_async._http.timeouts import Patience
from okx_async._http.transport import Reply, Transport
from okx_async._limiter.slots import Slot, SlotSource
from okx_async._models import Outcome
from okx_async._quota import Priority, Quota
from okx_async._rest.outcomes import classify, decided
from okx_async._rest.redaction import Secrets
from okx_async._rest.responses import clean, parse
from okx_async._rest.signing import SIGN, Signer

_ACCEPTED = Outcome.ACCEPTED  # looking a member up through its class costs 50 ns


@dataclass(slots=True)  # not frozen: one is made for each close
class Job:
    """One request: what to send, and what it is counted by."""

    method: str
    path: str
    body: bytes
    what: str
    """Its name in messages: an instrument id or an endpoint."""
    quota: Quota | None = None
    """Of an endpoint other than close-position; None: the limiter's own."""
    anonymous: bool = False
    """Whether it may go out before the user id is known: the question for the user id itself."""
    public: bool = False
    """Whether it is counted by this machine's address, and not by user id."""

    @property
    def changes(self) -> bool:
        """Whether it changes anything at the exchange."""
        return self.method != "GET"


class WithheldError(NotSentError):
    """What the request is about has changed while it stood in line: it was not sent, and its slot was given back."""


class _InDoubt(Exception):  # noqa: N818 - no error: it takes the slot's block down the path of doubt
    """Leaves a slot's block so that its token is in doubt."""


class Sender:
    """Makes attempts, one for each call of `attempt`, any number at once."""

    def __init__(
        self,
        *,
        limiter: SlotSource,
        identity: Identity,
        signer: Signer,
        secrets: Secrets,
        transport: Transport,
        gate: Gate,
        timeout: float,
        wall_clock: Callable[[], float],
        clock: ExchangeClock,
    ) -> None:
        self._clock = clock
        self._limiter = limiter
        self._linger: float = getattr(limiter, "linger", 65.0)  # a store says its own; else 30 s twice and a window
        self._identity = identity
        self._signer = signer
        self._secrets = secrets
        self._transport = transport
        self._gate = gate
        self._timeout = timeout
        self._wall_clock = wall_clock
        self._patience: Patience | None = None
        self._flights: dict[Flight, None] = {}  # no set: those in line end in the order in which they came
        self._landed = asyncio.Event()
        self.closing = False

    def flight(self) -> Flight:
        """Return the record of a new attempt."""
        patience = self._patience
        if patience is None:
            patience = self._patience = Patience(asyncio.get_running_loop())
        return Flight(patience, timeout=self._timeout, wall_clock=self._wall_clock)

    async def attempt(
        self,
        job: Job,
        flight: Flight,
        discovery: Discovery,
        *,
        priority: Priority,
        deadline: float | None,
        pause: float = 0.0,
    ) -> None:
        """Send once, after `pause` seconds, with `flight` telling the outcome.

        `deadline`: of the loop's clock, for having the slot. Raises NotSentError (SlotTimeoutError) if it never had
        one, AuthenticationError if the key was refused before.
        """
        if self.closing:
            raise NotSentError(f"{job.what}: the client is closed, nothing was sent")
        self._flights[flight] = None
        flight.begun = flight.loop.time()
        flight.deadline = deadline
        counted = False
        gate = self._gate
        try:
            with flight:  # `aclose` may end it from here on
                if pause > 0:
                    await asyncio.sleep(pause)
                if not (discovery.over or job.anonymous or job.public):
                    await discovery.known(flight.left())
                keys = flight.keys = self._keys(job, flight)
                counted = self._identity.user_id is None and self._identity.begin(keys)
                if gate.taken < gate.bound or not await self._at_once(job, flight, keys, priority):
                    await self._fly(job, flight, keys, priority, None if deadline is None else flight.left())
        except _InDoubt:
            pass
        except TimeoutError:
            self._ended(job, flight)
        finally:
            if flight.placed:
                self._leave(flight)
            if counted:
                self._identity.end(flight.keys, flight.loop.time() + (self._linger if flight.marked else 0.0))
            del self._flights[flight]
            if self.closing and not self._flights:
                self._landed.set()

    def close(self) -> None:
        """Let nothing more be sent: those in line end at once, and the last of those on the wire leaves no timer."""
        self.closing = True
        for flight in self._flights:
            if not flight.marked:
                flight.end()
        if self._patience is not None:
            self._patience.close()

    async def aclose(self) -> None:
        """End those in line at once, await those on the wire up to `timeout`, then give them up."""
        self.close()
        for _ in range(2):
            if self._flights:
                self._landed.clear()
                try:
                    async with asyncio.timeout(self._timeout):
                        await self._landed.wait()
                except TimeoutError:
                    for flight in self._flights:
                        flight.end()

    def _keys(self, job: Job, flight: Flight) -> tuple[Key, ...]:
        if job.public:
            keys: tuple[Key, ...] = ((self._identity.environment, job.what),)
        else:
            identity = self._identity
            key = identity.key(job.what, endpoint=job.quota is not None)
            keys = identity.keys(key, flight.loop.time()) if identity.uses else (key,)
        flight.key = keys[-1]
        return keys

    async def _at_once(self, job: Job, flight: Flight, keys: tuple[Key, ...], priority: Priority) -> bool:
        """With no place free, wait for one, then send if there is a slot too; return whether that was so.

        Nobody keeps a place while in line for a slot: a long line at one key would delay every other key.
        """
        await self._enter(flight, priority)
        try:
            await self._fly(job, flight, keys, priority, 0.0)
        except SlotTimeoutError:
            self._leave(flight)
            return False
        return True

    async def _enter(self, flight: Flight, priority: Priority, *, holding: bool = False) -> None:
        """Take a place, in line for as long as the flight may."""
        if not self._gate.enter():
            flight.limit(flight.left())
            await self._gate.wait(priority, holding=holding)
            flight.limit(None)
        flight.placed = True

    def _leave(self, flight: Flight) -> None:
        if flight.placed:
            flight.placed = False
            self._gate.leave()

    async def _fly(
        self, job: Job, flight: Flight, keys: tuple[Key, ...], priority: Priority, max_wait: float | None
    ) -> None:
        """Take the slot, or both, and send."""
        async with self._limiter.slot(keys[0], priority=priority, max_wait=max_wait, quota=job.quota) as slot:
            if len(keys) == 1:
                await self._write(job, flight, priority, (slot,))
                return
            left = max_wait and flight.left()  # None and 0.0 stay what they are
            both = False
            try:
                async with self._limiter.slot(keys[1], priority=priority, max_wait=left, quota=job.quota) as second:
                    both = True
                    await self._write(job, flight, priority, (slot, second))
            except BaseException:
                if not both:
                    slot.refund()  # the second slot was never had: nothing was sent
                raise

    async def _write(self, job: Job, flight: Flight, priority: Priority, slots: tuple[Slot, ...]) -> None:
        if flight.permit is not None:
            await self._ask(job, flight, flight.permit, slots)
        flight.placed = flight.placed or self._gate.enter()
        if not flight.placed:
            # The slot is kept meanwhile, and goes before all who have none. Given back, slot and place could pass
            # from hand to hand for ever without meeting.
            try:
                await self._enter(flight, priority, holding=True)
            except BaseException:
                for slot in slots:
                    slot.refund()
                raise
        if flight.until < inf and flight.late:
            self._withhold(job, flight, slots)
        flight.start()
        try:
            for slot in slots:
                slot.check()
            headers = self._headers(job)
            reply = await self._transport.send(flight, job.method, job.path, headers, job.body or None)
        except BaseException:  # cancelled, ended by its scope, or something nobody thought of
            self._lose(flight, slots)
            raise
        if reply is None:
            signature = headers.get(SIGN, "")
            flight.failure = clean(self._secrets.hide(flight.failure, signature))
            self._lose(flight, slots)
        else:
            self._land(flight, slots, reply, headers)
        if flight.token == "in doubt":
            raise _InDoubt

    async def _ask(
        self, job: Job, flight: Flight, permit: Callable[[], Awaitable[float | None]], slots: tuple[Slot, ...]
    ) -> None:
        """Ask, with the slot in hand, whether the request may still be sent."""
        self._leave(flight)  # who asks may need a place, and whoever holds one waits for nothing
        try:
            until = await permit()
        except BaseException:
            for slot in slots:
                slot.refund()
            raise
        if until is None:
            self._withhold(job, flight, slots)
        else:
            flight.until = until

    def _withhold(self, job: Job, flight: Flight, slots: tuple[Slot, ...]) -> NoReturn:
        for slot in slots:
            slot.refund()
        raise WithheldError(f"{job.what}: not to be sent any more, nothing was sent", key=flight.key)

    def _headers(self, job: Job) -> Mapping[str, str]:
        if job.public:
            return {"Accept-Encoding": "identity"}
        return self._signer.headers(job.method, job.path, job.body, self._clock.now())

    def _land(self, flight: Flight, slots: tuple[Slot, ...], reply: Reply, headers: Mapping[str, str]) -> None:
        answer = parse(reply.status, reply.body)
        outcome = classify(answer)
        if outcome is not _ACCEPTED:  # else none of its words are shown
            answer = self._secrets.clean(answer, reply.body, headers.get(SIGN, ""))
            outcome = classify(answer)
        flight.land(answer, outcome, reply.retry_after)
        if decided(answer, flight.outcome):
            for slot in slots:
                slot.settle()
            flight.token = "settled"
        else:
            self._lose(flight, slots)

    def _lose(self, flight: Flight, slots: tuple[Slot, ...]) -> None:
        if flight.marked:
            flight.token = "in doubt"
            # After a complete answer the connection is back in the pool, where another flight may have it by now.
            if not any(other.transport is flight.transport for other in self._flights if other is not flight):
                reset(flight.transport)
        else:
            for slot in slots:
                slot.refund()

    def _ended(self, job: Job, flight: Flight) -> None:
        """Say in words why the scope ended the attempt."""
        if flight.marked:
            flight.failure = flight.failure or (
                "the client was closed before the answer" if self.closing else f"no answer within {self._timeout:g} s"
            )
        elif self.closing:
            raise NotSentError(f"{job.what}: the client was closed, nothing was sent", key=flight.key)
        elif flight.started:
            flight.failure = flight.failure or "no connection in time"
        else:
            raise SlotTimeoutError(f"{job.what}: no connection free within max_wait; nothing was sent", key=flight.key)
