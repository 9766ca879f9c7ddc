"""The books: position slots, pending orders and closes on their way. Times are arguments, nothing runs by itself.

An accepted close is a market order that fills at a time known in advance. So there are no timers: whoever looks
at the books states the time, and what was due by then has happened. Like a reduce-only order, it never opens or
turns a position. A slot is kept until 30 days after its last full close; the next opening gets a new ``posId``.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING

from okx_async.simulator.slots import Slot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from okx_async.simulator.instruments import Instrument
    from okx_async.simulator.slots import Holding

__all__ = ["Books", "PendingOrder"]

_FORGET_MS = 30 * 24 * 3600 * 1000  # a posId outlives the last full close by 30 days
_FIRST_POS_ID = 1725119205811617792
_FIRST_ORD_ID = 590908157585625111
_ZERO = Decimal(0)


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
    def closing(self) -> bool:
        """Which orders count is not listed: reduce-only ones, and those that close a side, are the natural reading."""
        return self.reduce_only or (self.pos_side, self.side) in {("long", "sell"), ("short", "buy")}

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


@dataclass(order=True, slots=True)
class _Fill:
    due: float
    number: int
    due_ms: int = field(compare=False)
    size: Decimal = field(compare=False)
    slot: Slot = field(compare=False)


class Books:
    """Every slot, pending order and running close of the exchange."""

    def __init__(self) -> None:
        self._slots: dict[tuple[str, str], list[Slot]] = {}  # by (user, instrument): four at most, or one a currency
        self._by_user: dict[str, list[Slot]] = {}
        self._orders: dict[str, PendingOrder] = {}
        self._fills: list[_Fill] = []
        self._numbers = count()

    def settle(self, now: float) -> None:
        """Let the fills that are due by `now` (exchange clock, s) have happened."""
        while self._fills and self._fills[0].due <= now:
            fill = heapq.heappop(self._fills)
            slot = fill.slot
            slot.running -= 1
            if fill.size and slot.pos * fill.size > 0:  # only ever towards zero
                left = slot.pos - fill.size
                slot.trade(left if left * slot.pos > 0 else _ZERO, fill.due_ms)

    def find(self, user_id: str, inst_id: str, mgn_mode: str, pos_side: str, ccy: str = "") -> Slot | None:
        """Return the slot; for a pair, the first open one where `ccy` is ""."""
        found = [
            slot
            for slot in self._slots.get((user_id, inst_id), ())
            if (slot.mgn_mode, slot.pos_side) == (mgn_mode, pos_side)
            and (not ccy or slot.instrument.contract or slot.ccy == ccy)
        ]
        return max(found, key=lambda slot: slot.pos != 0, default=None)

    def open(
        self,
        user_id: str,
        instrument: Instrument,
        pos: Decimal,
        *,
        mgn_mode: str,
        pos_side: str,
        ccy: str,
        now: float,
        ms: int,
    ) -> Holding:
        """Set the slot to the signed `pos`, as if traded at this moment; 0 makes it flat."""
        self.settle(now)
        self._forget(user_id, ms)
        slot = self.find(user_id, instrument.inst_id, mgn_mode, pos_side, ccy)
        if slot is None:
            pos_id = str(_FIRST_POS_ID + 4096 * next(self._numbers))
            slot = Slot(user_id, instrument, mgn_mode, pos_side, ccy, pos_id)
            self._slots.setdefault((user_id, instrument.inst_id), []).append(slot)
            self._by_user.setdefault(user_id, []).append(slot)
        slot.trade(pos, ms)
        return slot.holding()

    def close(self, slot: Slot, now: float, ms: int, delay: float, part: Decimal = Decimal(1)) -> None:
        """Take a market close of the slot, that fills `part` of it after `delay` seconds."""
        slot.running += 1
        fill = _Fill(now + delay, next(self._numbers), ms + round(delay * 1000), slot.pos * part, slot)
        heapq.heappush(self._fills, fill)
        self.settle(now)

    def slots(self, user_id: str, now: float, ms: int) -> list[Slot]:
        """Return the user's slots, newest holding period first, flat ones included."""
        self.settle(now)
        self._forget(user_id, ms)
        return sorted(self._by_user.get(user_id, ()), key=lambda slot: slot.c_time, reverse=True)

    def holdings(self, now: float) -> tuple[Holding, ...]:
        """Return what is open at `now`, of all users."""
        self.settle(now)
        return tuple(slot.holding() for slots in self._by_user.values() for slot in slots if slot.pos)

    def add_order(
        self,
        user_id: str,
        instrument: Instrument,
        *,
        mgn_mode: str,
        pos_side: str,
        side: str,
        ord_type: str,
        px: str,
        sz: str,
        reduce_only: bool,
        cl_ord_id: str,
        ms: int,
    ) -> PendingOrder:
        """Put a limit order on the book; it never fills."""
        order = PendingOrder(
            user_id,
            instrument.inst_id,
            instrument.inst_type,
            instrument.inst_family,
            mgn_mode,
            pos_side,
            side,
            ord_type,
            px,
            sz,
            reduce_only,
            cl_ord_id,
            ord_id=str(_FIRST_ORD_ID + next(self._numbers)),
            c_time=ms,
        )
        self._orders[order.ord_id] = order
        return order

    def orders(self, user_id: str | None = None) -> list[PendingOrder]:
        """Return the live orders, newest first; of one user, or of all."""
        return [order for order in reversed(self._orders.values()) if user_id in {None, order.user_id}]

    def in_the_way(self, slot: Slot) -> list[PendingOrder]:
        """Return the pending orders that would close this slot."""
        if not self._orders:
            return []
        where = (slot.user_id, slot.instrument.inst_id, slot.mgn_mode, slot.pos_side)
        return [
            order
            for order in self._orders.values()
            if order.closing and (order.user_id, order.inst_id, order.mgn_mode, order.pos_side) == where
        ]

    def cancel(self, orders: Iterable[PendingOrder]) -> None:
        """Take orders off the book."""
        for order in orders:
            del self._orders[order.ord_id]

    def _forget(self, user_id: str, ms: int) -> None:
        """Drop the user's slots that were closed in full more than 30 days ago."""
        slots = self._by_user.get(user_id, [])
        for slot in [slot for slot in slots if not slot.pos and ms - slot.u_time > _FORGET_MS]:
            slots.remove(slot)
            self._slots[user_id, slot.instrument.inst_id].remove(slot)
