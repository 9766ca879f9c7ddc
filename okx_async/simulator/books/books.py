"""The books: position slots, and what is about to happen to them. Times are arguments, nothing runs by itself.

An accepted close is a market order that fills at a time known in advance. So there are no timers: whoever looks
at the books states the time, and what was due by then has happened. Like a reduce-only order, it never opens or
turns a position. A slot is kept until 30 days after its last full close; the next opening gets a new ``posId``.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from math import isfinite
from typing import NamedTuple

from okx_async.simulator.books.instruments import Instrument
from okx_async.simulator.books.slots import Holding, Slot, State

__all__ = ["Books", "Trade"]

_FORGET_MS = 30 * 24 * 3600 * 1000  # a posId outlives the last full close by 30 days
_FIRST_POS_ID = 1725119205811617792
_ZERO = Decimal(0)


class Trade(NamedTuple):
    """One change of a position, the truth that a judge compares with: ``at`` is on the exchange's clock.

    ``cause``: "close" (by close-position), "order", "hand", "actor", "liquidation" or "adl"; ``asked``: of a close
    or an order, when its request was counted (`JournalRow.at`); ``px``: None where the change was no trade at a price.
    """

    at: float
    before: Holding
    after: Holding
    cause: str
    asked: float | None = None
    px: Decimal | None = None


@dataclass(slots=True)
class _Watch:
    user_id: str
    inst_id: str
    closes: int
    delay: float
    act: Callable[[float, int], None]


@dataclass(order=True, slots=True)
class _Due:
    at: float
    number: int
    ms: int = field(compare=False)
    act: Callable[[float, int], None] = field(compare=False)


class Books:
    """Every slot of the exchange. ``lag`` gives the seconds until a change is shown."""

    def __init__(
        self,
        lag: Callable[[], float] = lambda: 0.0,
        *,
        flip_is_new: bool = True,
        trades_cap: int | None = None,
    ) -> None:
        self._lag = lag
        self._flip_is_new = flip_is_new
        self._slots: dict[tuple[str, str], list[Slot]] = {}  # by (user, instrument): four at most, or one a currency
        self._by_user: dict[str, list[Slot]] = {}
        self._due: list[_Due] = []
        self._watches: list[_Watch] = []
        self._numbers = count()
        self.trades: deque[Trade] = deque(maxlen=trades_cap)

    def settle(self, now: float) -> None:
        """Let what is due by `now` (exchange clock, s) have happened."""
        while self._due and self._due[0].at <= now:
            due = heapq.heappop(self._due)
            due.act(due.at, due.ms)

    def plan(self, now: float, ms: int, delay: float, act: Callable[[float, int], None]) -> None:
        """Let `act` happen `delay` seconds from `now`; it is given that time, and the server's in ms."""
        self.settle(now)
        if not delay:
            act(now, ms)
        elif isfinite(delay):
            heapq.heappush(self._due, _Due(now + delay, next(self._numbers), ms + round(delay * 1000), act))

    @property
    def watching(self) -> bool:
        """Whether anything waits for a close."""
        return bool(self._watches)

    def watch(self, user_id: str, inst_id: str, closes: int, delay: float, act: Callable[[float, int], None]) -> None:
        """Let `act` happen `delay` seconds after the user's n-th close of an instrument, counted from now."""
        self._watches.append(_Watch(user_id, inst_id, closes, delay, act))

    def asked(self, user_id: str, inst_id: str, now: float, ms: int) -> None:
        """Take note of a request to close, whatever it was answered."""
        for watch in [watch for watch in self._watches if (watch.user_id, watch.inst_id) == (user_id, inst_id)]:
            watch.closes -= 1
            if not watch.closes:
                self._watches.remove(watch)
                self.plan(now, ms, watch.delay, watch.act)

    def find(self, user_id: str, inst_id: str, mgn_mode: str, pos_side: str, ccy: str = "") -> Slot | None:
        """Return the slot; for a pair, the first open one where `ccy` is ""."""
        first = None
        for slot in self._slots.get((user_id, inst_id), ()):
            if (
                slot.pos_side == pos_side
                and slot.mgn_mode == mgn_mode
                and (not ccy or slot.instrument.contract or slot.ccy == ccy)
            ):
                if slot.state.pos:
                    return slot
                first = first or slot
        return first

    def slot(
        self, user_id: str, instrument: Instrument, *, mgn_mode: str, pos_side: str, ccy: str, now: float, ms: int
    ) -> Slot:
        """Return the slot, a new one where there is none."""
        self.settle(now)
        slot = self.find(user_id, instrument.inst_id, mgn_mode, pos_side, ccy)
        if slot is not None and _forgotten(slot, ms):
            self._drop(slot)
            slot = None
        if slot is None:
            pos_id = str(_FIRST_POS_ID + 4096 * next(self._numbers))
            slot = Slot(user_id, instrument, mgn_mode, pos_side, ccy, pos_id)
            self._slots.setdefault((user_id, instrument.inst_id), []).append(slot)
            self._by_user.setdefault(user_id, []).append(slot)
        return slot

    def move(
        self,
        slot: Slot,
        pos: Decimal,
        at: float,
        ms: int,
        cause: str,
        *,
        px: Decimal | None = None,
        asked: float | None = None,
    ) -> Holding:
        """Set the slot to the signed `pos`: the one way in which positions change."""
        before = slot.holding()
        slot.trade(pos, ms, px, flip_is_new=self._flip_is_new, forced=cause in {"liquidation", "adl"})
        after = slot.holding()
        slot.show(at + (self._lag() if before.c_time else 0.0), at)  # what has no past is shown at once
        self.trades.append(Trade(at, before, after, cause, asked, px))
        return after

    def close(
        self,
        slot: Slot,
        now: float,
        ms: int,
        delay: float,
        *,
        part: Decimal = Decimal(1),
        done: Callable[[Decimal, int], None] = lambda _filled, _ms: None,
    ) -> None:
        """Take a market close of the slot, that fills `part` of it, in whole lots, after `delay` seconds.

        `done` is told how much was filled, and when (server's time, ms).
        """
        size = slot.lots(part)
        slot.running += 1

        def fill(at: float, ms: int) -> None:
            slot.running -= 1
            before = slot.pos
            if size and before * size > 0:  # only ever towards zero
                left = before - size
                left = left if left * before > 0 else _ZERO
                self.move(slot, left, at, ms, "close", px=slot.instrument.price, asked=now)
            done(abs(before - slot.pos), ms)

        self.plan(now, ms, delay, fill)

    def shown(self, user_id: str, now: float, ms: int) -> list[tuple[Slot, State]]:
        """Return the user's slots as they are shown, newest holding period first, flat ones included."""
        self.settle(now)
        slots = self._by_user.get(user_id, [])
        for slot in [slot for slot in slots if _forgotten(slot, ms)]:
            self._drop(slot)
        seen = [(slot, slot.seen(now)) for slot in slots]
        return sorted(seen, key=lambda pair: pair[1].c_time, reverse=True)

    def holdings(self, now: float) -> tuple[Holding, ...]:
        """Return what is open at `now`, of all users."""
        self.settle(now)
        return tuple(slot.holding() for slots in self._by_user.values() for slot in slots if slot.pos)

    def relist(self, instrument: Instrument) -> None:
        """Let every slot of an instrument have its new price and state."""
        for slots in self._by_user.values():
            for slot in slots:
                if slot.instrument.inst_id == instrument.inst_id:
                    slot.instrument = instrument

    def forget(self, user_id: str) -> None:
        """Drop all slots of a user, as a switch of modes does."""
        for slot in self._by_user.pop(user_id, ()):
            self._slots.pop((user_id, slot.instrument.inst_id), None)

    def _drop(self, slot: Slot) -> None:
        self._by_user[slot.user_id].remove(slot)
        self._slots[slot.user_id, slot.instrument.inst_id].remove(slot)


def _forgotten(slot: Slot, ms: int) -> bool:
    """Whether it was closed in full more than 30 days ago."""
    return not slot.state.pos and ms - slot.state.u_time > _FORGET_MS
