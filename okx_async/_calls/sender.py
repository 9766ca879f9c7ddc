"""One attempt, in order: user id, connection, slot, signature, bytes, answer, and what becomes of the slot.

Signing comes after every wait, since the exchange refuses timestamps older than 30 s. The slot's fate is decided here
and nowhere else: settled by an answer that decides the request, refunded where no byte can have left, and in doubt in
every other case, cancellation included. The connection of a request in doubt is reset.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from math import inf
from typing import NoReturn

from okx_async._calls import held_slots
from okx_async._calls.attempt import AttemptState
from okx_async._calls.capacity import CapacityLimiter
from okx_async._calls.exchange_clock import ExchangeClock, record_clock
from okx_async._calls.identity import Identity, Key, Names
from okx_async._calls.uid_lookup import UidLookup
from okx_async._calls.underway import Underway
from okx_async._errors import NotSentError, SlotTimeoutError
from okx_async._http.bodies import Reply
from okx_async._http.inflight import InFlight, why_lost
from okx_async._http.timeouts import TimeoutGroup
from okx_async._http.transport import Transport
from okx_async._limiter.slots import Slot, SlotSource
from okx_async._models import Outcome
from okx_async._quota import Priority
from okx_async._rest.answers import answer_to
from okx_async._rest.outcomes import classify, decided
from okx_async._rest.redaction import Redactor
from okx_async._rest.requests import ApiRequest
from okx_async._rest.responses import one_line
from okx_async._rest.signing import READING, SIGN, Signer


class WithheldError(NotSentError):
    """The request is not to be sent any more: it was not sent, and its slot was given back."""


class _InDoubt(Exception):  # noqa: N818 - no error: it takes the slot's block down the path of doubt
    """Leaves a slot's block so that its token is in doubt."""


class Sender:
    """Makes attempts, one for each call of `attempt`, any number at once.

    Args:
        limiter: Grants the slots.
        identity: The user id and the rate keys made from it.
        signer: Makes the headers of signed requests.
        redactor: Hides the credentials in texts from outside.
        transport: Sends the bytes.
        capacity: Bounds the requests on the wire.
        timeout: Seconds from a usable connection to the complete answer.
        lasting: Seconds that a slot must be kept when its request goes to the transport; None: `timeout`.
        wall_clock: Unix seconds, for the records of attempts; where it has no time they get that of `time.time`.
        clock: The exchange's clock, for signatures.
    """

    def __init__(
        self,
        *,
        limiter: SlotSource,
        identity: Identity,
        signer: Signer,
        redactor: Redactor,
        transport: Transport,
        capacity: CapacityLimiter,
        timeout: float,
        wall_clock: Callable[[], float],
        clock: ExchangeClock,
        lasting: float | None = None,
    ) -> None:
        self._clock = clock
        self._limiter = limiter
        self._linger: float = getattr(limiter, "linger", 65.0)  # a store says its own; else 30 s twice and a window
        self._identity = identity
        self._signer = signer
        self._redactor = redactor
        self._transport = transport
        self._capacity = capacity
        self._timeout = timeout
        self._lasting = timeout if lasting is None else lasting
        self._wall_clock = record_clock(wall_clock)
        self._timeouts: TimeoutGroup | None = None
        self._underway = Underway(timeout)

    @property
    def closing(self) -> bool:
        """Whether the client was closed."""
        return self._underway.closing

    def new_attempt(self, permit: Callable[[], Awaitable[float | None]] | None = None) -> AttemptState:
        """Return the state of a new attempt."""
        group = self._timeouts = self._timeouts or TimeoutGroup(asyncio.get_running_loop())
        return AttemptState(InFlight(group, timeout=self._timeout, wall_clock=self._wall_clock), permit)

    async def attempt(
        self,
        request: ApiRequest,
        attempt: AttemptState,
        uid_lookup: UidLookup,
        *,
        priority: Priority,
        deadline: float | None,
        pause: float = 0.0,
    ) -> None:
        """Send once, after `pause` seconds; `attempt` tells the outcome.

        Args:
            request: What to send.
            attempt: The state of this attempt, from `new_attempt`.
            uid_lookup: Awaited before the first request that needs the user id.
            priority: The lane in which it waits.
            deadline: Until when it may wait for slot and connection, by the loop's clock; None: for ever.
            pause: Seconds before it begins to wait.

        Raises:
            NotSentError: It never had a slot (SlotTimeoutError: in time).
            AuthenticationError: The key was refused before.
        """
        if self.closing:
            raise NotSentError(f"{request.label}: the client is closed, nothing was sent")
        self._underway.begin(attempt)
        wire = attempt.wire
        attempt.begun = wire.loop.time()
        wire.longest = request.longest
        names: Names | None = None
        attempt.limit(deadline)
        try:
            with wire:  # `aclose` may end it from here on
                if pause > 0:
                    await asyncio.sleep(pause)
                if request.needs_user_id and not uid_lookup.over:
                    await uid_lookup.known(attempt.left())
                names = self._names(request, attempt)
                keys = attempt.keys
                if self._capacity.free_for(keys) or not await self._send_if_slot_free(request, attempt, keys, priority):
                    max_wait = None if deadline is None else attempt.left()
                    await self._send_in_slot(request, attempt, keys, priority, max_wait=max_wait)
        except _InDoubt:
            pass
        except TimeoutError:
            if not wire.expired:  # a limiter's own
                raise
            self._ended(request, attempt)
        finally:
            self._leave(attempt)
            if names is not None:
                names.end(wire.loop.time() + (self._linger if wire.may_have_left else 0.0))
            self._underway.end(attempt)

    def close(self) -> None:
        """Send nothing more: waiting attempts end at once, and the last one on the wire leaves no timer."""
        self._underway.close()
        if self._timeouts is not None:
            self._timeouts.close()

    async def aclose(self) -> None:
        """End waiting attempts at once, await those on the wire up to `timeout`, then give them up."""
        self.close()
        await self._underway.ended()

    def _names(self, request: ApiRequest, attempt: AttemptState) -> Names | None:
        """Set the keys of an attempt; return the names under which it begins to wait, None if it has no user id."""
        identity = self._identity
        if not request.signed:
            attempt.key = identity.environment, request.label
            attempt.keys = (attempt.key,)
            return None
        attempt.key = identity.key(request.label, endpoint=request.quota is not None)
        names = identity.begin(attempt.key, attempt.wire.loop.time())
        attempt.keys, attempt.wire.held = names.keys, (names,)
        return names

    async def _send_if_slot_free(
        self, request: ApiRequest, attempt: AttemptState, keys: tuple[Key, ...], priority: Priority
    ) -> bool:
        """Wait for a connection first, then send if a slot is free too; return whether one was."""
        attempt.wire.limit(attempt.left())
        attempt.tries = attempt.holds_connection = await self._capacity.wait(keys, priority)
        attempt.wire.limit(None)
        if not attempt.tries:
            return False
        try:
            await self._send_in_slot(request, attempt, keys, priority, max_wait=0.0)
        except SlotTimeoutError:
            self._tried(attempt, in_vain=True)
            self._leave(attempt)
            return False
        finally:
            self._tried(attempt)
        return True

    def _tried(self, attempt: AttemptState, *, in_vain: bool = False) -> None:
        if attempt.tries:
            attempt.tries = False
            self._capacity.tried(attempt.keys, in_vain=in_vain)

    def _leave(self, attempt: AttemptState) -> None:
        if attempt.holds_connection:
            attempt.holds_connection = False
            self._capacity.leave()

    async def _send_in_slot(
        self,
        request: ApiRequest,
        attempt: AttemptState,
        keys: tuple[Key, ...],
        priority: Priority,
        *,
        max_wait: float | None,
        slots: tuple[Slot, ...] = (),
    ) -> None:
        """Take a slot of each key, one after another, and send."""
        key, *others = keys[len(slots) :]
        block = self._limiter.slot(key, priority=priority, max_wait=max_wait, quota=request.quota)
        async with held_slots.HeldSlot(block, slots, attempt.slot_waits, max_wait) as held:
            if others:
                left = max_wait and attempt.left()  # None and 0.0 stay what they are
                await self._send_in_slot(request, attempt, keys, priority, max_wait=left, slots=held)
            else:
                await self._write(request, attempt, held)

    async def _write(self, request: ApiRequest, attempt: AttemptState, slots: tuple[Slot, ...]) -> None:
        wire = attempt.wire
        self._tried(attempt)
        if attempt.permit is not None:
            await self._check_permit(request, attempt, attempt.permit, slots)
        if not attempt.holds_connection and not self._capacity.enter():
            # The slot is kept meanwhile, and goes before all without one: given back, the two might never meet.
            wire.limit(attempt.left())
            try:
                await self._capacity.wait_with_slot()
            except BaseException:
                held_slots.refund(slots)
                raise
            wire.limit(None)
        attempt.holds_connection = True
        if wire.may_send_until < inf and wire.late:
            _withhold(request, attempt, slots)
        attempt.start()
        try:
            wire.held = (*wire.held, *slots)
            wire.failure = why_lost(wire.held, self._lasting)
            if wire.failure:
                held_slots.refund(slots)
                return
            headers = self._headers(request)
            reply = await self._transport.send(wire, request.method, request.path, headers, request.body)
        except BaseException:  # cancelled, ended by its time limit, or an error that was not foreseen
            self._book_no_answer(attempt, slots)
            raise
        if reply is None:
            wire.failure = one_line(self._redactor.hide(wire.failure, headers().get(SIGN, "")))
            self._book_no_answer(attempt, slots)
        else:
            self._book_answer(request, attempt, slots, reply, headers)
        if attempt.token == "in doubt":
            raise _InDoubt

    async def _check_permit(
        self,
        request: ApiRequest,
        attempt: AttemptState,
        permit: Callable[[], Awaitable[float | None]],
        slots: tuple[Slot, ...],
    ) -> None:
        """Ask, with the slot in hand, until when the request may be sent."""
        self._leave(attempt)  # the permit may need a connection, and a task that holds one waits for nothing
        try:
            until = await permit()
        except BaseException:
            held_slots.refund(slots)
            raise
        if until is None:
            _withhold(request, attempt, slots)
        else:
            attempt.wire.may_send_until = min(until, attempt.wire.connect_until)

    def _headers(self, request: ApiRequest) -> Callable[[], Mapping[str, str]]:
        """Return the headers, in a function: loggers that show the variables of frames must find no secret."""
        if not request.signed:
            return lambda: READING
        try:
            made = self._signer.headers(request.method, request.path, request.body, self._clock.now())
        except NotSentError as error:  # the clock has no time
            raise NotSentError(f"{request.label}: {error}") from None
        return lambda: made

    def _book_answer(
        self,
        request: ApiRequest,
        attempt: AttemptState,
        slots: tuple[Slot, ...],
        reply: Reply,
        headers: Callable[[], Mapping[str, str]],
    ) -> None:
        answer = answer_to(request, reply.status, reply.body)
        outcome = classify(answer)
        if outcome is not Outcome.ACCEPTED:  # of an acceptance no words are shown, but of records that cannot be read
            answer = self._redactor.clean(answer, headers().get(SIGN, ""))
            outcome = classify(answer)
        elif not request.writes:
            answer.hide = lambda text: self._redactor.hide(text, headers().get(SIGN, ""))
        attempt.answer, attempt.classified, attempt.retry_after = answer, outcome, reply.retry_after
        attempt.settled = self._wall_clock()  # a caller's function: what it raises finds the outcome known
        if decided(answer, outcome):
            held_slots.settle(slots)
            attempt.token = "settled"
        else:
            self._book_no_answer(attempt, slots)

    def _book_no_answer(self, attempt: AttemptState, slots: tuple[Slot, ...]) -> None:
        wire = attempt.wire
        if not wire.may_have_left:
            held_slots.refund(slots)
            return
        attempt.token = "in doubt"
        wire.drop()  # after a complete answer the connection is back in the pool, and may carry another request by now

    def _ended(self, request: ApiRequest, attempt: AttemptState) -> None:
        """Say in words why the attempt's time limit ended it."""
        wire = attempt.wire
        if wire.may_have_left:
            wire.failure = wire.failure or (
                "the client was closed before the answer" if self.closing else f"no answer within {self._timeout:g} s"
            )
        elif self.closing:
            raise NotSentError(f"{request.label}: the client was closed, nothing was sent", key=attempt.key)
        elif attempt.started:
            wire.failure = wire.failure or "no connection in time"
        else:
            raise SlotTimeoutError(
                f"{request.label}: no connection free within max_wait; nothing was sent", key=attempt.key
            )


def _withhold(request: ApiRequest, attempt: AttemptState, slots: tuple[Slot, ...]) -> NoReturn:
    held_slots.refund(slots)
    if attempt.permit is None:
        raise SlotTimeoutError(f"{request.label}: its slot came after max_wait; nothing was sent", key=attempt.key)
    raise WithheldError(f"{request.label}: not to be sent any more, nothing was sent", key=attempt.key)
