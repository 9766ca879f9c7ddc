"""One call: attempts until there is an outcome that is not repeated.

`_rest.retry` says what is repeated and how often; this module says until when: the caller's `max_wait`, or 30 s after
the first send. Once an attempt was made, running out of time raises what that attempt met. Once one was answered, a
repeat that could not be sent does not turn the error into "not sent".
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from okx_async._calls.attempt import AttemptState
from okx_async._calls.cancellations import earlier_cancellations, ends_task, running_task
from okx_async._calls.exchange_clock import ExchangeClock
from okx_async._calls.failures import failure_of, unsent
from okx_async._calls.interruptions import meet_cancellation, note_sent, unforeseen
from okx_async._calls.on_wire import ClosesOnWire, CloseTurn
from okx_async._calls.reports import Reports
from okx_async._calls.sender import Sender
from okx_async._calls.uid_lookup import UidLookup
from okx_async._errors import (
    AuthenticationError,
    InvalidRequestError,
    NotSentError,
    OkxError,
)
from okx_async._limiter.slots import SlotSource, subject
from okx_async._log import logger
from okx_async._models import Attempt, ClosePosition, Outcome
from okx_async._quota import Priority
from okx_async._rest.records import server_time
from okx_async._rest.requests import PUBLIC_TIME, ApiRequest
from okx_async._rest.responses import Answer
from okx_async._rest.retry import RetryPolicy, ThrottleStreaks, block_seconds, closes_throttled, throttled

REPEAT_FOR: Final = 30.0
"""Seconds after the first send within which a call without `max_wait` is repeated."""
BLOCK_WAIT: Final = 1.0
"""Seconds that a call waits for a limiter to take in its blocks, if it has so much time left."""
CLOCK_WAIT: Final = 2.0
"""Seconds that a call waits for a slot to ask for the exchange's time."""


class Caller:
    """Makes the calls of one client.

    Args:
        sender: Makes single attempts.
        limiter: Blocks the keys that the exchange throttles.
        uid_lookup: Finds out the user id.
        clock: The exchange's clock, set after a refused timestamp.
        reports: Tells the user's functions.
        has_swaps: Whether the account's home has SWAP ids.
    """

    def __init__(
        self,
        sender: Sender,
        limiter: SlotSource,
        uid_lookup: UidLookup,
        clock: ExchangeClock,
        reports: Reports,
        *,
        has_swaps: bool = True,
    ) -> None:
        self._has_swaps = has_swaps
        self._clock = clock
        self._setting_clock = asyncio.Lock()
        self._random = random.random
        self._streaks = ThrottleStreaks()
        self._sender = sender
        self._limiter = limiter
        self._uid_lookup = uid_lookup
        self._reports = reports
        self.on_wire = ClosesOnWire()

    async def call(
        self,
        request: ApiRequest,
        priority: Priority,
        max_wait: float | None,
        close: ClosePosition | None = None,
        *,
        once: bool = False,
        permit: Callable[[], Awaitable[float | None]] | None = None,
        confirm_write: Callable[[], bool] | None = None,
        turn: CloseTurn | None = None,
        made: int = 0,
    ) -> tuple[Answer, tuple[Attempt, ...]]:
        """Return the acceptance and all attempts; raise everything else.

        Args:
            request: What to send.
            priority: The lane in which it waits.
            max_wait: Seconds from now to the last send; None: 30 s from the first send.
            close: The close that it is, for the records of its attempts.
            once: Repeat nothing.
            permit: Awaited inside the slot of each attempt: until when it may be written, by the loop's clock; None:
                not at all, which raises WithheldError.
            confirm_write: Called in the step of the write; False: it must not be written after all.
            turn: Told when an attempt is written and ends; asked instead of `confirm_write` if that is None.
            made: The attempts of this close in earlier calls, for the records.
        """
        deadline = None if max_wait is None else asyncio.get_running_loop().time() + max_wait
        earlier = await earlier_cancellations()
        attempts: list[Attempt] = []
        failure: OkxError | None = None
        retry: RetryPolicy | None = None
        pause: float | None = 0.0
        while pause is not None:
            attempt = self._sender.new_attempt(permit)
            attempt.earlier = earlier
            attempt.may_connect_late = max_wait == 0 and failure is None
            self._reports.watch(attempt)
            attempt.wire.confirm_write = turn.write if confirm_write is None and turn is not None else confirm_write
            asked = self._clock.asked
            try:
                try:
                    await self._try(
                        request, attempt, close, attempts, made, priority=priority, deadline=deadline, pause=pause
                    )
                finally:
                    if turn is not None:
                        turn.ended(attempt.outcome)
            except (NotSentError, AuthenticationError, InvalidRequestError) as error:
                if failure is None or isinstance(error, AuthenticationError):
                    raise unsent(error, request, max_wait, tuple(attempts)) from error.__cause__
                failure.attempts = tuple(attempts)
                break  # no time for a repeat
            if attempt.answer is not None and attempt.classified is Outcome.ACCEPTED:
                self._streaks.accepted(attempt.key, attempt.begun + attempt.waited)
                await meet_cancellation(earlier, request, attempt)
                return attempt.answer, tuple(attempts)
            retry = retry or RetryPolicy(writes=request.writes, auto_cxl=close is not None and close.auto_cxl)
            if failure is None or attempt.tells_more_than(failure):
                no_swaps = not self._has_swaps and request.names_a_swap
                listed = confirm_write is not None  # flatten and confirm take their words from a reading
                failure = failure_of(request, attempt, tuple(attempts), close, listed=listed, no_swaps=no_swaps)
            else:
                failure.attempts = tuple(attempts)
            if turn is not None:
                turn.failed(failure)
            await self._throttle(request, attempt, priority)
            if deadline is None:
                deadline = attempt.begun + attempt.waited + REPEAT_FOR
            pause = await self._pause(attempt, retry, asked, deadline, once=once)
            if pause is not None:
                # The limiter logs the pause of a throttled key.
                logger.warning("to be repeated%s: %s", f" in {pause:.2f} s" if pause else "", failure)
        raise failure or AssertionError("a call without an attempt")

    async def _try(
        self,
        request: ApiRequest,
        attempt: AttemptState,
        close: ClosePosition | None,
        attempts: list[Attempt],
        made: int,
        *,
        priority: Priority,
        deadline: float | None,
        pause: float,
    ) -> None:
        """Make one attempt and record it, whatever becomes of it; any error but cancellation is an OkxError."""
        failed: OkxError | None = None
        task = running_task()
        try:
            await self._sender.attempt(
                request, attempt, self._uid_lookup, priority=priority, deadline=deadline, pause=pause
            )
        except BaseException as raised:
            if ends_task(raised, task, attempt.earlier):
                note_sent(raised, request, attempt)
                raise
            if attempt.classified is not None:  # what the answer says wins
                logger.exception("%s: an error after the answer", request.label)
            elif isinstance(raised, OkxError):
                raise
            else:  # a limiter, say, may raise anything, and await what another task has cancelled
                failed = unforeseen(raised, request, attempt)
                raise failed from raised
        finally:
            if close is not None and attempt.started:
                attempts.append(self._reports.attempt(attempt, request, close, made + len(attempts)))
            if failed is not None:
                failed.attempts = tuple(attempts)
            self._reports.waits(attempt, request, priority)

    def draw(self) -> float:
        """Return a random number from 0 to 1, for a pause."""
        return self._random()

    def exchange_time(self) -> float:
        """Return the exchange's time as far as it is known, Unix seconds."""
        return self._clock.now()

    @property
    def clock_offset(self) -> float:
        """Seconds by which the exchange is known to be ahead of this machine."""
        return self._clock.offset

    @property
    def closing(self) -> bool:
        """Whether the client was closed."""
        return self._sender.closing

    async def _pause(
        self, attempt: AttemptState, retry: RetryPolicy, asked: int, deadline: float, *, once: bool
    ) -> float | None:
        """Return the seconds before the next attempt, None if there is none."""
        if (once and attempt.permit is None) or attempt.wire.futile:
            return None
        code = "" if attempt.answer is None else attempt.answer.code
        pause = retry.pause(attempt.outcome, code, self.draw())
        if pause is None or attempt.wire.loop.time() + pause > deadline:
            return None
        if attempt.outcome is Outcome.CLOCK and not await self._in_time(
            self._set_clock(asked, attempt.earlier), deadline
        ):
            return None
        return None if once else pause  # a caller that repeats by its own rule finds the clock set

    async def _throttle(self, request: ApiRequest, attempt: AttemptState, priority: Priority) -> None:
        """Block the key if the exchange says that it is asked too often."""
        answer = attempt.answer
        if answer is None or not throttled(answer, attempt.outcome):
            return
        nth = 1
        if closes_throttled(answer.code):
            nth = self._streaks.refused(attempt.key, attempt.begun + attempt.waited, attempt.wire.loop.time())
        per = 2.0 if request.quota is None else request.quota.per
        seconds = block_seconds(answer.code, nth, per, attempt.retry_after, self.draw())
        logger.warning("%s: asked too often, its key pauses for %.2f s", request.label, seconds)
        left, task = attempt.left(), running_task()
        until = attempt.wire.loop.time() + (BLOCK_WAIT if left is None else min(BLOCK_WAIT, left))
        for key in attempt.keys:
            try:
                async with asyncio.timeout_at(until):
                    await self._limiter.block(key, seconds, refused=attempt.outcome is Outcome.RATE)
            except BaseException as failure:
                if ends_task(failure, task, attempt.earlier):
                    if attempt.outcome is Outcome.UNKNOWN:
                        note_sent(failure, request, attempt)
                    raise
                logger.exception("%s: the limiter failed to block %s", request.label, subject(key))
        self._reports.block(attempt, request, priority, seconds)

    async def _in_time(self, answer: Coroutine[Any, Any, bool], deadline: float) -> bool:
        """Return the answer if it comes before the call has no time left to use it."""
        try:
            async with asyncio.timeout_at(deadline):
                return await answer
        except TimeoutError:
            return False

    async def _set_clock(self, asked: int, earlier: int) -> bool:
        """Ask the exchange for its time, once for all calls that were refused; return whether it answered."""
        async with self._setting_clock:
            if self._clock.asked != asked:  # another call has asked since this one was signed
                return self._clock.learnt > asked
            self._clock.refused()
            attempt = self._sender.new_attempt()
            attempt.earlier = earlier
            deadline = asyncio.get_running_loop().time() + CLOCK_WAIT
            try:
                await self._try(
                    PUBLIC_TIME, attempt, None, [], 0, priority=Priority.PANIC, deadline=deadline, pause=0.0
                )
            except OkxError:
                self._clock.missed()
                return False
            await self._throttle(PUBLIC_TIME, attempt, Priority.PANIC)
            time = None if attempt.answer is None else server_time(attempt.answer)
            if time is None or attempt.wire.sent is None or attempt.settled is None:
                self._clock.missed()
                return False
            self._clock.learn(attempt.wire.sent, attempt.settled, time)
            if self._clock.learnt <= asked:
                return False
            logger.warning("the exchange's clock is %+.3f s from this machine's: signing by it", self._clock.offset)
            return True
