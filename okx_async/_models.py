"""Public records, frozen and slotted, with the exchange's names in Python spelling (``instId`` is ``inst_id``).

Texts that the exchange may extend are ``str``, closed sets of ours are enums, and the two sets that users type are
``Literal`` aliases.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, cast

from okx_async._record import Record
from okx_async._words import CCY, INST_ID, MGN_MODE, POS_SIDE, ListedWord, as_listed

MgnMode: TypeAlias = Literal["cross", "isolated"]
PosSide: TypeAlias = Literal["net", "long", "short"]
TokenState: TypeAlias = Literal["settled", "refunded", "in doubt"]


class Outcome(Enum):
    """What became of one attempt. `_rest.retry` says which outcomes are followed by another attempt.

    The values are words for labels and logs, and stay as they are within a major version: the name in lower case,
    apart from ``maybe_flat``, which must not read as a proof.
    """

    ACCEPTED = "accepted"
    """Code 0: the exchange took the request. That is not yet a proof of being flat: look at positions, or `confirm`."""
    RATE = "rate"
    """Throttled, not executed: repeated after its window. If it goes on, another program spends the same limit."""
    LATER = "later"
    """Refused for a passing reason (settlement, maintenance), not executed: repeated after a pause, then try later."""
    FROZEN = "frozen"
    """Liquidation or auto-deleveraging is at work on the account or position; not executed: look at positions."""
    CLOCK = "clock"
    """The timestamp was too old or too new; not executed: repeated by the exchange's time. Set this machine's clock."""
    NOT_SENT = "not_sent"
    """Never left this machine: repeated after a pause, and safe to try again."""
    UNKNOWN = "unknown"
    """May have been executed or not: look at positions, do not blindly send it again."""
    WAIT = "wait"
    """A close of this position is already running: watch positions, do not send another."""
    FLAT = "maybe_flat"
    """The exchange knows no such position. Look at positions: a wrong margin mode or side is answered so, too."""
    NEEDS = "needs"
    """Something else must happen first, as the error says (pending orders, size); not executed."""
    FATAL = "fatal"
    """Needs a person or a change of code (key, permission, parameter); not executed, and repeating it cannot help."""


@dataclass(frozen=True, slots=True)
class ClosePosition(Record):
    """One position to close, as `POST /api/v5/trade/close-position` names it.

    The fields are those of `Client.close_position`. They are checked when it is sent, so that one bad leg of a batch
    stops no other.

    https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-close-positions
    """

    inst_id: str
    mgn_mode: Annotated[MgnMode, ListedWord()]
    pos_side: Annotated[PosSide, ListedWord()] | None = None
    ccy: str | None = None
    auto_cxl: bool = False
    cl_ord_id: str | None = None
    tag: str | None = None

    @classmethod
    def of(cls, position: "Position", **changes: Any) -> "ClosePosition":
        """Return the request that closes a position.

        It names the side in long/short mode only, and the currency for cross MARGIN positions only. The words of the
        position go out as the exchange listed them, those too that break the rules for typed ones.

        Args:
            position: The position, as `Client.positions` returns it.
            changes: Fields of the request to set in addition, such as ``auto_cxl=True``.
        """
        pair = (position.inst_type, position.mgn_mode) == ("MARGIN", "cross")
        request = cls(
            as_listed(position.inst_id, INST_ID),
            cast("MgnMode", as_listed(position.mgn_mode, MGN_MODE)),
            pos_side=None if position.pos_side == "net" else cast("PosSide", as_listed(position.pos_side, POS_SIDE)),
            ccy=as_listed(position.ccy, CCY) if pair and position.ccy else None,
        )
        return replace(request, **changes)


@dataclass(frozen=True, slots=True)
class Attempt(Record):
    """One attempt to send a close."""

    request: ClosePosition
    key: tuple[str, ...] | None
    """The rate key that it was counted under."""
    waited: float
    """Seconds that it waited for its slot."""
    sent: float | None
    """When it was written, by the wall clock (Unix seconds); None: never."""
    settled: float | None
    """When its answer was complete, by the wall clock (Unix seconds); None: there was none."""
    code: str
    """The exchange's code, "" if there was none."""
    status: int | None
    """The HTTP status, None if there was no answer."""
    outcome: Outcome
    token: TokenState
    """What became of its slot."""
    url: str = ""
    """Where it was sent, or was to be sent."""
    resends: int = 0
    """How many attempts of the same close were made before it, in the same call."""


@dataclass(frozen=True, slots=True)
class ClosedPosition(Record):
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
class Position(Record):
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
    pos_side: Annotated[PosSide, ListedWord()]
    pos_ccy: str
    mgn_mode: Annotated[MgnMode, ListedWord()]
    ccy: str
    avg_px: Decimal | None
    mark_px: Decimal | None
    upl: Decimal | None
    c_time: int
    u_time: int
    raw: Mapping[str, Any] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class OpenOrder(Record):
    """One order that is still pending, as `trade/orders-pending` or `trade/orders-algo-pending` lists it.

    ``algo_id`` is "" for an ordinary order, ``ord_id`` for an algo order (TP/SL, trigger, trailing). ``sz``: None where
    the exchange names no number, as for orders that close a whole position. A record that cannot be read has "" for the
    instrument or the ids that it does not name. ``raw``: the record as received, but for fields above 1,000 bytes.
    """

    inst_id: str
    ord_type: str
    side: str
    pos_side: Annotated[PosSide, ListedWord()]
    sz: Decimal | None
    reduce_only: bool
    state: str
    ord_id: str
    algo_id: str
    cl_ord_id: str
    raw: Mapping[str, Any] = field(repr=False, compare=False)
