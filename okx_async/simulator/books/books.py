"""The books: all positions, and the events that will change them. Times are arguments, nothing runs by itself.

An accepted close is a market order that fills at a time known in advance. So there are no timers: every reader of the
books states the time, and events due by then are carried out first. Like a reduce-only order, a close never opens or
turns a position. A position keeps its ``posId`` until 30 days after its last full close.
"""

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import NamedTuple

from okx_async.simulator.books.instruments import Instrument
from okx_async.simulator.books.positions import Holding, Position, State

_FORGET_MS = 30 * 24 * 3600 * 1000  # a posId outlives the last full close by 30 days
_FIRST_POS_ID = 1725119205811617792
_ZERO = Decimal(0)
_NEVER = 1e12  # seconds


class Trade(NamedTuple):
    """One change of a position: the truth that a client's results are compared with."""

    at: float
    """Time on the exchange's clock, in seconds."""
    before: Holding
    """The position before the change."""
    after: Holding
    """The position after the change."""
    cause: str
    """ "close" (by close-position), "order", "hand", "actor", "liquidation" or "adl"."""
    asked: float | None = None
    """Of a close or an order: when its request was counted (`JournalRow.at`), in seconds."""
    px: Decimal | None = None
    """None where the change was no trade at a price."""


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
    """All positions of the exchange.

    Args:
        lag: Returns the seconds until a change is shown; by default 0.
        opening_lag: The same for a position at an address that never had one.
        flip_is_new: Whether a net position that changes sign in one trade begins a new holding period.
        reopening_is_new: Whether a position that is opened anew gets a new ``cTime``.
        keeps_pos_id: Whether a position that is opened anew keeps its ``posId``.
        trades_cap: Trades that are kept; by default all.
    """

    def __init__(
        self,
        lag: Callable[[], float] = lambda: 0.0,
        opening_lag: Callable[[], float] = lambda: 0.0,
        *,
        flip_is_new: bool = True,
        reopening_is_new: bool = True,
        keeps_pos_id: bool = True,
        trades_cap: int | None = None,
    ) -> None:
        self._lag, self._opening_lag = lag, opening_lag
        self._flip_is_new = flip_is_new
        self._reopening_is_new = reopening_is_new
        self._keeps_pos_id = keeps_pos_id
        self._by_instrument: dict[
            tuple[str, str], list[Position]
        ] = {}  # (user, instrument): up to four, or one a currency
        self._by_user: dict[str, list[Position]] = {}
        self._due: list[_Due] = []
        self._watches: list[_Watch] = []
        self._numbers = count()
        self.trades: deque[Trade] = deque(maxlen=trades_cap)

    def settle(self, now: float) -> None:
        """Carry out the events that are due by `now` (exchange clock, s)."""
        while self._due and self._due[0].at <= now:
            due = heapq.heappop(self._due)
            due.act(due.at, due.ms)

    def plan(self, now: float, ms: int, delay: float, act: Callable[[float, int], None]) -> None:
        """Carry out an event in the future, or at once.

        Args:
            now: The exchange's clock, in seconds.
            ms: The server's time at `now`, in milliseconds.
            delay: Seconds from `now`; infinite, or nearly so: never.
            act: The event; called with both times at which it is due.
        """
        self.settle(now)
        if not delay:
            act(now, ms)
        elif delay < _NEVER:
            heapq.heappush(self._due, _Due(now + delay, next(self._numbers), ms + round(delay * 1000), act))

    @property
    def watching(self) -> bool:
        """Whether any event waits for requests to close."""
        return bool(self._watches)

    def watch(self, user_id: str, inst_id: str, closes: int, delay: float, act: Callable[[float, int], None]) -> None:
        """Carry out an event after requests to close.

        Args:
            user_id: Whose requests count.
            inst_id: Requests to close this instrument count.
            closes: How many of them, from now on.
            delay: Seconds from the last of them to the event.
            act: The event; called with the exchange's clock (s) and the server's time (ms) at which it is due.
        """
        self._watches.append(_Watch(user_id, inst_id, closes, delay, act))

    def count_close(self, user_id: str, inst_id: str, now: float, ms: int) -> None:
        """Count a request to close, whatever its answer."""
        for watch in [watch for watch in self._watches if (watch.user_id, watch.inst_id) == (user_id, inst_id)]:
            watch.closes -= 1
            if not watch.closes:
                self._watches.remove(watch)
                self.plan(now, ms, watch.delay, watch.act)

    def find(self, user_id: str, inst_id: str, mgn_mode: str, pos_side: str, ccy: str = "") -> Position | None:
        """Return the position at an address; for a pair without `ccy`, the first open one."""
        first = None
        for position in self._by_instrument.get((user_id, inst_id), ()):
            if (
                position.pos_side == pos_side
                and position.mgn_mode == mgn_mode
                and (not ccy or position.instrument.contract or position.ccy == ccy)
            ):
                if position.state.pos:
                    return position
                first = first or position
        return first

    def position_at(
        self, user_id: str, instrument: Instrument, *, mgn_mode: str, pos_side: str, ccy: str, now: float, ms: int
    ) -> Position:
        """Return the position at an address, a new one where there is none."""
        self.settle(now)
        position = self.find(user_id, instrument.inst_id, mgn_mode, pos_side, ccy)
        ended = position is not None and not position.pos and bool(position.state.c_time)
        if position is not None and (_forgotten(position, ms) or (ended and not self._keeps_pos_id)):
            self._drop(position)
            position = None
        if position is None:
            pos_id = str(_FIRST_POS_ID + 4096 * next(self._numbers))
            position = Position(user_id, instrument, mgn_mode, pos_side, ccy, pos_id)
            self._by_instrument.setdefault((user_id, instrument.inst_id), []).append(position)
            self._by_user.setdefault(user_id, []).append(position)
        return position

    def move(
        self,
        position: Position,
        pos: Decimal,
        at: float,
        ms: int,
        cause: str,
        *,
        px: Decimal | None = None,
        asked: float | None = None,
    ) -> Holding:
        """Change the size of a position to `pos`, signed, and record the Trade; every change goes through here."""
        before = position.holding()
        position.trade(
            pos,
            ms,
            px,
            flip_is_new=self._flip_is_new,
            reopening_is_new=self._reopening_is_new,
            forced=cause in {"liquidation", "adl"},
        )
        after = position.holding()
        position.show(at + (self._lag if before.c_time else self._opening_lag)(), at)
        self.trades.append(Trade(at, before, after, cause, asked, px))
        return after

    def close(
        self,
        position: Position,
        now: float,
        ms: int,
        delay: float,
        *,
        part: Decimal = Decimal(1),
        done: Callable[[Decimal, int], None] = lambda _filled, _ms: None,
    ) -> None:
        """Accept a market close of a position.

        Args:
            position: The position.
            now: The exchange's clock, in seconds.
            ms: The server's time at `now`, in milliseconds.
            delay: Seconds until it fills.
            part: How much of the position it fills, in whole lots; by default all.
            done: Called at the end with the size that was filled and the server's time in ms.
        """
        size = position.lots(part)
        position.running += 1

        def fill(at: float, ms: int) -> None:
            position.running -= 1
            before = position.pos
            if size and before * size > 0:  # towards zero only
                left = before - size
                left = left if left * before > 0 else _ZERO
                self.move(position, left, at, ms, "close", px=position.instrument.price, asked=now)
            done(abs(before - position.pos), ms)

        self.plan(now, ms, delay, fill)

    def shown(self, user_id: str, now: float, ms: int) -> list[tuple[Position, State]]:
        """Return the user's positions and their shown states, newest holding period first, flat ones included."""
        self.settle(now)
        positions = self._by_user.get(user_id, [])
        for position in [position for position in positions if _forgotten(position, ms)]:
            self._drop(position)
        seen = [(position, position.seen(now)) for position in positions]
        return sorted(seen, key=lambda pair: pair[1].c_time, reverse=True)

    def holdings(self, now: float) -> tuple[Holding, ...]:
        """Return the positions of all users that are open at `now`."""
        self.settle(now)
        return tuple(
            position.holding() for positions in self._by_user.values() for position in positions if position.pos
        )

    def relist(self, instrument: Instrument) -> None:
        """Give all positions of an instrument its new price and state."""
        for positions in self._by_user.values():
            for position in positions:
                if position.instrument.inst_id == instrument.inst_id:
                    position.instrument = instrument

    def forget(self, user_id: str) -> None:
        """Drop all positions of a user, as a change of the position mode does."""
        for position in self._by_user.pop(user_id, ()):
            self._by_instrument.pop((user_id, position.instrument.inst_id), None)

    def _drop(self, position: Position) -> None:
        self._by_user[position.user_id].remove(position)
        self._by_instrument[position.user_id, position.instrument.inst_id].remove(position)


def _forgotten(position: Position, ms: int) -> bool:
    """Whether a position was closed in full more than 30 days ago."""
    return not position.state.pos and ms - position.state.u_time > _FORGET_MS
