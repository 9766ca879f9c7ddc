"""The meaning of an answer: outcome and error follow from the code in the body, never from the HTTP status.

51115 comes with 429 and is no rate limit, 50004 with 400 and may have been executed, 50011 with 200 or 429. The rules:

* A close counts as accepted or refused only if the exchange itself says so. A code that the table does not list, a code
  0 under an error status, codes or statuses that contradict each other, or no code at all is UNKNOWN.
* Without a code, a few statuses do say that the request never reached trading (3xx, 401, 403, 404, 405, 407):
  refused, but the slot stays in doubt, because the server that answered may not be the one that counts.
* Nothing here waits or repeats: `retry` says what is sent again.
"""

from collections.abc import Hashable, Mapping
from typing import Final

from okx_async import _errors
from okx_async._models import Attempt, ClosePosition, Outcome
from okx_async._rest.codes import CODES, NO_PERMISSION, base_code
from okx_async._rest.remedies import (
    AUTO_CXL_NOTE,
    BY_HAND,
    CANCEL_STEP,
    NO_QUESTION_STEP,
    NO_SWAPS_STEP,
    PROXY_LOGIN_STEP,
    READ_PERMISSION_STEP,
    READ_STEP,
    next_step,
)
from okx_async._rest.responses import Answer

_ACCEPTED, _UNKNOWN = Outcome.ACCEPTED, Outcome.UNKNOWN  # looking a member up through its class costs 50 ns
_REFUSING: Final = frozenset({*range(300, 400), 401, 403, 404, 405, 407})
_PENDING: Final = frozenset({"51115", "51117", "51125", "51126"})
_EXPIRED: Final = "51027"
_UNLISTED: Final = "51001"
_LOGIN_WANTED: Final = 407

_CLASSES: Final[Mapping[Outcome, type[_errors.OkxError]]] = {
    Outcome.RATE: _errors.RateLimitedError,
    Outcome.LATER: _errors.UnavailableError,
    Outcome.FROZEN: _errors.UnavailableError,
    Outcome.CLOCK: _errors.ClockSkewError,
    Outcome.UNKNOWN: _errors.OutcomeUnknownError,
    Outcome.WAIT: _errors.CloseInProgressError,
    Outcome.FLAT: _errors.NothingToCloseError,
    Outcome.NEEDS: _errors.RejectedError,
    Outcome.FATAL: _errors.RejectedError,
}


def classify(answer: Answer) -> Outcome:
    """Return what became of a request by its answer."""
    if answer.ok:
        return _ACCEPTED
    if answer.contradictory:
        return _UNKNOWN
    if answer.code:
        known = CODES.get(base_code(answer.code))
        return known.outcome if known else _UNKNOWN
    # A body may name a status too. Both must refuse before they count as a refusal.
    return Outcome.FATAL if {answer.status, answer.gateway or answer.status} <= _REFUSING else _UNKNOWN


def decided(answer: Answer, outcome: Outcome) -> bool:
    """Return whether the exchange has counted and answered the request: only then its slot is settled."""
    return answer.envelope and outcome is not _UNKNOWN


def error(
    outcome: Outcome,
    answer: Answer,
    *,
    label: str,
    key: Hashable = None,
    attempts: tuple[Attempt, ...] = (),
    close: ClosePosition | None = None,
    listed: bool = False,
    reading: bool = False,
    no_swaps: bool = False,
) -> _errors.OkxError:
    """Return the error that says what became of a request.

    Args:
        outcome: Its outcome.
        answer: Its answer.
        label: Its name in the text: an instrument id or an endpoint.
        key: Its rate key.
        attempts: The attempts so far.
        close: The close that it was, if it was one.
        listed: Whether it was a close in the words of a reading.
        reading: Whether the request changed nothing, so that an unknown outcome is harmless.
        no_swaps: Whether it named a SWAP id at a home that has none.
    """
    base = base_code(answer.code)
    known = CODES.get(base)
    words = answer.message.rstrip(" .;") or (known.meaning if known else "no reason given")
    if close is None and outcome is Outcome.UNKNOWN:
        step = READ_STEP if reading else CANCEL_STEP
    else:
        step = next_step(outcome, answer.code, words, close, listed=listed)
    if reading and base == NO_PERMISSION:
        step = READ_PERMISSION_STEP
    elif reading and step == BY_HAND:  # the only words of the user's in it are ids
        step = NO_QUESTION_STEP
    elif no_swaps and base == _UNLISTED:
        step = NO_SWAPS_STEP
    elif not answer.code and answer.status == _LOGIN_WANTED:
        step = PROXY_LOGIN_STEP
    text, kind = f"{_head(answer)} on {label}: {words}; {step}", _class(outcome, base)
    if close is not None and close.auto_cxl and kind is not _errors.AuthenticationError:
        text += f"; {AUTO_CXL_NOTE}"
    return kind(
        text,
        code=answer.code,
        status=answer.status,
        message=answer.message,
        key=key,
        attempts=attempts,
    )


def _head(answer: Answer) -> str:
    if not answer.code:
        return f"HTTP {answer.status}"
    # 0, 1 and 2 say nothing by themselves.
    return answer.code if answer.code not in {"0", "1", "2"} else f"{answer.code} (HTTP {answer.status})"


def _class(outcome: Outcome, base: str) -> type[_errors.OkxError]:
    if base in _PENDING:
        return _errors.PendingOrdersError
    if base == _EXPIRED:
        return _errors.NothingToCloseError
    if outcome is Outcome.FATAL and base.startswith("501"):
        return _errors.AuthenticationError
    return _CLASSES[outcome]
