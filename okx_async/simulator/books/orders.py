"""Orders: the live ones on the book, and the last 10,000 that were filled or cancelled.

An order fills at once when it is placed, or never.
"""

from collections.abc import Iterable
from itertools import count
from typing import NamedTuple

from okx_async.simulator.books.algos import AlgoOrder, closing
from okx_async.simulator.books.positions import Position

_FIRST_ORD_ID = 590908157585625111
_REMEMBERED = 10_000


class PendingOrder(NamedTuple):
    """One order."""

    user_id: str
    """The UID of its account."""
    inst_id: str
    """Its instrument."""
    inst_type: str
    """ "SWAP", "FUTURES", "OPTION" or "MARGIN"."""
    inst_family: str
    """The instrument's family; "" for MARGIN."""
    mgn_mode: str
    """ "cross" or "isolated"."""
    pos_side: str
    """ "net", "long" or "short"."""
    side: str
    """ "buy" or "sell"."""
    ord_type: str
    """Its ordType, such as "limit" or "market"."""
    px: str
    """Its price, as text; "" for a market order."""
    sz: str
    """Its size, as text: contracts, or an amount of the base currency for MARGIN."""
    reduce_only: bool
    """Whether it can only reduce a position."""
    cl_ord_id: str
    """The client's own id of it; "" if it has none."""
    ord_id: str
    """The exchange's id of it."""
    c_time: int
    """When it was placed, in Unix milliseconds."""
    tag: str = ""
    """The client's own tag of it; "" if it has none."""
    ccy: str = ""
    """The margin currency; "" if the order names none."""
    state: str = "live"
    """ "live", "filled" or "canceled"."""
    acc_fill_sz: str = "0"
    """The part of `sz` that is filled, as text."""
    avg_px: str = ""
    """The price at which it was filled, as text; "" if it was not."""
    u_time: int = 0
    """When it last changed, in Unix milliseconds; 0: not since it was placed."""

    @property
    def number(self) -> str:
        """The order's id, under the same name for orders of each kind."""
        return self.ord_id

    @property
    def closing(self) -> bool:
        """Whether the order would reduce the position; such an order, while live, blocks a close of it."""
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
    """All orders of the exchange."""

    def __init__(self) -> None:
        self._pending: dict[str, PendingOrder] = {}
        self._ended: dict[str, PendingOrder] = {}
        self._algos: dict[str, AlgoOrder] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._numbers = count(_FIRST_ORD_ID)

    def new_id(self) -> str:
        """Return a new order id; algo orders are numbered in the same sequence."""
        return str(next(self._numbers))

    def add(self, order: PendingOrder) -> PendingOrder:
        """Put a live order on the book, or remember one that has ended."""
        if order.cl_ord_id:
            self._names[order.user_id, order.cl_ord_id] = order.ord_id
        if order.state == "live":
            self._pending[order.ord_id] = order
        else:
            self._end(order)
        return order

    def add_algo(self, order: AlgoOrder) -> AlgoOrder:
        """Put an algo order with those that wait."""
        self._algos[order.algo_id] = order
        return order

    def find(self, user_id: str, ord_id: str = "", cl_ord_id: str = "") -> PendingOrder | None:
        """Return the user's order with that id, or the latest with that ``clOrdId``; None: there is none."""
        ord_id = ord_id or self._names.get((user_id, cl_ord_id), "")
        order = self._pending.get(ord_id) or self._ended.get(ord_id)
        return order if order and order.user_id == user_id else None

    def pending(self, user_id: str | None = None) -> list[PendingOrder]:
        """Return the live orders, newest first; of one user, or of all."""
        return [order for order in reversed(self._pending.values()) if user_id in {None, order.user_id}]

    def algos(self, user_id: str | None = None) -> list[AlgoOrder]:
        """Return the waiting algo orders, newest first; of one user, or of all."""
        return [order for order in reversed(self._algos.values()) if user_id in {None, order.user_id}]

    def blocking(self, position: Position) -> list[PendingOrder]:
        """Return the live orders that would reduce this position, and so block a close of it."""
        return [order for order in self._pending.values() if _closes(order, position)] if self._pending else []

    def closing_at(self, user_id: str, inst_id: str, pos_side: str) -> list[PendingOrder]:
        """Return the live orders that would reduce a position of this side, in whichever margin mode."""
        address = (user_id, inst_id, pos_side)
        return [
            order
            for order in self._pending.values()
            if order.closing and (order.user_id, order.inst_id, order.pos_side) == address
        ]

    def attached(self, position: Position) -> list[AlgoOrder]:
        """Return the algo orders that would reduce this position."""
        return [order for order in self._algos.values() if _closes(order, position)] if self._algos else []

    def cancel(self, orders: Iterable[PendingOrder | AlgoOrder], ms: int) -> None:
        """Cancel live orders."""
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


def _closes(order: PendingOrder | AlgoOrder, position: Position) -> bool:
    address = (position.user_id, position.instrument.inst_id, position.mgn_mode, position.pos_side)
    return order.closing and (order.user_id, order.inst_id, order.mgn_mode, order.pos_side) == address
