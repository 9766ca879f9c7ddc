"""The errors of a call: what became of an attempt, in the words of its request."""

from copy import copy
from typing import TypeVar

from okx_async._calls.attempt import AttemptState
from okx_async._errors import AuthenticationError, NotSentError, OkxError, OutcomeUnknownError, SlotTimeoutError
from okx_async._limiter.slots import no_slot
from okx_async._log import logger
from okx_async._models import Attempt, ClosePosition
from okx_async._rest.outcomes import error
from okx_async._rest.remedies import AUTO_CXL_NOTE, CANCEL_STEP
from okx_async._rest.requests import ApiRequest

_E = TypeVar("_E", bound=OkxError)


def unsent(
    failure: _E, request: ApiRequest, max_wait: float | None, attempts: tuple[Attempt, ...]
) -> _E | SlotTimeoutError:
    """Return the error of a request that never left, in the words of the call."""
    failure.attempts = attempts
    if isinstance(failure, AuthenticationError):  # of the question for the user id
        failure.args = (f"{request.label} was not sent{' again' if attempts else ''}: {failure}",)
    if isinstance(failure, SlotTimeoutError) and failure.key is None:
        failure = copy(failure)  # a limiter may raise one object for many requests
        failure.args = (f"{request.label}: {failure}",)
    # The limiter knows only keys and the time that was left.
    if not isinstance(failure, SlotTimeoutError) or not failure.wait:
        return failure
    return SlotTimeoutError(f"{request.label}: {no_slot(failure.wait, max_wait)}", wait=failure.wait, key=failure.key)


def failure_of(
    request: ApiRequest,
    attempt: AttemptState,
    attempts: tuple[Attempt, ...],
    close: ClosePosition | None,
    *,
    listed: bool,
    no_swaps: bool,
) -> OkxError:
    """Return the error that says what became of an attempt."""
    answer, key, wire = attempt.answer, attempt.key, attempt.wire
    failure: OkxError
    if answer is not None:
        failure = error(
            attempt.outcome,
            answer,
            label=request.label,
            key=key,
            attempts=attempts,
            close=close,
            listed=listed,
            reading=not request.writes,
            no_swaps=no_swaps,
        )
    elif not wire.may_have_left:
        step = "" if wire.futile else "; trying again is safe"
        text = f"{request.label}: nothing was sent: {wire.failure}{step}"
        return NotSentError(text, key=key, attempts=attempts)
    else:
        step = "it may have been executed: ask positions, do not blindly repeat"
        if close is None:
            step = CANCEL_STEP if request.writes else "ask again"
        elif close.auto_cxl:
            step = f"{step}; {AUTO_CXL_NOTE}"
        failure = OutcomeUnknownError(f"{request.label}: {wire.failure}; {step}", key=key, attempts=attempts)
    if request.writes and isinstance(failure, OutcomeUnknownError):
        logger.warning("%s", failure)
    return failure
