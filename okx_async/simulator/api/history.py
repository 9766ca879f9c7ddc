"""The endpoint `account/positions-history`: one row for each holding period of which something was closed.

``posId`` and ``cTime`` identify a row. Its ``type`` is that of the last change: 1 closed in part, 2 closed,
3 liquidated, 4 liquidated in part, 5 closed in part by ADL, 6 closed by ADL.

https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-positions-history
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from okx_async.simulator.api.calls import Call, Venue, inst_type_of, number_of, parameter_error
from okx_async.simulator.books.books import Trade
from okx_async.simulator.books.instruments import Instrument, decimal_text, describe, money, profit
from okx_async.simulator.books.positions import Holding

_PAGE = 100
_TYPES = {"liquidation": ("4", "3"), "adl": ("5", "6")}


def positions_history(venue: Venue, call: Call) -> list[Any]:
    """List closed positions, latest change first; `after` and `before` are times (uTime), exclusive."""
    wanted = {name: call.text(name) for name in ("instId", "mgnMode", "type", "posId")} | {
        "instType": inst_type_of(call)
    }
    after, before = number_of(call, "after"), number_of(call, "before")
    limit = number_of(call, "limit") or _PAGE
    if limit > _PAGE:
        raise parameter_error("limit")
    venue.books.settle(call.now)
    rows = [
        period.row()
        for period in sorted(_periods(venue, call), key=lambda period: period.u_time, reverse=True)
        if (not after or period.u_time < after) and (not before or period.u_time > before)
    ]
    return [row for row in rows if all(not value or row[name] == value for name, value in wanted.items())][:limit]


@dataclass(slots=True)
class _Period:
    instrument: Instrument
    last: Holding
    """The latest picture of it while it was open."""
    most: Decimal = Decimal(0)
    closed: Decimal = Decimal(0)
    value: Decimal = Decimal(0)
    """Sum of size times price of the closes."""
    gain: Decimal = Decimal(0)
    kind: str = ""
    u_time: int = 0

    def hold(self, holding: Holding) -> None:
        """Note a size that was held."""
        self.last = holding
        self.most = max(self.most, abs(holding.pos))

    def reduce(self, trade: Trade) -> None:
        """Note the part that a trade closed, if any."""
        before, after = trade.before, trade.after
        left = abs(after.pos) if before.pos * after.pos > 0 else Decimal(0)
        size = abs(before.pos) - left
        if size <= 0:
            return
        px = trade.px or self.instrument.price
        self.closed += size
        self.value += size * px
        self.gain += profit(self.instrument, size if before.pos > 0 else -size, before.avg_px, px)
        self.kind = _TYPES.get(trade.cause, ("1", "2"))[not left]
        self.u_time = after.u_time

    def row(self) -> dict[str, str]:
        """Return the record of account/positions-history."""
        last, instrument = self.last, self.instrument
        return {
            "instType": instrument.inst_type,
            "instId": last.inst_id,
            "mgnMode": last.mgn_mode,
            "type": self.kind,
            "posId": last.pos_id,
            "posSide": last.pos_side,
            "direction": "long" if last.pos > 0 else "short",
            "lever": "3",
            "ccy": last.ccy,
            "uly": instrument.inst_family,
            "openAvgPx": decimal_text(last.avg_px),
            "closeAvgPx": money(self.value / self.closed),
            "openMaxPos": decimal_text(self.most),
            "closeTotalPos": decimal_text(self.closed),
            "realizedPnl": money(self.gain),
            "pnl": money(self.gain),
            "pnlRatio": "",
            "fee": "0",
            "fundingFee": "0",
            "liqPenalty": "0",
            "triggerPx": "",
            "cTime": str(last.c_time),
            "uTime": str(self.u_time),
        }


def _periods(venue: Venue, call: Call) -> list[_Period]:
    periods: dict[tuple[str, int], _Period] = {}
    until = call.now - venue.behaviour.history_lag
    for trade in venue.books.trades:
        if trade.before.user_id != call.user_id or trade.at > until:
            continue
        for holding in (trade.before, trade.after):
            instrument = venue.instruments.get(holding.inst_id) or describe(holding.inst_id)
            if not holding.pos or instrument is None:
                continue
            period = periods.setdefault((holding.pos_id, holding.c_time), _Period(instrument, holding))
            period.hold(holding)
            if holding is trade.before:
                period.reduce(trade)
    return [period for period in periods.values() if period.closed]
