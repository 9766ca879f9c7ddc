"""Orders that rest: limit orders on the book, and algo orders that wait for their trigger. None of them ever fills.

Which pending orders count as closing ones is not listed by the exchange; reduce-only ones, and in long/short mode
those that close the side, are the natural reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from okx_async.simulator.slots import Slot

__all__ = ["ALGO_TYPES", "AlgoOrder", "Orders", "PendingOrder"]

ALGO_TYPES = {"conditional", "oco", "trigger", "move_order_stop", "iceberg", "twap", "chase"}

_FIRST_ORD_ID = 590908157585625111


@dataclass(frozen=True, slots=True)
class PendingOrder:
    """One live limit order; ``closing``: it would reduce the position, so it stands in the way of a close."""

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

    @property
    def number(self) -> str:
        """Its id, whatever its kind."""
        return self.ord_id

    @property
    def closing(self) -> bool:
        """Whether it would reduce the position."""
        return _closing(self)

    def row(self) -> dict[str, str]:
        """Return the record of trade/orders-pending."""
        return {
            "instType": self.inst_type,
            "instId": self.inst_id,
            "ordId": self.ord_id,
            "clOrdId": self.cl_ord_id,
            "tag": "",
            "side": self.side,
            "posSide": self.pos_side,
            "tdMode": self.mgn_mode,
            "ordType": self.ord_type,
            "px": self.px,
            "sz": self.sz,
            "accFillSz": "0",
            "reduceOnly": "true" if self.reduce_only else "false",
            "state": "live",
            "cTime": str(self.c_time),
            "uTime": str(self.c_time),
        }


@dataclass(frozen=True, slots=True)
class AlgoOrder:
    """One algo order that waits; prices are texts, "" where its kind has none.

    ``close_fraction`` "1": it closes the whole position, whatever its size then is; ``sz`` is "" then.
    """

    user_id: str
    inst_id: str
    inst_type: str
    inst_family: str
    mgn_mode: str
    pos_side: str
    side: str
    ord_type: str
    sz: str
    close_fraction: str
    reduce_only: bool
    tp_trigger_px: str
    sl_trigger_px: str
    trigger_px: str
    callback_ratio: str
    algo_id: str
    c_time: int

    @property
    def number(self) -> str:
        """Its id, whatever its kind."""
        return self.algo_id

    @property
    def closing(self) -> bool:
        """Whether it would reduce the position."""
        return bool(self.close_fraction) or _closing(self)

    def row(self) -> dict[str, object]:
        """Return the record of trade/orders-algo-pending."""
        market = "-1"  # the order price that means a market order
        return {
            "instType": self.inst_type,
            "instId": self.inst_id,
            "algoId": self.algo_id,
            "algoClOrdId": "",
            "ordId": "",
            "ordIdList": [],
            "tag": "",
            "side": self.side,
            "posSide": self.pos_side,
            "tdMode": self.mgn_mode,
            "ordType": self.ord_type,
            "sz": self.sz,
            "closeFraction": self.close_fraction,
            "reduceOnly": "true" if self.reduce_only else "false",
            "tpTriggerPx": self.tp_trigger_px,
            "tpTriggerPxType": self.tp_trigger_px and "last",
            "tpOrdPx": self.tp_trigger_px and market,
            "slTriggerPx": self.sl_trigger_px,
            "slTriggerPxType": self.sl_trigger_px and "last",
            "slOrdPx": self.sl_trigger_px and market,
            "triggerPx": self.trigger_px,
            "triggerPxType": self.trigger_px and "last",
            "ordPx": self.trigger_px and market,
            "callbackRatio": self.callback_ratio,
            "callbackSpread": "",
            "activePx": "",
            "moveTriggerPx": "",
            "actualSz": "0",
            "actualPx": "",
            "actualSide": "",
            "triggerTime": "",
            "state": "live",
            "lever": "3",
            "last": "",
            "failCode": "",
            "cTime": str(self.c_time),
            "uTime": str(self.c_time),
        }

    def attached(self) -> dict[str, str]:
        """Return the record that a position shows of it, under closeOrderAlgo."""
        return {
            "algoId": self.algo_id,
            "slTriggerPx": self.sl_trigger_px,
            "slTriggerPxType": self.sl_trigger_px and "last",
            "tpTriggerPx": self.tp_trigger_px,
            "tpTriggerPxType": self.tp_trigger_px and "last",
            "closeFraction": self.close_fraction,
        }


class Orders:
    """Every order of the exchange that rests."""

    def __init__(self) -> None:
        self._pending: dict[str, PendingOrder] = {}
        self._algos: dict[str, AlgoOrder] = {}
        self._numbers = count(_FIRST_ORD_ID)

    def new_id(self) -> str:
        """Return the next order's id; algo orders are numbered with the rest."""
        return str(next(self._numbers))

    def add(self, order: PendingOrder) -> PendingOrder:
        """Let an order rest."""
        self._pending[order.ord_id] = order
        return order

    def add_algo(self, order: AlgoOrder) -> AlgoOrder:
        """Let an algo order wait."""
        self._algos[order.algo_id] = order
        return order

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

    def cancel(self, orders: Iterable[PendingOrder | AlgoOrder]) -> None:
        """Take orders away."""
        for order in orders:
            if isinstance(order, AlgoOrder):
                del self._algos[order.algo_id]
            else:
                del self._pending[order.ord_id]


def _closing(order: PendingOrder | AlgoOrder) -> bool:
    return order.reduce_only or (order.pos_side, order.side) in {("long", "sell"), ("short", "buy")}


def _closes(order: PendingOrder | AlgoOrder, slot: Slot) -> bool:
    where = (slot.user_id, slot.instrument.inst_id, slot.mgn_mode, slot.pos_side)
    return order.closing and (order.user_id, order.inst_id, order.mgn_mode, order.pos_side) == where
