"""The values at the boundary, in the exchange's words: frozen, slotted, without behaviour of their own.

Field names are OKX's in Python spelling (``instId`` is ``inst_id``). Texts that the exchange may extend stay
``str``; closed sets of ours are enums; the two sets that users type are ``Literal`` aliases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar, Literal, TypeAlias

MgnMode: TypeAlias = Literal["cross", "isolated"]
PosSide: TypeAlias = Literal["net", "long", "short"]
TokenState: TypeAlias = Literal["settled", "refunded", "in doubt"]


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
    key: tuple[str, ...] | None
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
class Position:
    """One open position, as `GET /api/v5/account/positions` lists it.

    ``pos``: contracts for SWAP, FUTURES and OPTION (the sign is the side in net mode), an amount of the base
    currency for MARGIN; NaN where the exchange's text is no number. ``avg_px``, ``mark_px``, ``upl``: None
    where the exchange leaves them empty. ``c_time``, ``u_time``: Unix milliseconds, 0 where empty. ``raw``: the
    record as received.
    https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-positions
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"allow_inf_nan": True}  # `pos` may be NaN

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
