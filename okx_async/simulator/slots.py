"""One position slot, and the record that account/positions shows of it.

A slot is (user, instrument, margin mode, side) and, for MARGIN pairs, the currency. Its ``posId`` names the slot and
stays through closing and reopening; ``cTime`` is new with each holding period; ``uTime`` moves with every change.
Whether a net position that flips in one trade gets a new ``cTime`` is not known; here it does.

https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-positions
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from okx_async.simulator.instruments import decimal_text

if TYPE_CHECKING:
    from okx_async.simulator.instruments import Instrument

__all__ = ["Holding", "Slot"]

_ENTRY = Decimal("0.998")  # of the mark price: an open position shows some profit or loss


@dataclass(frozen=True, slots=True)
class Holding:
    """One open position, as the books have it. ``pos`` is signed: negative is short, in every mode."""

    user_id: str
    inst_id: str
    mgn_mode: str
    pos_side: str
    ccy: str
    pos: Decimal
    pos_id: str
    c_time: int
    u_time: int
    closing: bool


@dataclass(slots=True)
class Slot:
    """One position slot; ``pos`` is signed, ``running`` counts the closes on their way."""

    user_id: str
    instrument: Instrument
    mgn_mode: str
    pos_side: str
    ccy: str
    pos_id: str
    pos: Decimal = Decimal(0)
    avg_px: Decimal = Decimal(0)
    c_time: int = 0
    u_time: int = 0
    trade_id: int = 0
    running: int = 0

    def trade(self, pos: Decimal, ms: int) -> None:
        """Move to `pos`: a new holding period from flat or across zero, the same one otherwise."""
        if pos and self.pos * pos <= 0:
            self.c_time = max(ms, self.c_time + 1, self.u_time)  # new in any case, even within one millisecond
            self.avg_px = (self.instrument.price * _ENTRY).quantize(Decimal(self.instrument.tick_sz))
        self.pos = pos
        self.u_time = max(ms, self.u_time + 1)
        self.trade_id += 1

    def holding(self) -> Holding:
        """Return a frozen picture of the slot."""
        return Holding(
            self.user_id,
            self.instrument.inst_id,
            self.mgn_mode,
            self.pos_side,
            self.ccy,
            self.pos,
            self.pos_id,
            self.c_time,
            self.u_time,
            self.running > 0,
        )

    def row(self) -> dict[str, object]:
        """Return the record of account/positions; a flat slot has "" where a number would mean nothing."""
        instrument, pos = self.instrument, self.pos
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
            "avgPx": if_open(decimal_text(self.avg_px)),
            "markPx": decimal_text(price),
            "last": decimal_text(price),
            "upl": if_open(self._profit()),
            "lever": if_open(instrument.lever and "3"),
            "liqPx": "",
            "imr": if_open(_money(value / 3)) if self.mgn_mode == "cross" else "",
            "margin": if_open(_money(value / 3)) if self.mgn_mode == "isolated" else "",
            "mgnRatio": if_open("41.2"),
            "mmr": if_open(_money(value / 250)),
            "ccy": self.ccy,
            "posCcy": pos_ccy,
            "liab": _money(-value if pos > 0 else pos) if debt else "",
            "liabCcy": (instrument.quote_ccy if pos > 0 else instrument.base_ccy) if debt else "",
            "interest": "0" if debt else "",
            "notionalUsd": if_open(_money(value)),
            "adl": if_open("1"),
            "tradeId": str(744876979 + self.trade_id),
            "closeOrderAlgo": [],
            "pendingCloseOrdLiabVal": "",
            "realizedPnl": "0",
            "pnl": "0",
            "fee": "0",
            "fundingFee": "0",
            "liqPenalty": "0",
            "cTime": str(self.c_time),
            "uTime": str(self.u_time),
        }

    def _profit(self) -> str:
        instrument = self.instrument
        if instrument.ct_type == "inverse" and self.avg_px:
            gain = 1 / self.avg_px - 1 / instrument.price
        else:
            gain = instrument.price - self.avg_px
        return _money(self.pos * instrument.ct_val * gain)


def _money(value: Decimal) -> str:
    return decimal_text(value.quantize(Decimal("0.00000001")))
