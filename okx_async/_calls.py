"""One call: attempts until there is an outcome that is not repeated.

What may be repeated is `_outcomes`' to say; here is when, and for how long: at most five times, ending with the
caller's `max_wait`, or 30 s after the first send. Once an attempt was made, running out of time raises what that
attempt met.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from okx_async._errors import NotSentError, OutcomeUnknownError
from okx_async._models import Outcome
from okx_async._outcomes import block_seconds, error, repeatable, throttled

if TYPE_CHECKING:
    from collections.abc import Callable

    from okx_async._discovery import Discovery
    from okx_async._errors import OkxError
    from okx_async._flight import Flight
    from okx_async._models import Attempt, ClosePosition, Priority
    from okx_async._sender import Job, Sender
    from okx_async._slots import SlotSource
    from okx_async._wire import Answer

__all__ = ["Calls", "tell"]

logger = logging.getLogger("okx_async")

MAX_REPEATS: Final = 5
REPEAT_FOR: Final = 30.0


class Calls:
    """Makes the calls of one client."""

    def __init__(
        self,
        sender: Sender,
        limiter: SlotSource,
        discovery: Discovery,
        on_attempt: Callable[[Attempt], object] | None,
    ) -> None:
        self._sender = sender
        self._limiter = limiter
        self._discovery = discovery
        self._on_attempt = on_attempt

    async def call(
        self, job: Job, priority: Priority, max_wait: float | None, request: ClosePosition | None = None
    ) -> tuple[Answer, tuple[Attempt, ...]]:
        """Return the acceptance and all attempts; raise everything else. `request`: for the record of a close."""
        loop = asyncio.get_running_loop()
        deadline = None if max_wait is None else loop.time() + max_wait
        attempts: list[Attempt] = []
        failure: OkxError | None = None
        throttles = 0
        while True:
            flight = self._sender.flight()
            try:
                await self._attempt(job, flight, attempts, request, priority=priority, deadline=deadline)
            except NotSentError:
                if failure is None:
                    raise
                raise failure from None  # no time for a repeat: what happened is the last answer
            if failure is not None and not flight.marked:
                failure.attempts = tuple(attempts)
                raise failure  # no connection for a repeat: "not sent" would be said of a request that was
            answer = flight.answer
            if answer is not None and flight.outcome is Outcome.ACCEPTED:
                return answer, tuple(attempts)
            failure = _failure(job, flight, tuple(attempts))
            if answer is not None and throttled(answer, flight.outcome):
                throttles += 1
                await self._pause(job, flight, answer, throttles)
            if not repeatable(flight.outcome) or throttles > MAX_REPEATS:
                raise failure
            if deadline is None:
                deadline = loop.time() + REPEAT_FOR
            logger.warning("to be repeated: %s", failure)

    async def _attempt(
        self,
        job: Job,
        flight: Flight,
        attempts: list[Attempt],
        request: ClosePosition | None,
        *,
        priority: Priority,
        deadline: float | None,
    ) -> None:
        try:
            await self._sender.attempt(job, flight, self._discovery, priority=priority, deadline=deadline)
        except asyncio.CancelledError as cancelled:
            if flight.marked and job.changes:
                became = "outcome unknown" if flight.answer is None else f"answered {flight.answer.code}"
                cancelled.add_note(f"{job.what}: already sent, {became}")
                logger.warning("%s: cancelled after it was sent, %s", job.what, became)
            raise
        finally:
            if request is not None and flight.started:
                attempt = flight.attempt(request)
                attempts.append(attempt)
                logger.debug("%s", attempt)
                if self._on_attempt is not None:
                    tell(self._on_attempt, attempt)

    async def _pause(self, job: Job, flight: Flight, answer: Answer, nth: int) -> None:
        per = 2.0 if job.quota is None else job.quota.per
        seconds = block_seconds(answer.code, nth, per, flight.retry_after)
        logger.warning("%s: refused for rate, its key pauses for %g s", job.what, seconds)
        for key in flight.keys:
            await self._limiter.block(key, seconds, refused=flight.outcome is Outcome.RATE)


def _failure(job: Job, flight: Flight, attempts: tuple[Attempt, ...]) -> OkxError:
    answer, key = flight.answer, flight.key
    failure: OkxError
    if answer is not None:
        failure = error(flight.outcome, answer, what=job.what, key=key, attempts=attempts, reading=not job.changes)
    elif not flight.marked:
        return NotSentError(f"{job.what}: nothing was sent: {flight.failure}", key=key, attempts=attempts)
    else:
        step = "it may have been executed: ask positions, do not blindly repeat" if job.changes else "ask again"
        failure = OutcomeUnknownError(f"{job.what}: {flight.failure}; {step}", key=key, attempts=attempts)
    if job.changes and isinstance(failure, OutcomeUnknownError):
        logger.warning("%s", failure)
    return failure


def tell(callback: Callable[[Any], object], value: object) -> None:
    """Tell a caller's function something; what it raises must not disturb a close."""
    try:
        callback(value)
    except Exception:
        logger.exception("%r raised", callback)
