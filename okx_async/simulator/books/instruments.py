"""Instruments: the contract that an id stands for, and the list that the exchange starts with.

Prices are made up. Futures and options of the list have the last Fridays of the next two quarters, from the server's
time at the start on, as their expiry dates. An id that a test uses is listed as it stands, and nothing ever expires.

https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from functools import lru_cache

INST_TYPES = {"SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS"}

_WELL_FORMED = re.compile(r"[\w.]+(?:-[\w.]+)*")  # in letters of any script: the exchange lists such ids too
_DATE = re.compile(r"[0-9]{6}", re.ASCII)
_OPTION_PARTS = 5
_EXPIRY_HOUR = 8  # UTC
_QUARTER = 3  # months
_FRIDAY = 4

# currency: price in USD, contract value of the linear swap, tick
_COINS = {
    "BTC": ("60087.9", "0.01", "0.1"),
    "ETH": ("2412.35", "0.1", "0.01"),
    "SOL": ("148.21", "1", "0.01"),
    "XRP": ("0.5312", "100", "0.0001"),
    "DOGE": ("0.10234", "1000", "0.00001"),
    "ADA": ("0.3471", "100", "0.0001"),
    "AVAX": ("26.14", "1", "0.01"),
    "BCH": ("331.6", "0.1", "0.1"),
    "BNB": ("571.8", "0.01", "0.1"),
    "DOT": ("4.283", "1", "0.001"),
    "LINK": ("11.274", "1", "0.001"),
    "LTC": ("66.31", "1", "0.01"),
    "NEAR": ("4.618", "10", "0.001"),
    "SUI": ("1.7842", "1", "0.0001"),
    "TON": ("5.217", "1", "0.001"),
    "TRX": ("0.15274", "1000", "0.00001"),
}
_OTHER_COIN = ("1.0", "1", "0.0001")
_STRIKES = {"BTC": (50000, 55000, 60000, 65000, 70000), "ETH": (2000, 2200, 2400, 2600, 2800)}


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument; ``price`` is its mark price, ``exp_time`` and ``list_time`` are Unix ms, 0 = none."""

    inst_id: str
    inst_type: str
    inst_family: str
    base_ccy: str
    quote_ccy: str
    settle_ccy: str
    ct_val: Decimal
    ct_val_ccy: str
    ct_type: str
    lot_sz: str
    tick_sz: str
    price: Decimal
    lever: str = ""
    exp_time: int = 0
    list_time: int = 1606468572000
    opt_type: str = ""
    stk: str = ""
    state: str = "live"
    market_orders: bool = True

    @property
    def contract(self) -> bool:
        """Whether it is a derivative; MARGIN pairs are not."""
        return self.inst_type != "MARGIN"

    def row(self, number: int, inst_type: str = "") -> dict[str, str | int]:
        """Return the record of public/instruments; a pair is listed as SPOT and as MARGIN."""
        return {
            "instType": inst_type or self.inst_type,
            "instId": self.inst_id,
            "uly": self.inst_family,
            "instFamily": self.inst_family,
            "baseCcy": "" if self.contract else self.base_ccy,
            "quoteCcy": "" if self.contract else self.quote_ccy,
            "settleCcy": self.settle_ccy if self.contract else "",
            "ctVal": decimal_text(self.ct_val) if self.contract else "",
            "ctMult": ("0.01" if self.inst_type == "OPTION" else "1") if self.contract else "",
            "ctValCcy": self.ct_val_ccy if self.contract else "",
            "ctType": self.ct_type,
            "lotSz": self.lot_sz,
            "minSz": self.lot_sz,
            "tickSz": self.tick_sz,
            "maxMktSz": "30000" if self.contract else "1000000",
            "maxLmtSz": "100000000",
            "lever": self.lever,
            "listTime": str(self.list_time),
            "expTime": str(self.exp_time) if self.exp_time else "",
            "optType": self.opt_type,
            "stk": self.stk,
            "state": self.state,
            "ruleType": "normal",
            "instIdCode": number,
        }


_WIDE = Context(prec=1000)
"""The usual 28 digits do not hold the profit of a position that a test makes huge."""


def decimal_text(value: Decimal) -> str:
    """Return a number as the exchange writes it: without exponent, trailing zeros and minus before zero."""
    return f"{(value + 0).normalize():f}"


def money(value: Decimal) -> str:
    """Return an amount as text, to eight decimals."""
    return decimal_text(value.quantize(Decimal("1e-8"), context=_WIDE))


def profit(instrument: Instrument, pos: Decimal, entry: Decimal, px: Decimal) -> Decimal:
    """Return the profit at `px` of `pos`, signed and entered at `entry`, in the settlement currency."""
    if instrument.ct_type == "inverse" and entry:
        return pos * instrument.ct_val * (1 / entry - 1 / px)
    return pos * instrument.ct_val * (px - entry)


@lru_cache(maxsize=1024)
def rate_scope(inst_id: str) -> str:
    """Return what the rate limit of closes is counted by: for an option its family, else the id itself.

    An option is ``<family with one dash>-<yymmdd>-<strike>-<C|P>``.
    """
    parts = inst_id.split("-")
    if len(parts) == _OPTION_PARTS and _DATE.fullmatch(parts[2]) and parts[4] in {"C", "P"}:
        return f"{parts[0]}-{parts[1]}"
    return inst_id


@lru_cache(maxsize=1024)  # every exchange lists the same seventy
def describe(inst_id: str) -> Instrument | None:
    """Return the instrument that a well-formed id stands for, or None."""
    if not _WELL_FORMED.fullmatch(inst_id):
        return None
    base, *rest = inst_id.split("-")
    price, linear_val, tick = _COINS.get(base, _OTHER_COIN)
    match rest:
        case [quote]:
            return Instrument(
                inst_id, "MARGIN", "", base, quote, "", Decimal(1), "", "", "0.00001", tick, Decimal(price), "10"
            )
        case [quote, expiry] if expiry == "SWAP" or _DATE.fullmatch(expiry):
            inverse = quote == "USD"
            return Instrument(
                inst_id,
                "SWAP" if expiry == "SWAP" else "FUTURES",
                f"{base}-{quote}",
                base,
                quote,
                base if inverse else quote.removesuffix("_UM"),
                Decimal("100" if base == "BTC" else "10") if inverse else Decimal(linear_val),
                "USD" if inverse else base,
                "inverse" if inverse else "linear",
                "1" if inverse else "0.01",
                tick,
                Decimal(price),
                lever="100",
                exp_time=_expiry_ms(expiry),
            )
        case [quote, expiry, strike, ("C" | "P") as side] if _DATE.fullmatch(expiry):
            return Instrument(
                inst_id,
                "OPTION",
                f"{base}-{quote}",
                base,
                quote,
                base,
                Decimal(1),
                base,
                "",
                "1",
                "0.0005",
                Decimal("0.0425"),
                exp_time=_expiry_ms(expiry),
                opt_type=side,
                stk=strike,
            )
        case _:
            return Instrument(
                inst_id, "EVENTS", "", base, "USD", "USD", Decimal(1), "USD", "", "1", "0.01", Decimal("0.5")
            )


def listing(server_ms: int) -> dict[str, Instrument]:
    """Return the instruments that the exchange starts with, by id."""
    ids = [f"{coin}-USDT-SWAP" for coin in _COINS]
    ids += ["BTC-USD-SWAP", "ETH-USD-SWAP", "BTC-USD_UM-SWAP", "BTC-USDT", "ETH-USDT", "SOL-USDT"]
    for expiry in _quarter_ends(server_ms):
        ids += [f"BTC-USDT-{expiry}", f"ETH-USDT-{expiry}", f"BTC-USD-{expiry}"]
        ids += [
            f"{coin}-USD-{expiry}-{strike}-{side}"
            for coin, strikes in _STRIKES.items()
            for strike in strikes
            for side in ("C", "P")
        ]
    instruments = (describe(inst_id) for inst_id in ids)
    return {instrument.inst_id: instrument for instrument in instruments if instrument}


def _quarter_ends(server_ms: int) -> list[str]:
    """Return the next two last Fridays of a quarter, as yymmdd."""
    now = datetime.fromtimestamp(server_ms / 1000, UTC)
    month = now.replace(day=1, hour=_EXPIRY_HOUR, minute=0, second=0, microsecond=0)
    found: list[str] = []
    while len(found) < 2:  # noqa: PLR2004 - quarters
        following = (month + timedelta(days=32)).replace(day=1)
        last = following - timedelta(days=1)
        friday = last - timedelta(days=(last.weekday() - _FRIDAY) % 7)
        if month.month % _QUARTER == 0 and friday > now:
            found.append(f"{friday:%y%m%d}")
        month = following
    return found


def _expiry_ms(yymmdd: str) -> int:
    try:
        day = datetime.strptime(yymmdd, "%y%m%d").replace(hour=_EXPIRY_HOUR, tzinfo=UTC)
    except ValueError:  # SWAP, or six digits that are no date, which are listed all the same
        return 0
    return int(day.timestamp() * 1000)
