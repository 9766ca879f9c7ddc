"""The values at the boundary, in the exchange's words: frozen, slotted, without behaviour of their own.

Field names are OKX's in Python spelling (``instId`` is ``inst_id``). Texts that the exchange may extend stay
``str``; closed sets of ours are enums; the two sets that users type are ``Literal`` aliases.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from okx_async._errors import InvalidRequestError, OkxError

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from decimal import Decimal

__all__ = [
    "Attempt",
    "ClosePosition",
    "CloseResult",
    "ClosedPosition",
    "Credentials",
    "MgnMode",
    "Outcome",
    "PosSide",
    "Position",
    "Priority",
    "Quota",
    "TokenState",
]

MgnMode: TypeAlias = Literal["cross", "isolated"]
PosSide: TypeAlias = Literal["net", "long", "short"]
TokenState: TypeAlias = Literal["settled", "refunded", "in doubt"]


class Priority(IntEnum):
    """The lane in which a request waits for its slot: PANIC goes ahead of every NORMAL waiter of its key."""

    NORMAL = 0
    PANIC = 1


class Outcome(Enum):
    """What became of one attempt; each class is repeated, or not, by a rule of its own."""

    ACCEPTED = "ACCEPTED"
    """Code 0: the exchange took the request. That is not yet a proof of being flat."""
    RATE = "RATE"
    """Throttled, not executed."""
    LATER = "LATER"
    """Refused for a passing reason, not executed."""
    FROZEN = "FROZEN"
    """Liquidation or auto-deleveraging is at work on the account or position; not executed."""
    CLOCK = "CLOCK"
    """The timestamp was too old or too new; not executed."""
    NOT_SENT = "NOT-SENT"
    """Never left this machine."""
    UNKNOWN = "UNKNOWN"
    """May have been executed or not."""
    WAIT = "WAIT"
    """A close of this position is already running."""
    FLAT = "FLAT?"
    """The exchange knows no such position; to be verified."""
    NEEDS = "NEEDS"
    """Something else must happen first; not executed."""
    FATAL = "FATAL"
    """Needs a person or a change of code; not executed."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key of OKX. Neither ``repr`` nor any error or log line shows the secret key or the passphrase."""

    api_key: str
    secret_key: str = field(repr=False)
    passphrase: str = field(repr=False)

    def __post_init__(self) -> None:
        for name in ("api_key", "secret_key", "passphrase"):
            value = getattr(self, name)
            # The value goes into a header: line breaks would end it, blanks at its ends are always a slip.
            if not isinstance(value, str) or not value or not value.isprintable() or value != value.strip():
                raise InvalidRequestError(
                    f"{name} must be a non-empty printable string without blanks at its ends (not shown here)"
                )
            if not value.isascii():
                raise InvalidRequestError(f"{name} must be ASCII (not shown here)")

    def __repr__(self) -> str:
        return f"Credentials(api_key={self.api_key[:4] + '…' if len(self.api_key) > 12 else '…'!r})"  # noqa: PLR2004 - a short key is not shown at all

    @classmethod
    def from_env(cls) -> Credentials:
        """Read ``OKX_API_KEY``, ``OKX_SECRET_KEY`` and ``OKX_PASSPHRASE``.

        Raises InvalidRequestError that names every variable that is missing or empty.
        """
        names = ("OKX_API_KEY", "OKX_SECRET_KEY", "OKX_PASSPHRASE")
        values = [os.environ.get(name, "") for name in names]
        missing = [name for name, value in zip(names, values, strict=True) if not value]
        if missing:
            raise InvalidRequestError(f"environment: {', '.join(missing)} not set")
        return cls(*values)


@dataclass(frozen=True, slots=True)
class Quota:
    """``limit`` requests in any ``per`` seconds; the last ``reserve`` tokens only PANIC may take."""

    limit: int = 20
    per: float = 2.0
    reserve: int = 0

    def __post_init__(self) -> None:
        if type(self.limit) is not int or self.limit < 1:
            raise InvalidRequestError(f"limit must be an integer of at least 1, got {self.limit!r}")
        per: object = self.per  # the annotation does not bind callers without a type checker
        if isinstance(per, bool) or not isinstance(per, int | float) or not 0 < per <= sys.float_info.max:
            raise InvalidRequestError(f"per must be a positive number of seconds, got {per!r}")
        if type(self.reserve) is not int or not 0 <= self.reserve < self.limit:
            raise InvalidRequestError(
                f"reserve must be an integer from 0 to limit - 1 ({self.limit - 1}), got {self.reserve!r}"
            )


@dataclass(frozen=True, slots=True)
class ClosePosition:
    """One position to close, as `POST /api/v5/trade/close-position` names it.

    It is checked when it is sent, so that one bad leg of a batch stops no other.
    https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-close-positions
    """

    inst_id: str
    mgn_mode: MgnMode
    pos_side: PosSide | None = None
    ccy: str | None = None
    auto_cxl: bool = False
    cl_ord_id: str | None = None
    tag: str | None = None

    @classmethod
    def of(cls, position: Position, **changes: Any) -> ClosePosition:
        """Build the request that closes `position`, with `changes` to its fields.

        The side is named in long/short mode only, the currency for cross MARGIN positions only.
        """
        request = cls(
            position.inst_id,
            position.mgn_mode,
            pos_side=None if position.pos_side == "net" else position.pos_side,
            ccy=(position.ccy or None) if (position.inst_type, position.mgn_mode) == ("MARGIN", "cross") else None,
        )
        return replace(request, **changes)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of one request.

    ``waited``: seconds spent waiting for its slot; ``sent``, ``settled``: wall-clock times (Unix seconds) of
    the write and of the end of the try, None where that did not happen; ``code``: the exchange's, "" where
    there was none; ``status``: the HTTP status or None; ``token``: what became of the slot.
    """

    request: ClosePosition
    key: Hashable
    waited: float
    sent: float | None
    settled: float | None
    code: str
    status: int | None
    outcome: Outcome
    token: TokenState


@dataclass(frozen=True, slots=True)
class ClosedPosition:
    """A close that the exchange *accepted*; proven only if ``flat``.

    ``inst_id``, ``pos_side``, ``cl_ord_id`` and ``tag`` are as answered ("" where the answer has none).
    """

    inst_id: str
    pos_side: str
    cl_ord_id: str
    tag: str
    attempts: tuple[Attempt, ...] = ()
    flat: bool = False


@dataclass(frozen=True, slots=True)
class CloseResult:
    """What became of one leg of a batch: exactly one of ``closed`` and ``error`` is set."""

    request: ClosePosition
    closed: ClosedPosition | None = None
    error: OkxError | None = None

    @property
    def ok(self) -> bool:
        """Whether the exchange accepted the close."""
        return self.error is None

    def result(self) -> ClosedPosition:
        """Return ``closed``, or raise ``error``."""
        if self.closed is None:
            raise self.error or AssertionError("a CloseResult without closed and error")
        return self.closed


@dataclass(frozen=True, slots=True)
class Position:
    """One open position, as `GET /api/v5/account/positions` lists it.

    ``pos``: contracts for SWAP, FUTURES and OPTION (the sign is the side in net mode), an amount of the base
    currency for MARGIN; NaN where the exchange's text is no number. ``avg_px``, ``mark_px``, ``upl``: None
    where the exchange leaves them empty. ``c_time``, ``u_time``: Unix milliseconds, 0 where empty. ``raw``: the
    record as received.
    https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-positions
    """

    inst_id: str
    inst_type: str
    pos_id: str
    pos: Decimal
    pos_side: PosSide
    pos_ccy: str
    mgn_mode: MgnMode
    ccy: str
    avg_px: Decimal | None
    mark_px: Decimal | None
    upl: Decimal | None
    c_time: int
    u_time: int
    raw: Mapping[str, Any] = field(repr=False, compare=False)
