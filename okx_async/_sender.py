"""One attempt, in order: user id, place, slot, signature, bytes, answer, and what becomes of the slot.

Signing comes after every wait, since the exchange refuses timestamps older than 30 s. The slot's fate is decided
here and nowhere else: settled by an answer that decides the request, refunded where not a byte can have left, and in
doubt in every other case, cancellation included. A request in doubt has its connection reset.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from okx_async._answer import clean, parse
from okx_async._errors import NotSentError, SlotTimeoutError
from okx_async._flight import Flight
from okx_async._outcomes import classify, decided
from okx_async._transport import reset

if TYPE_CHECKING:
    from collections.abc import Callable

    from okx_async._clock import ExchangeClock
    from okx_async._discovery import Discovery
    from okx_async._gate import Gate
    from okx_async._identity import Identity, Key
    from okx_async._models import Priority, Quota
    from okx_async._secrets import Secrets
    from okx_async._slots import Slot, SlotSource
    from okx_async._transport import Reply, Transport
    from okx_async._wire import Signer

__all__ = ["Job", "Sender"]


@dataclass(frozen=True, slots=True)
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
        self._flights: dict[Flight, None] = {}  # no set: those in line end in the order in which they came
        self._landed = asyncio.Event()
        self.closing = False

    def flight(self) -> Flight:
        """Return the record of a new attempt."""
        return Flight(asyncio.get_running_loop(), timeout=self._timeout, wall_clock=self._wall_clock)

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
        try:
            async with flight.scope:  # entered without suspending: `aclose` may end it from here on
                await self._line_up(job, flight, discovery, priority=priority, deadline=deadline, pause=pause)
        except TimeoutError:
            self._ended(job, flight)
        finally:
            self._flights.pop(flight, None)
            if not self._flights:
                self._landed.set()

    async def aclose(self) -> None:
        """End those in line at once, await those on the wire up to `timeout`, then give them up."""
        self.closing = True
        for flight in self._flights:
            if not flight.marked:
                flight.end()
        for _ in range(2):
            if self._flights:
                self._landed.clear()
                try:
                    async with asyncio.timeout(self._timeout):
                        await self._landed.wait()
                except TimeoutError:
                    for flight in self._flights:
                        flight.end()

    async def _line_up(
        self,
        job: Job,
        flight: Flight,
        discovery: Discovery,
        *,
        priority: Priority,
        deadline: float | None,
        pause: float,
    ) -> None:
        loop = asyncio.get_running_loop()
        flight.begun = loop.time()
        if pause > 0:
            await asyncio.sleep(pause)
        if not (job.anonymous or job.public):
            await discovery.known(_left(loop, deadline))
        keys = self._keys(job, loop.time())
        flight.keys, flight.key = keys, keys[-1]
        flight.deadline = deadline
        self._identity.begin(keys)
        try:
            if not await self._at_once(job, flight, keys, priority):
                await self._fly(job, flight, keys, priority, _left(loop, deadline))
        except _InDoubt:
            pass
        finally:
            self._leave(flight)
            self._identity.end(keys, loop.time() + (self._linger if flight.marked else 0.0))

    def _keys(self, job: Job, now: float) -> tuple[Key, ...]:
        if job.public:
            return ((self._identity.environment, job.what),)
        return self._identity.keys(self._identity.key(job.what, endpoint=job.quota is not None), now)

    async def _at_once(self, job: Job, flight: Flight, keys: tuple[Key, ...], priority: Priority) -> bool:
        """With no place free, wait for one, then send if there is a slot too; return whether that was so.

        Nobody keeps a place while in line for a slot: a long line at one key would delay every other key.
        """
        if self._gate.free:
            return False
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
            flight.limit(_left(asyncio.get_running_loop(), flight.deadline))
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
        loop = asyncio.get_running_loop()
        deadline = None if max_wait is None else loop.time() + max_wait
        async with self._limiter.slot(keys[0], priority=priority, max_wait=max_wait, quota=job.quota) as slot:
            if len(keys) == 1:
                await self._write(job, flight, priority, (slot,))
                return
            both = False
            try:
                async with self._limiter.slot(
                    keys[1], priority=priority, max_wait=_left(loop, deadline), quota=job.quota
                ) as second:
                    both = True
                    await self._write(job, flight, priority, (slot, second))
            except BaseException:
                if not both:
                    slot.refund()  # the second slot was never had: nothing was sent
                raise

    async def _write(self, job: Job, flight: Flight, priority: Priority, slots: tuple[Slot, ...]) -> None:
        if not flight.placed:
            # The slot is kept meanwhile, and goes before all who have none. Given back, slot and place could pass
            # from hand to hand for ever without meeting.
            try:
                await self._enter(flight, priority, holding=True)
            except BaseException:
                for slot in slots:
                    slot.refund()
                raise
        flight.start()
        try:
            for slot in slots:
                slot.check()
            headers = self._headers(job)
            reply = await self._transport.send(flight, job.method, job.path, headers, job.body or None)
        except BaseException:  # cancelled, ended by its scope, or something nobody thought of
            self._lose(flight, slots)
            raise
        signature = headers.get("OK-ACCESS-SIGN", "")
        if reply is None:
            flight.failure = clean(self._secrets.hide(flight.failure, signature))
            self._lose(flight, slots)
        else:
            self._land(flight, slots, reply, signature)
        if flight.token == "in doubt":
            raise _InDoubt

    def _headers(self, job: Job) -> dict[str, str]:
        return (
            {"Accept-Encoding": "identity"}
            if job.public
            else self._signer.headers(job.method, job.path, job.body, self._clock.now())
        )

    def _land(self, flight: Flight, slots: tuple[Slot, ...], reply: Reply, signature: str) -> None:
        answer = parse(reply.status, reply.body)
        if not answer.ok:  # else none of its words are shown
            answer = self._secrets.clean(answer, reply.body, signature)
        flight.land(answer, classify(answer), reply.retry_after)
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


def _left(loop: asyncio.AbstractEventLoop, deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - loop.time())
