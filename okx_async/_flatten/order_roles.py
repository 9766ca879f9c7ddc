"""Which pending orders a flatten cancels, and when (pure).

An entry could open a position or add to one: it is cancelled at once. What protects a position stays until everything
is proven flat, and for as long as any position is listed where it stands. One that was placed after the flatten began
may protect what was opened meanwhile, so it stays too. What counts as protective:

* an order that closes a whole position (``closeFraction``), or that a position lists as its own stop or take-profit;
* in long/short mode, an order against its side;
* on net positions, a reduce-only order, and one against the position that is not larger than it. A larger one would
  turn the position, so it is an entry.

An order that trades without margin (``tdMode`` cash) opens no position, and a record that does not name its instrument
and its id cannot be cancelled: both are left alone, and the report tells of the second.
https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-place-order
"""

from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import Any, Final

from okx_async._flatten.guard import is_flat, side_of
from okx_async._models import OpenOrder, Position

_WITHOUT_MARGIN: Final = frozenset({"cash", "spot_isolated"})
_CLOSING: Final = frozenset({("long", "sell"), ("short", "buy")})


class Role(Enum):
    """What a pending order may do to positions."""

    ENTRY = auto()
    """It could open a position, or add to one."""
    PROTECTIVE = auto()
    """It only closes."""
    UNNAMED = auto()
    """It may open a position, and cannot be cancelled: its record does not say which order it is."""
    OTHER = auto()
    """It opens no position."""


MAY_OPEN: Final = frozenset({Role.ENTRY, Role.UNNAMED})
"""The roles of orders that may open a position while they are pending."""


def role_of(order: OpenOrder, positions: Iterable[Position]) -> Role:
    """Return the role of an order beside these positions."""
    if _word(order, "tdMode") in _WITHOUT_MARGIN:
        return Role.OTHER
    if not order.inst_id or not (order.ord_id or order.algo_id):
        return Role.UNNAMED
    beside = [position for position in positions if not is_flat(position) and stands_at(order, position)]
    if _word(order, "closeFraction") or any(_is_stop_of(position, order) for position in beside):
        return Role.PROTECTIVE
    if order.pos_side in {"long", "short"}:  # such an order is never reduce-only, whatever its record says
        return Role.PROTECTIVE if (order.pos_side, order.side) in _CLOSING else Role.ENTRY
    protects = order.reduce_only or any(_only_closes(order, position) for position in beside)
    return Role.PROTECTIVE if protects else Role.ENTRY


def stands_at(order: OpenOrder, position: Position) -> bool:
    """Return whether an order may change this position: instrument, margin mode and side are not different ones."""
    mgn_mode = _word(order, "tdMode")
    return (
        order.inst_id == position.inst_id
        and mgn_mode in {"", position.mgn_mode}
        and (order.pos_side == position.pos_side or "net" in {order.pos_side, position.pos_side})
    )


def orders_to_cancel(
    orders: Iterable[OpenOrder],
    positions: Iterable[Position],
    wanted: Callable[[OpenOrder], bool],
    *,
    flat: bool,
    begun: float,
) -> list[OpenOrder]:
    """Return the orders that are to be cancelled now.

    Args:
        orders: The pending orders.
        positions: What is open on all instruments of these orders, in the flatten's filter or not.
        wanted: Tells whether an order is in the flatten's filter.
        flat: Whether everything in the filter is proven flat.
        begun: When the flatten began, by the exchange's clock, in Unix seconds.
    """
    held = [position for position in positions if not is_flat(position)]
    found = []
    for order in orders:
        role = role_of(order, held)
        if role is Role.PROTECTIVE:
            due = flat and not (_is_newer(order, begun) or any(stands_at(order, position) for position in held))
        else:
            due = role is Role.ENTRY
        if due and wanted(order):
            found.append(order)
    return found


def _only_closes(order: OpenOrder, position: Position) -> bool:
    """Return whether an order on a net position is against it, and not larger."""
    if position.pos.is_nan():
        return True  # it cannot be told: the order stays until nothing is listed
    if position.inst_type == "MARGIN":  # sizes of a pair are in one currency or the other, so they are not compared
        long = order.inst_id.partition("-")[0] == side_of(position)
        return order.side == ("sell" if long else "buy")
    against = order.side == ("sell" if side_of(position) == "long" else "buy")
    return against and (order.sz is None or order.sz <= abs(position.pos))


def _is_stop_of(position: Position, order: OpenOrder) -> bool:
    stops: Any = position.raw.get("closeOrderAlgo")
    listed = stops if isinstance(stops, list) else ()
    return bool(order.algo_id) and any(
        isinstance(one, dict) and str(one.get("algoId")) == order.algo_id for one in listed
    )


def _is_newer(order: OpenOrder, begun: float) -> bool:
    """Return whether an order was placed later than that; one that does not say when was not."""
    c_time = _word(order, "cTime")
    return c_time.isascii() and c_time.isdecimal() and float(c_time) >= begun * 1000 + 1  # whole ms, rounded either way


def _word(order: OpenOrder, name: str) -> str:
    value = order.raw.get(name)
    return value if isinstance(value, str) else ""
