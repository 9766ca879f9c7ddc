"""Differences between a recording and the simulated exchange, and the assumptions that they belong to (pure)."""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

CLOSE: Final = "/api/v5/trade/close-position"
POSITIONS: Final = "/api/v5/account/positions"
HISTORY: Final = "/api/v5/account/positions-history"
LIMIT: Final = "code 50011"
"""How a difference tells a refusal for rate."""

# Assumptions that a difference may be about, whichever trial shows it.
LIMIT_PASSES: Final = "twenty-first-close-is-50011"
WINDOW: Final = "window-is-sliding"
COUNTS: Final = "refused-requests-count"
SIGNED_FIRST: Final = "signature-is-checked-before-rate"
BODY_FIRST: Final = "body-is-read-before-signature"
LIMIT_FIRST: Final = "limit-is-checked-before-parameters"
LOGIN_IN_ORDER: Final = "login-is-checked-in-order"
CLOSE_IN_ORDER: Final = "parameters-are-checked-in-order"
HEADS: Final = "long-request-heads-are-taken"
POSITION_FIRST: Final = "position-is-checked-before-orders"
IDLE: Final = "idle-connections-last-16-s"
GOES_FLAT: Final = "accepted-close-goes-flat"
LISTED_AT_ONCE: Final = "filled-order-is-listed-at-once"
FLAT_BY_NAME: Final = "flat-is-listed-by-name"
FLAT_LEFT_OUT: Final = "flat-is-left-out-of-the-whole-list"
READABLE: Final = "positions-can-be-read"
NAMES_PERIOD: Final = "history-names-the-period"
POS_ID_STAYS: Final = "pos-id-outlives-a-close"
C_TIME_REOPENED: Final = "c-time-is-new-after-reopening"
C_TIME_TURNED: Final = "c-time-is-new-after-a-turn"
ECHO: Final = "echo-names-the-side"
OWNERS: Final = frozenset(
    {
        LIMIT_PASSES,
        WINDOW,
        COUNTS,
        SIGNED_FIRST,
        IDLE,
        GOES_FLAT,
        LISTED_AT_ONCE,
        FLAT_BY_NAME,
        FLAT_LEFT_OUT,
        READABLE,
        NAMES_PERIOD,
        POS_ID_STAYS,
        C_TIME_REOPENED,
        C_TIME_TURNED,
        ECHO,
    }
)


class Kind(StrEnum):
    """What differs."""

    ENDPOINT = "endpoint"
    """The simulated exchange has no such endpoint."""
    CODE = "code"
    STATUS = "status"
    FIELDS = "fields"
    """Names that one side has and the other one has not."""
    TYPE = "type"
    VALUE = "value"
    ORDER = "order"
    TIMING = "timing"
    """A position that is listed on one side, and on the other one not yet, or no more."""


@dataclass(frozen=True, slots=True)
class Found:
    """One difference between an answer of the recording and the simulated one."""

    kind: Kind
    where: str
    """The place: an endpoint, and a field of it."""
    recorded: str
    simulated: str
    owner: str = ""
    """The id of the assumption that it is about; "": that of the trial."""
    situation: str = ""
    """Of a refusal by the simulated exchange: what is wrong with the request."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference, and the requests that show it."""

    assumption: str
    """The id of the assumption, or of the step of the rehearsal, that it is about."""
    kind: Kind
    where: str
    recorded: str
    simulated: str
    requests: tuple[int, ...]
    """The numbers of the recording's requests that show it, from 1."""

    def __str__(self) -> str:
        first, more = self.requests[0], len(self.requests) - 1
        shown = f"request {first}" + (f" and {more} more" if more else "")
        return f"{self.kind}: {self.where}: recorded {self.recorded}, simulated {self.simulated} ({shown})"


BY_SITUATION: Final = {
    "no position": "closing-nothing-is-51023",
    "no isolated position": "wrong-margin-mode-is-51023",
    "closing orders pending": "resting-close-order-is-51115",
    "unknown instrument": "unknown-instrument-is-51001",
    "wrong posSide": "wrong-side-is-51000",
    "wrong autoCxl": "auto-cxl-as-text-is-taken",
    "unknown order": "unknown-order-is-51603",
    "order gone": "cancel-of-nothing-is-51400",
    "old timestamp": "old-timestamp-is-50102",
    "wrong signature": "wrong-signature-is-50113",
    "wrong environment": "environment-is-checked",
    "limit exceeded": LIMIT_PASSES,
}
"""The assumption that is about how the exchange refuses in a situation, whichever trial meets it."""


def gathered(found: Iterable[tuple[int, str, Found]], uniform: Container[str] = ()) -> tuple[Difference, ...]:
    """Return the differences, each once, in the order of their first requests.

    Args:
        found: Each with the number of its request and the id of its trial.
        uniform: Situations in which every answer of the recording differs in one and the same way: these differences
            belong to the assumption about that situation, all others to the trial.
    """
    requests: dict[tuple[str, Kind, str, str, str], list[int]] = {}
    for number, trial, each in found:
        owner = each.owner or trial
        if each.situation in uniform:
            owner = BY_SITUATION.get(each.situation, owner)
        key = (owner, each.kind, each.where, each.recorded, each.simulated)
        requests.setdefault(key, []).append(number)
    return tuple(Difference(*key, requests=tuple(dict.fromkeys(numbers))) for key, numbers in requests.items())
