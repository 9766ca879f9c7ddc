"""What a flatten comes to: a report with a row for each position, and the orders that are still pending."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any

from okx_async._errors import OkxError
from okx_async._models import Attempt, Position, PosSide


class FlattenState(Enum):
    """What became of one position, by the last reading that counts."""

    CLOSED = "closed"
    """Gone: the exchange lists it no more, after a close that it took or may have taken."""
    ALREADY_FLAT = "already_flat"
    """Gone, and not by a close of this call: somebody else, a liquidation or auto-deleveraging was first."""
    SUPERSEDED = "superseded"
    """A position stands there that this call was not about, opened meanwhile; it is left alone."""
    PARTIAL = "partial"
    """Still there but smaller: a close was filled in part, and the rest could not be closed in time."""
    DUST = "dust"
    """Still there, and too small for the exchange to close."""
    REFUSED = "refused"
    """Still there: the exchange refuses to close it, and repeating that cannot help; `error` says why."""
    IN_PROGRESS = "in_progress"
    """Still there, with a close on its way: taken, or running already (51032)."""
    UNKNOWN = "unknown"
    """Nobody can tell: something may have been executed, and no reading has shown what came of it."""
    DEADLINE = "deadline"
    """Still there, or not seen since: there was no time left to send a close, or to send it again."""


@dataclass(frozen=True, slots=True)
class FlattenRow:
    """One position: as it was first read (``before``), every close that was tried, and as it was read last.

    ``before`` is None for a position that appeared meanwhile, ``after`` where the exchange lists nothing any more, or
    where nothing could be read since the last close. ``error``: what the last close met, or what stopped it.
    ``seconds``: from the call until its end was known.
    """

    before: Position | None
    attempts: tuple[Attempt, ...]
    after: Position | None
    state: FlattenState
    error: OkxError | None
    seconds: float

    @property
    def position(self) -> Position:
        """The position that the row is about."""
        found = self.before or self.after
        if found is None:
            raise AssertionError("a row without a position")
        return found


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """One order that is still pending, as `trade/orders-pending` or `trade/orders-algo-pending` lists it.

    ``algo_id`` is "" for an ordinary order, ``ord_id`` for an algo order (TP/SL, trigger, trailing). ``sz``: None where
    the exchange names no number, as for orders that close a whole position. ``raw``: the record as received.
    """

    inst_id: str
    ord_type: str
    side: str
    pos_side: PosSide
    sz: Decimal | None
    reduce_only: bool
    state: str
    ord_id: str
    algo_id: str
    cl_ord_id: str
    raw: Mapping[str, Any] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class FlattenReport:
    """What a flatten came to; true only if ``flat``.

    ``flat``: the last reading was complete, was begun after every close was answered, and lists no position in the
    filter; positions that appeared meanwhile count. ``open_orders``: still pending on these instruments, None if that
    could not be read. ``seconds``: from the call to the report.
    """

    flat: bool
    rows: tuple[FlattenRow, ...]
    open_orders: tuple[OpenOrder, ...] | None
    seconds: float

    def __bool__(self) -> bool:
        return self.flat
