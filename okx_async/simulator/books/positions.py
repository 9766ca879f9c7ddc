"""One position of the books, and the record that account/positions shows of it.

A position has an address: user, instrument, margin mode, side and, for MARGIN pairs, currency. Its ``posId`` names the
address and stays through closing and reopening; ``cTime`` is new with each holding period; ``uTime`` moves with every
change. Whether a net position that flips in one trade gets a new ``cTime`` is not documented: here it does by default.

The record shown may lag behind the books: a change waits in ``coming`` until it is due.

https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-positions
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from okx_async.simulator.books.instruments import Instrument, decimal_text, money, profit

_ENTRY = Decimal("0.998")  # of the mark price: an open position shows some profit or loss


class Holding(NamedTuple):
    """An immutable picture of one position in the books; ``pos`` is signed: negative is short, in every mode."""

    user_id: str
    """The UID of its account."""
    inst_id: str
    """Its instrument."""
    mgn_mode: str
    """ "cross" or "isolated"."""
    pos_side: str
    """ "net", "long" or "short"."""
    ccy: str
    """The margin currency."""
    pos: Decimal
    """Contracts, or an amount of the base currency for MARGIN; negative is short, in every mode."""
    pos_id: str
    """The id of its address: user, instrument, margin mode, side and currency."""
    c_time: int
    """When it was opened, in Unix milliseconds."""
    u_time: int
    """When it last changed, in Unix milliseconds."""
    closing: bool
    """Whether a close of it is on its way."""
    avg_px: Decimal = Decimal(0)
    """Its average open price, in the quote currency."""


class State(NamedTuple):
    """The fields of a position that trades change; ``pos`` is signed."""

    pos: Decimal = Decimal(0)
    avg_px: Decimal = Decimal(0)
    c_time: int = 0
    u_time: int = 0
    trade_id: int = 0


_FLAT = State()


@dataclass(slots=True)
class Position:
    """One position, flat or open, at its address."""

    user_id: str
    instrument: Instrument
    mgn_mode: str
    pos_side: str
    ccy: str
    pos_id: str
    state: State = _FLAT
    running: int = 0
    """Closes that were accepted and have not ended."""
    frozen: str = ""
    """The code that refuses a close; "": none."""
    shown: State = _FLAT
    coming: deque[tuple[float, State]] = field(default_factory=deque)
    """States that will be shown, each with its time (exchange clock, s)."""

    @property
    def pos(self) -> Decimal:
        """The present size, signed."""
        return self.state.pos

    def lots(self, part: Decimal) -> Decimal:
        """Return `part` of the size, in whole lots."""
        lot = Decimal(self.instrument.lot_sz)
        return self.pos if part == 1 else self.pos * part // lot * lot

    def trade(
        self,
        pos: Decimal,
        ms: int,
        px: Decimal | None = None,
        *,
        flip_is_new: bool = True,
        reopening_is_new: bool = True,
        forced: bool = False,
    ) -> None:
        """Change the size; from flat, or across zero, a new holding period begins.

        Args:
            pos: The new size, signed.
            ms: The server's time.
            px: The price; by default one that leaves some profit or loss.
            flip_is_new: Whether a change of sign begins a new holding period; by default it does.
            reopening_is_new: Whether an opening from flat gets a new ``cTime``; by default it does.
            forced: Whether the exchange itself trades, which counts no trade id; by default not.
        """
        was = self.state
        c_time, avg_px = was.c_time, was.avg_px
        if pos and was.pos * pos <= 0:
            if (flip_is_new if was.pos else reopening_is_new) or not was.c_time:
                c_time = max(ms, was.c_time + 1, was.u_time)  # always a new one, even within one millisecond
            avg_px = px or (self.instrument.price * _ENTRY).quantize(Decimal(self.instrument.tick_sz))
        elif px and abs(pos) > abs(was.pos):
            avg_px = (was.avg_px * was.pos + px * (pos - was.pos)) / pos
        self.state = State(pos, avg_px, c_time, max(ms, was.u_time + 1), was.trade_id + (not forced))

    def show(self, at: float, now: float) -> None:
        """Let the present state be shown from `at` on, after all earlier ones; times on the exchange's clock, in s."""
        self.seen(now)  # frees the states that are due, even if nothing reads them
        self.coming.append((max(at, self.coming[-1][0]) if self.coming else at, self.state))

    def seen(self, now: float) -> State:
        """Return the state that is shown at `now`."""
        while self.coming and self.coming[0][0] <= now:
            self.shown = self.coming.popleft()[1]
        return self.shown

    def holding(self) -> Holding:
        """Return an immutable picture of the present state."""
        state = self.state
        return Holding(
            self.user_id,
            self.instrument.inst_id,
            self.mgn_mode,
            self.pos_side,
            self.ccy,
            state.pos,
            self.pos_id,
            state.c_time,
            state.u_time,
            self.running > 0,
            state.avg_px,
        )

    def row(self, state: State, algos: Sequence[object] = ()) -> dict[str, object]:
        """Return the record of account/positions; a flat position has "" where a number would mean nothing."""
        instrument, pos = self.instrument, state.pos
        margin = not instrument.contract
        shown = decimal_text(abs(pos) if margin or self.pos_side == "short" else pos)
        price = instrument.price
        value = abs(pos) * instrument.ct_val * (1 if instrument.ct_type == "inverse" else price)
        pos_ccy = ""
        if margin and pos:
            pos_ccy = instrument.base_ccy if pos > 0 else instrument.quote_ccy
        debt = margin and bool(pos)

        def if_open(text: str) -> str:
            return text if pos else ""

        return {
            "instType": instrument.inst_type,
            "instId": instrument.inst_id,
            "mgnMode": self.mgn_mode,
            "posId": self.pos_id,
            "posSide": self.pos_side,
            "pos": shown,
            "availPos": shown if margin or instrument.inst_type == "OPTION" else "",
            "avgPx": if_open(decimal_text(state.avg_px)),
            "markPx": decimal_text(price),
            "last": decimal_text(price),
            "upl": if_open(money(profit(instrument, pos, state.avg_px, price))),
            "lever": if_open(instrument.lever and "3"),
            "liqPx": "",
            "imr": if_open(money(value / 3)) if self.mgn_mode == "cross" else "",
            "margin": if_open(money(value / 3)) if self.mgn_mode == "isolated" else "",
            "mgnRatio": if_open("41.2"),
            "mmr": if_open(money(value / 250)),
            "ccy": self.ccy,
            "posCcy": pos_ccy,
            "liab": money(-value if pos > 0 else pos) if debt else "",
            "liabCcy": (instrument.quote_ccy if pos > 0 else instrument.base_ccy) if debt else "",
            "interest": "0" if debt else "",
            "notionalUsd": if_open(money(value)),
            "adl": if_open("1"),
            "tradeId": str(744876979 + state.trade_id),
            "closeOrderAlgo": list(algos),
            "pendingCloseOrdLiabVal": "",
            "realizedPnl": "0",
            "pnl": "0",
            "fee": "0",
            "fundingFee": "0",
            "liqPenalty": "0",
            "cTime": str(state.c_time),
            "uTime": str(state.u_time),
        }
