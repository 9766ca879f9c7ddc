"""Whose a position is, and whether what an order has opened is gone, by what the exchange tells of both (pure).

No field of a position names the order that made it. What speaks for an order: the time at which the position was
opened (``cTime``), that of its last change (``uTime``), its side and its size. That ``cTime`` is new with each opening
is an assumption that a rehearsal tries, so that an old one alone makes no position another program's.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Final

from okx_async._models import Position
from okx_async.rehearsal.ledger import Opening

_NEAR_MS: Final = 2_000
"""By which the time of a position may differ from that of its order."""
_ENDED: Final = frozenset({"filled", "canceled", "mmp_canceled"})
_CLOSED: Final = frozenset({"2", "3", "6"})
"""Types of periods in the history that ended with nothing: closed, liquidated, by auto-deleveraging."""


class Whose(Enum):
    """Whose a position is."""

    OURS = "ours"
    """The noted orders have made all of it."""
    DOUBTFUL = "doubtful"
    """They may have made it, or a part of it."""
    FOREIGN = "foreign"
    """It was opened after all of them had ended, or they opened nothing there."""


@dataclass(frozen=True, slots=True)
class Noted:
    """One noted order, and what the exchange tells of it."""

    opening: Opening
    order: Mapping[str, Any]
    """The record of trade/order; empty: the exchange does not know it."""

    @property
    def ended(self) -> bool:
        """Whether nothing more of it can be filled."""
        return self.order.get("state") in _ENDED

    @property
    def filled(self) -> Decimal:
        """The size that was filled."""
        return _number(self.order.get("accFillSz"))

    @property
    def from_ms(self) -> int:
        """When the exchange took it, in Unix milliseconds."""
        return _ms(self.order.get("cTime"))

    @property
    def to_ms(self) -> int:
        """When it last changed, in Unix milliseconds."""
        return _ms(self.order.get("uTime"))

    def is_at(self, position: Position) -> bool:
        """Whether it trades at the address of a position."""
        opening = self.opening
        return (opening.inst_id, opening.mgn_mode, opening.pos_side) == address_of(position)

    def spans(self, ms: int) -> bool:
        """Whether a time is that of its fill, or close to it."""
        return bool(self.order) and self.from_ms - _NEAR_MS <= ms <= self.to_ms + _NEAR_MS


def address_of(position: Position) -> tuple[str, str, str]:
    """Return instrument, margin mode and side of a position."""
    return position.inst_id, position.mgn_mode, position.pos_side


def whose(position: Position, orders: Collection[Noted]) -> Whose:
    """Return whose an open position is.

    Args:
        position: As the exchange lists it.
        orders: All noted orders.
    """
    there = [one for one in orders if one.is_at(position)]
    fills = [one for one in there if one.filled]
    no_larger = abs(position.pos) <= sum((one.filled for one in fills), Decimal(0))
    if no_larger and any(one.spans(position.c_time) for one in fills):
        return Whose.OURS
    if no_larger and _is_as_filled(position, fills):
        return Whose.OURS
    if any(not one.ended for one in there):
        return Whose.DOUBTFUL
    if fills and position.c_time <= max(one.to_ms for one in fills) + _NEAR_MS:
        return Whose.DOUBTFUL
    return Whose.FOREIGN


def is_listed(one: Noted, position: Position) -> bool:
    """Whether a position shows the effect of an order: it is there, and has not changed last before that."""
    return one.is_at(position) and position.pos != 0 and (not position.u_time or position.u_time >= one.from_ms)


def is_gone_by(one: Noted, position: Position) -> bool:
    """Whether a listed record says that what an order has opened is gone: flat, or of a later opening."""
    if not one.is_at(position):
        return False
    return position.u_time > one.to_ms if position.pos == 0 else position.c_time > one.to_ms + _NEAR_MS


def is_ended_by(one: Noted, period: Mapping[str, Any]) -> bool:
    """Whether a record of account/positions-history says that what an order has opened was closed."""
    opening = one.opening
    sides = {str(period.get(name)) for name in ("posSide", "direction")}
    return (
        (period.get("instId"), period.get("mgnMode")) == (opening.inst_id, opening.mgn_mode)
        and (opening.pos_side == "net" or opening.pos_side in sides)
        and period.get("type") in _CLOSED
        and _ms(period.get("uTime")) > one.to_ms
    )


def _is_as_filled(position: Position, fills: Sequence[Noted]) -> bool:
    """Whether a position is, since one of the orders was filled, as the orders would have left it."""
    left = sum((-one.filled if one.opening.side == "sell" else one.filled for one in fills), Decimal(0))
    for one in fills:
        right_side = position.pos_side != "net" or (position.pos > 0) == (one.opening.side == "buy")
        right_size = abs(position.pos) in {one.filled, abs(left)}
        if right_side and right_size and position.c_time < one.from_ms and one.spans(position.u_time):
            return True
    return False


def _number(text: object) -> Decimal:
    """Return a size, 0 for what is none."""
    try:
        number = Decimal(str(text or 0))
    except InvalidOperation:
        return Decimal(0)
    return number if number.is_finite() else Decimal(0)


def _ms(text: object) -> int:
    return int(str(text)) if str(text).isdecimal() else 0
