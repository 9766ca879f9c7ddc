"""Orders on the book, and those that have ended: filled at once when they were placed, or cancelled.

An order that rests never fills; the last 10,000 that ended are remembered.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import NamedTuple

from okx_async.simulator.books.algos import AlgoOrder, closing
from okx_async.simulator.books.slots import Slot

__all__ = ["Orders", "PendingOrder"]

_FIRST_ORD_ID = 590908157585625111
_REMEMBERED = 10_000


class PendingOrder(NamedTuple):
    """One order; ``closing``: it would reduce the position, so, while live, it stands in the way of a close."""

    user_id: str
    inst_id: str
    inst_type: str
    inst_family: str
    mgn_mode: str
    pos_side: str
    side: str
    ord_type: str
    px: str
    sz: str
    reduce_only: bool
    cl_ord_id: str
    ord_id: str
    c_time: int
    tag: str = ""
    ccy: str = ""
    state: str = "live"
    acc_fill_sz: str = "0"
    avg_px: str = ""
    u_time: int = 0

    @property
    def number(self) -> str:
        """Its id, whatever its kind."""
        return self.ord_id

    @property
    def closing(self) -> bool:
        """Whether it would reduce the position."""
        return closing(self.pos_side, self.side, reduce_only=self.reduce_only)

    def row(self) -> dict[str, str]:
        """Return the record of trade/orders-pending and trade/order."""
        filled = self.acc_fill_sz != "0"
        u_time = str(self.u_time or self.c_time)
        return {
            "instType": self.inst_type,
            "instId": self.inst_id,
            "ccy": self.ccy,
            "ordId": self.ord_id,
            "clOrdId": self.cl_ord_id,
            "tag": self.tag,
            "side": self.side,
            "posSide": self.pos_side,
            "tdMode": self.mgn_mode,
            "ordType": self.ord_type,
            "px": self.px,
            "sz": self.sz,
            "accFillSz": self.acc_fill_sz,
            "avgPx": self.avg_px,
            "fillPx": self.avg_px,
            "fillSz": self.acc_fill_sz,
            "fillTime": u_time if filled else "",
            "lever": "3",
            "fee": "0",
            "feeCcy": "",
            "pnl": "0",
            "category": "normal",
            "reduceOnly": "true" if self.reduce_only else "false",
            "state": self.state,
            "cTime": str(self.c_time),
            "uTime": u_time,
        }


class Orders:
    """Every order of the exchange."""

    def __init__(self) -> None:
        self._pending: dict[str, PendingOrder] = {}
        self._ended: dict[str, PendingOrder] = {}
        self._algos: dict[str, AlgoOrder] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._numbers = count(_FIRST_ORD_ID)

    def new_id(self) -> str:
        """Return the next order's id; algo orders are numbered with the rest."""
        return str(next(self._numbers))

    def add(self, order: PendingOrder) -> PendingOrder:
        """Take an order: a live one rests, another is remembered."""
        if order.cl_ord_id:
            self._names[order.user_id, order.cl_ord_id] = order.ord_id
        if order.state == "live":
            self._pending[order.ord_id] = order
        else:
            self._end(order)
        return order

    def add_algo(self, order: AlgoOrder) -> AlgoOrder:
        """Let an algo order wait."""
        self._algos[order.algo_id] = order
        return order

    def find(self, user_id: str, ord_id: str = "", cl_ord_id: str = "") -> PendingOrder | None:
        """Return the user's order of that id, or the latest of that name."""
        ord_id = ord_id or self._names.get((user_id, cl_ord_id), "")
        order = self._pending.get(ord_id) or self._ended.get(ord_id)
        return order if order and order.user_id == user_id else None

    def pending(self, user_id: str | None = None) -> list[PendingOrder]:
        """Return the live orders, newest first; of one user, or of all."""
        return [order for order in reversed(self._pending.values()) if user_id in {None, order.user_id}]

    def algos(self, user_id: str | None = None) -> list[AlgoOrder]:
        """Return the waiting algo orders, newest first; of one user, or of all."""
        return [order for order in reversed(self._algos.values()) if user_id in {None, order.user_id}]

    def in_the_way(self, slot: Slot) -> list[PendingOrder]:
        """Return the pending orders that would close this slot."""
        return [order for order in self._pending.values() if _closes(order, slot)] if self._pending else []

    def attached(self, slot: Slot) -> list[AlgoOrder]:
        """Return the algo orders that would close this slot."""
        return [order for order in self._algos.values() if _closes(order, slot)] if self._algos else []

    def cancel(self, orders: Iterable[PendingOrder | AlgoOrder], ms: int) -> None:
        """Take live orders away."""
        for order in orders:
            if isinstance(order, AlgoOrder):
                del self._algos[order.algo_id]
            else:
                del self._pending[order.ord_id]
                self._end(order._replace(state="canceled", u_time=ms))

    def _end(self, order: PendingOrder) -> None:
        self._ended[order.ord_id] = order
        if len(self._ended) > _REMEMBERED:
            oldest = self._ended.pop(next(iter(self._ended)))
            name = (oldest.user_id, oldest.cl_ord_id)
            if self._names.get(name) == oldest.ord_id:
                del self._names[name]


def _closes(order: PendingOrder | AlgoOrder, slot: Slot) -> bool:
    where = (slot.user_id, slot.instrument.inst_id, slot.mgn_mode, slot.pos_side)
    return order.closing and (order.user_id, order.inst_id, order.mgn_mode, order.pos_side) == where
