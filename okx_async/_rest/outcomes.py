"""What an answer means: one decision, from the code in the body and never from the HTTP status (pure).

51115 comes with 429 and is no rate limit, 50004 with 400 and may have been executed, 50011 with 200 or
429. Three rules stand behind all of it:

* a close counts as accepted or refused only where the exchange itself says so; a code that the table does
  not list, a code 0 under an error status, no code at all: UNKNOWN;
* without a code, a few statuses do say that the request never reached trading (3xx, 401, 403, 404, 405):
  refused, but the slot stays in doubt, because whoever answered may not be who counts;
* nothing here waits or repeats: this says what, `_client` and `_flatten` say when.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from math import isfinite
from typing import Final

from okx_async import _errors
from okx_async._models import Attempt, Outcome
from okx_async._rest.codes import CODE_STEPS, CODES, FEW_REPEATS, FOREIGN_STEP, READ_STEP, STEPS
from okx_async._rest.responses import Answer
from okx_async._rest.retry import MAX_REPEATS

_ACCEPTED, _UNKNOWN = Outcome.ACCEPTED, Outcome.UNKNOWN  # looking a member up through its class costs 50 ns
_REFUSING: Final = frozenset({*range(300, 400), 401, 403, 404, 405})
_TOO_MANY_REQUESTS: Final = 429
_MAX_RETRY_AFTER: Final = 30.0
_SECONDS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
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
    """Return what became of the request that was answered so."""
    if answer.ok:
        return _ACCEPTED
    if answer.code:
        known = CODES.get(_base(answer.code))
        return known.outcome if known else Outcome.UNKNOWN
    # A body may name a status too. All that is said must agree before it counts as a refusal.
    said = {answer.status, answer.gateway or answer.status} - set(range(200, 300))
    return Outcome.FATAL if said and said <= _REFUSING else Outcome.UNKNOWN


def decided(answer: Answer, outcome: Outcome) -> bool:
    """Whether the exchange has counted and answered the request: only then its slot is settled."""
    return answer.envelope and outcome is not _UNKNOWN


def throttled(answer: Answer, outcome: Outcome) -> bool:
    """Whether the key should pause: a refusal for rate, or a 429 that does not say of what."""
    return outcome is Outcome.RATE or (not answer.code and _TOO_MANY_REQUESTS in {answer.status, answer.gateway})


def closes_throttled(code: str) -> bool:
    """Whether it is the throttle that closes at market price have of their own: its pauses grow."""
    return _base(code) == "51113"


def repeats_of(code: str) -> int:
    """Return how often at most a close is repeated after this answer."""
    return FEW_REPEATS.get(_base(code), MAX_REPEATS)


def block_seconds(code: str, nth: int, per: float, retry_after: str | None = None) -> float:
    """Return for how long a throttled key pauses, in seconds from now.

    A window at least. 51113 is a throttle of its own and unknown size: 2, 4, 8 s for the `nth` (from 1)
    in a row. `retry_after`: the header's text, which OKX does not document; only a number of seconds
    counts, and no more than 30 s of it: nothing a proxy says may stand between a user and the exit.
    """
    seconds = per
    if closes_throttled(code):
        seconds = max(seconds, 2.0 ** min(max(nth, 1), 3))
    asked = float(retry_after) if retry_after and _SECONDS.fullmatch(retry_after.strip()) else 0.0
    return max(seconds, min(asked, _MAX_RETRY_AFTER)) if isfinite(asked) else seconds


def error(
    outcome: Outcome,
    answer: Answer,
    *,
    what: str,
    key: Hashable = None,
    attempts: tuple[Attempt, ...] = (),
    note: str = "",
    reading: bool = False,
) -> _errors.OkxError:
    """Return the error that says `outcome` of the request named `what` (an instrument id or an endpoint).

    `note`: a further sentence for the text (see `AUTO_CXL_NOTE`); `reading`: the request changed nothing,
    so that an unknown outcome is harmless.
    """
    base = _base(answer.code)
    known = CODES.get(base)
    words = answer.message.rstrip(" .;") or (known.meaning if known else "no reason given")
    text = f"{_head(answer)} on {what}: {words}; {_step(outcome, answer, reading=reading)}"
    return _class(outcome, base)(
        f"{text}; {note}" if note else text,
        code=answer.code,
        status=answer.status,
        message=answer.message,
        key=key,
        attempts=attempts,
    )


def _base(code: str) -> str:
    """Return a code without its sub-code: 51008 of 51008_1000."""
    return code.partition("_")[0]


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
    return CODE_STEPS.get(_base(answer.code)) or STEPS[outcome]


def _class(outcome: Outcome, base: str) -> type[_errors.OkxError]:
    if base in _PENDING:
        return _errors.PendingOrdersError
    if outcome is Outcome.FATAL and base.startswith("501"):
        return _errors.AuthenticationError
    return _CLASSES[outcome]
