"""The meaning of an answer: outcome and error follow from the code in the body, never from the HTTP status.

51115 comes with 429 and is no rate limit, 50004 with 400 and may have been executed, 50011 with 200 or 429. The rules:

* A close counts as accepted or refused only if the exchange itself says so. A code that the table does not list, a code
  0 under an error status, or no code at all is UNKNOWN.
* Without a code, a few statuses do say that the request never reached trading (3xx, 401, 403, 404, 405): refused, but
  the slot stays in doubt, because the server that answered may not be the one that counts.
* Nothing here waits or repeats: `retry` says what is sent again.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Final

from okx_async import _errors
from okx_async._models import Attempt, Outcome
from okx_async._rest.codes import CODE_STEPS, CODES, FOREIGN_STEP, READ_STEP, STEPS, base_code
from okx_async._rest.responses import Answer

_ACCEPTED, _UNKNOWN = Outcome.ACCEPTED, Outcome.UNKNOWN  # looking a member up through its class costs 50 ns
_REFUSING: Final = frozenset({*range(300, 400), 401, 403, 404, 405})
_PENDING: Final = frozenset({"51115", "51117", "51125", "51126"})

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
    if answer.code:
        known = CODES.get(base_code(answer.code))
        return known.outcome if known else Outcome.UNKNOWN
    # A body may name a status too. Both must agree before they count as a refusal.
    said = {answer.status, answer.gateway or answer.status} - set(range(200, 300))
    return Outcome.FATAL if said and said <= _REFUSING else Outcome.UNKNOWN


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
    note: str = "",
    reading: bool = False,
) -> _errors.OkxError:
    """Return the error that says what became of a request.

    Args:
        outcome: Its outcome.
        answer: Its answer.
        label: Its name in the text: an instrument id or an endpoint.
        key: Its rate key.
        attempts: The attempts so far.
        note: A further sentence for the text, see `AUTO_CXL_NOTE`.
        reading: Whether the request changed nothing, so that an unknown outcome is harmless.
    """
    base = base_code(answer.code)
    known = CODES.get(base)
    words = answer.message.rstrip(" .;") or (known.meaning if known else "no reason given")
    text = f"{_head(answer)} on {label}: {words}; {_step(outcome, answer, reading=reading)}"
    return _class(outcome, base)(
        f"{text}; {note}" if note else text,
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


def _step(outcome: Outcome, answer: Answer, *, reading: bool) -> str:
    if outcome is Outcome.FATAL and not answer.code:
        return FOREIGN_STEP
    if reading and outcome is Outcome.UNKNOWN:
        return READ_STEP
    return CODE_STEPS.get(base_code(answer.code)) or STEPS[outcome]


def _class(outcome: Outcome, base: str) -> type[_errors.OkxError]:
    if base in _PENDING:
        return _errors.PendingOrdersError
    if outcome is Outcome.FATAL and base.startswith("501"):
        return _errors.AuthenticationError
    return _CLASSES[outcome]
