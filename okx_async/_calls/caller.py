"""One call: attempts until there is an outcome that is not repeated.

What may be repeated, and how often, is `_repeats`' to say; here is until when: the caller's `max_wait`, or 30 s after
the first send. Once an attempt was made, running out of time raises what that attempt met; and once one was answered, a
repeat that could not be sent does not make it "not sent".
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

from okx_async._callbacks import notify
from okx_async._calls.attempt import Flight
from okx_async._calls.exchange_clock import ExchangeClock
from okx_async._calls.sender import Job, Sender
from okx_async._calls.uid_lookup import Discovery
from okx_async._errors import AuthenticationError, NotSentError, OkxError, OutcomeUnknownError, SlotTimeoutError
from okx_async._limiter.slots import SlotSource
from okx_async._models import Attempt, ClosePosition, Outcome
from okx_async._quota import Priority, Quota
from okx_async._rest.codes import AUTO_CXL_NOTE
from okx_async._rest.outcomes import block_seconds, closes_throttled, error, repeats_of, throttled
from okx_async._rest.responses import Answer, server_time
from okx_async._rest.retry import MAX_REPEATS, Repeats
from okx_async._rest.signing import TIME_PATH
from okx_async._rest.throttle_streaks import Series

logger = logging.getLogger("okx_async")

_ACCEPTED = Outcome.ACCEPTED  # looking a member up through its class costs 50 ns

_E = TypeVar("_E", bound=OkxError)

REPEAT_FOR: Final = 30.0
CLOCK_WAIT: Final = 2.0
"""Seconds that a call waits for a slot to ask for the exchange's time."""

# https://www.okx.com/docs-v5/en/#public-data-rest-api-get-system-time: counted by IP
TIME: Final = Job("GET", TIME_PATH, b"", "public/time", Quota(10, 2.0), public=True)


class Calls:
    """Makes the calls of one client."""

    def __init__(
        self,
        sender: Sender,
        limiter: SlotSource,
        discovery: Discovery,
        clock: ExchangeClock,
        on_attempt: Callable[[Attempt], object] | None,
    ) -> None:
        self._clock = clock
        self._asking = asyncio.Lock()
        self._random = random.random
        self._series = Series()
        self._sender = sender
        self._limiter = limiter
        self._discovery = discovery
        self._on_attempt = on_attempt

    async def call(
        self,
        job: Job,
        priority: Priority,
        max_wait: float | None,
        request: ClosePosition | None = None,
        *,
        once: bool = False,
        permit: Callable[[], Awaitable[float | None]] | None = None,
        writing: Callable[[], bool] | None = None,
    ) -> tuple[Answer, tuple[Attempt, ...]]:
        """Return the acceptance and all attempts; raise everything else.

        `request`: for the record of a close; `once`: repeat nothing; `permit`: asked inside the slot of each attempt
        until when it may be written, by the loop's clock (None: not at all, which raises WithheldError); `writing`:
        told that it is written now, and asked whether it still may be.
        """
        deadline = None if max_wait is None else asyncio.get_running_loop().time() + max_wait
        attempts: list[Attempt] = []
        failure: OkxError | None = None
        repeats: Repeats | None = None
        pause: float | None = 0.0
        while pause is not None:
            flight = self._sender.flight()
            flight.permit, flight.writing = permit, writing
            asked = self._clock.asked
            try:
                await self._sender.attempt(
                    job, flight, self._discovery, priority=priority, deadline=deadline, pause=pause
                )
            except (NotSentError, AuthenticationError) as unsent:
                if failure is None or isinstance(unsent, AuthenticationError):
                    raise _named(unsent, job, max_wait, tuple(attempts)) from None
                break  # no time for a repeat
            except asyncio.CancelledError as cancelled:
                _note(cancelled, job, flight)
                raise
            finally:
                if request is not None and flight.started:
                    attempts.append(self._record(flight.attempt(request)))
            if flight.answer is not None and flight.outcome is _ACCEPTED:
                self._series.passed(flight.key, flight.begun + flight.waited)
                return flight.answer, tuple(attempts)
            repeats = repeats or Repeats(changes=job.changes)
            if failure is None or flight.marked:
                failure = _failure(job, flight, tuple(attempts), request)
            else:
                failure.attempts = tuple(attempts)
            await self._throttle(job, flight)
            if deadline is None:
                deadline = flight.begun + flight.waited + REPEAT_FOR
            pause = await self._pause(flight, repeats, asked, deadline, once=once)
            if pause is not None:
                # A throttled key's pause is the limiter's, and told of there.
                logger.warning("to be repeated%s: %s", f" in {pause:.2f} s" if pause else "", failure)
        raise failure or AssertionError("a call without an attempt")

    def draw(self) -> float:
        """Return a random number from 0 to 1, for whoever backs off."""
        return self._random()

    @property
    def closing(self) -> bool:
        """Whether the client was closed."""
        return self._sender.closing

    async def _pause(
        self, flight: Flight, repeats: Repeats, asked: int, deadline: float, *, once: bool
    ) -> float | None:
        """Return the seconds before the next attempt, None if there is none."""
        if once and flight.permit is None:
            return None
        most = MAX_REPEATS if flight.answer is None else repeats_of(flight.answer.code)
        pause = repeats.pause(flight.outcome, self.draw(), most)
        if pause is None or flight.loop.time() + pause > deadline:
            return None
        if flight.outcome is Outcome.CLOCK and not await self._in_time(self._set_clock(asked), deadline):
            return None
        return None if once else pause  # who asks again on his own terms finds the clock set

    def _record(self, attempt: Attempt) -> Attempt:
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s", attempt)
        if self._on_attempt is not None:
            notify(self._on_attempt, attempt)
        return attempt

    async def _throttle(self, job: Job, flight: Flight) -> None:
        """Have the key pause if the exchange says that it is asked too often."""
        answer = flight.answer
        if answer is None or not throttled(answer, flight.outcome):
            return
        nth = 1
        if closes_throttled(answer.code):
            nth = self._series.refused(flight.key, flight.begun + flight.waited, flight.loop.time())
        per = 2.0 if job.quota is None else job.quota.per
        seconds = block_seconds(answer.code, nth, per, flight.retry_after)
        logger.warning("%s: asked too often, its key pauses for %g s", job.what, seconds)
        for key in flight.keys:
            await self._limiter.block(key, seconds, refused=flight.outcome is Outcome.RATE)

    async def _in_time(self, answer: Coroutine[Any, Any, bool], deadline: float) -> bool:
        """Return the answer if it comes before the call has no time left to use it."""
        try:
            async with asyncio.timeout_at(deadline):
                return await answer
        except TimeoutError:
            return False

    async def _set_clock(self, asked: int) -> bool:
        """Ask the exchange for its time, once for all calls that were refused; return whether it was told."""
        async with self._asking:
            if self._clock.asked != asked:  # another call has asked since this one was signed
                return self._clock.learnt > asked
            self._clock.refused()
            flight = self._sender.flight()
            deadline = asyncio.get_running_loop().time() + CLOCK_WAIT
            try:
                await self._sender.attempt(TIME, flight, self._discovery, priority=Priority.PANIC, deadline=deadline)
            except NotSentError:
                self._clock.missed()
                return False
            await self._throttle(TIME, flight)
            told = None if flight.answer is None else server_time(flight.answer)
            if told is None or flight.sent is None or flight.settled is None:
                self._clock.missed()
                return False
            self._clock.learn(flight.sent, flight.settled, told)
            if self._clock.learnt <= asked:
                return False
            logger.warning("the exchange's clock is %+.3f s from this machine's: signing by it", self._clock.offset)
            return True


def _named(error: _E, job: Job, max_wait: float | None, attempts: tuple[Attempt, ...]) -> _E | SlotTimeoutError:
    """Return the error of what never left in the words of the call."""
    error.attempts = attempts
    if isinstance(error, AuthenticationError):  # of the question for the user id
        error.args = (f"{job.what} was not sent{' again' if attempts else ''}: {error}",)
    # The limiter knows keys, and what was left of the time.
    if not isinstance(error, SlotTimeoutError) or not error.wait:
        return error
    return SlotTimeoutError(
        f"{job.what}: no slot within max_wait={max_wait:g} s, the earliest possible one is {error.wait:.3f} s away; "
        "nothing was sent",
        wait=error.wait,
        key=error.key,
    )


def _note(cancelled: asyncio.CancelledError, job: Job, flight: Flight) -> None:
    """Tell who cancelled a close after it was sent."""
    if flight.marked and job.changes:
        became = "outcome unknown" if flight.answer is None else f"answered {flight.answer.code}"
        cancelled.add_note(f"{job.what}: already sent, {became}")
        logger.warning("%s: cancelled after it was sent, %s", job.what, became)


def _failure(job: Job, flight: Flight, attempts: tuple[Attempt, ...], request: ClosePosition | None) -> OkxError:
    answer, key = flight.answer, flight.key
    failure: OkxError
    note = AUTO_CXL_NOTE if request is not None and request.auto_cxl else ""
    if answer is not None:
        failure = error(
            flight.outcome, answer, what=job.what, key=key, attempts=attempts, note=note, reading=not job.changes
        )
    elif not flight.marked:
        text = f"{job.what}: nothing was sent: {flight.failure}; trying again is safe"
        return NotSentError(text, key=key, attempts=attempts)
    else:
        step = "it may have been executed: ask positions, do not blindly repeat" if job.changes else "ask again"
        step = f"{step}; {note}" if note else step
        failure = OutcomeUnknownError(f"{job.what}: {flight.failure}; {step}", key=key, attempts=attempts)
    if job.changes and isinstance(failure, OutcomeUnknownError):
        logger.warning("%s", failure)
    return failure
