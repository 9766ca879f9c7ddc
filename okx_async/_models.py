"""Public records, frozen and slotted, with the exchange's names in Python spelling (``instId`` is ``inst_id``).

Texts that the exchange may extend are ``str``, closed sets of ours are enums, and the two sets that users type are
``Literal`` aliases.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, cast

from okx_async._words import CCY, INST_ID, MGN_MODE, POS_SIDE, ListedText, ListedWord, as_listed

MgnMode: TypeAlias = Literal["cross", "isolated"]
PosSide: TypeAlias = Literal["net", "long", "short"]
TokenState: TypeAlias = Literal["settled", "refunded", "in doubt"]


class Record:
    """A base class of the public records: frozen dataclasses that can be written as JSON."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain values, which `json.dumps` takes: the fields by their names.

        Decimals become text, enums their values, tuples lists, errors their `to_dict`. It is what pydantic writes of
        the record, so that pydantic can read it again. It holds no secret: records have none.
        """
        return {field.name: plain(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]


def plain(value: Any) -> Any:
    """Return a field's value as JSON has it; what JSON has no word for becomes None (infinity) or text."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return value.to_dict() if hasattr(value, "to_dict") else str(value)  # str: without the class of a listed word


class Outcome(Enum):
    """What became of one attempt, and with it whether another one follows, as each member says.

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
    """Something else must happen first, as the error says (pending orders, size); not executed. Repeated after a pause
    only if it is for pending orders that `auto_cxl` has the exchange cancel."""
    FATAL = "fatal"
    """Needs a person or a change of code (key, permission, parameter); not executed, and repeating it cannot help."""


@dataclass(frozen=True, slots=True)
class ClosePosition(Record):
    """One position to close, as ``POST /api/v5/trade/close-position`` names it.

    The fields are checked when it is sent, so that one bad leg of a batch stops no other.

    Args:
        inst_id: The instrument, such as "BTC-USDT-SWAP".
        mgn_mode: "cross" or "isolated".
        pos_side: "long" or "short" in long/short mode, else None or "net".
        ccy: The margin currency, needed for a cross MARGIN position.
        auto_cxl: Whether the exchange shall cancel pending orders that are in the way.
        cl_ord_id: Your own id of the order: 1 to 32 ASCII letters and digits.
        tag: Your own tag of the order: 1 to 16 ASCII letters and digits.

    https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-close-positions
    """

    inst_id: str
    mgn_mode: Annotated[MgnMode, ListedWord()]
    pos_side: Annotated[PosSide, ListedWord()] | None = None
    ccy: str | None = None
    auto_cxl: bool = False
    cl_ord_id: str | None = None
    tag: str | None = None

    def __post_init__(self) -> None:
        """Keep the id as plain text: a member of an enum would stand in messages by its name in the program."""
        inst_id: Any = self.inst_id
        if type(inst_id) is not str and type(inst_id) is not ListedText and isinstance(inst_id, str):
            object.__setattr__(self, "inst_id", str.__str__(inst_id))

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
    """The close, as the call named it."""
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
    """What became of it."""
    token: TokenState
    """What became of its slot."""
    url: str = ""
    """Where it was sent, or was to be sent."""
    resends: int = 0
    """How many attempts of the same close were made before it, in the same call."""


@dataclass(frozen=True, slots=True)
class ClosedPosition(Record):
    """A close that the exchange *accepted*; proven only if ``flat``."""

    inst_id: str
    """The instrument as answered; "" where the answer has none, as for the next three."""
    pos_side: str
    """The side as answered."""
    cl_ord_id: str
    """Your own id of the order as answered."""
    tag: str
    """Your own tag of the order as answered."""
    attempts: tuple[Attempt, ...] = ()
    """Every attempt, in order; the last one was accepted."""
    flat: bool = False
    """Whether a reading proved that the exchange lists the position no more; only ``confirm=True`` asks."""


@dataclass(frozen=True, slots=True)
class Position(Record):
    """One open position, as ``GET /api/v5/account/positions`` lists it.

    https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-positions
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"allow_inf_nan": True}  # `pos` may be NaN

    inst_id: str
    """The instrument, such as "BTC-USDT-SWAP"."""
    inst_type: str
    """ "SWAP", "FUTURES", "OPTION" or "MARGIN"."""
    pos_id: str
    """The exchange's id of the position; it stays when the position is closed and opened again."""
    pos: Decimal
    """Contracts for SWAP, FUTURES and OPTION (the sign is the side in net mode), an amount of the base currency for
    MARGIN; NaN where the exchange's text is no number."""
    pos_side: Annotated[PosSide, ListedWord()]
    """ "net", or "long" or "short" in long/short mode."""
    pos_ccy: str
    """Of MARGIN: the currency of the position; "" otherwise."""
    mgn_mode: Annotated[MgnMode, ListedWord()]
    """ "cross" or "isolated"."""
    ccy: str
    """The margin currency."""
    avg_px: Decimal | None
    """The average open price, in the quote currency; None where the exchange leaves it empty."""
    mark_px: Decimal | None
    """The mark price, in the quote currency; None where it is empty."""
    upl: Decimal | None
    """The unrealized profit or loss, in the margin currency; None where it is empty."""
    c_time: int
    """When the position was opened, in Unix milliseconds; 0 where it is empty."""
    u_time: int
    """When it last changed, in Unix milliseconds; 0 where it is empty."""
    raw: Mapping[str, Any] = field(repr=False, compare=False)
    """The record as received, but for what is nested deeper than 32 levels."""


@dataclass(frozen=True, slots=True)
class OpenOrder(Record):
    """One order that is still pending, as ``trade/orders-pending`` or ``trade/orders-algo-pending`` lists it.

    A record that cannot be read has "" for the instrument or the ids that it does not name.
    """

    inst_id: str
    """The instrument; "" if the record names none."""
    ord_type: str
    """The exchange's ordType, such as "limit", "conditional" or "oco"."""
    side: str
    """ "buy" or "sell"."""
    pos_side: Annotated[PosSide, ListedWord()]
    """ "net", "long" or "short"."""
    sz: Decimal | None
    """The size, in contracts or the base currency; None where the exchange names no number, as for orders that close a
    whole position."""
    reduce_only: bool
    """Whether it can only reduce a position."""
    state: str
    """The exchange's word, such as "live" or "partially_filled"."""
    ord_id: str
    """The id of an ordinary order; "" for an algo order."""
    algo_id: str
    """The id of an algo order (TP/SL, trigger, trailing); "" for an ordinary one."""
    cl_ord_id: str
    """Your own id of it; "" if it has none."""
    raw: Mapping[str, Any] = field(repr=False, compare=False)
    """The record as received, but for fields above 1,000 bytes, and what is nested deeper than 32 levels."""
