"""The demo's book: 140 positions under 62 rate keys.

Two of the keys are option families. All options of a family share one limit, so the families decide how long the exit
takes, not the 60 other instruments.
"""

from random import Random

from okx_async import ClosePosition
from okx_async.simulator import SimulatedExchange

SINGLES = "swaps and futures"
GROUPS = (SINGLES, "BTC-USD options", "ETH-USD options")
_COINS = tuple("BTC ETH SOL XRP DOGE ADA AVAX BCH BNB DOT LINK LTC NEAR SUI TON TRX".split())  # noqa: SIM905 - readable


def group_of(scope: str) -> str:
    """Return the group under which the demo shows a rate key's scope (an instrument or an option family)."""
    return SINGLES if f"{scope} options" not in GROUPS else f"{scope} options"


def open_book(exchange: SimulatedExchange, source: Random) -> list[ClosePosition]:
    """Open the positions on `exchange`; return the closes in a random order, as strategies would issue them."""
    dates = (inst_id.removeprefix("BTC-USDT-") for inst_id in exchange.instruments)
    near, far = sorted(date for date in dates if date.isdigit())
    swaps = [f"{coin}-{quote}-SWAP" for quote in ("USDT", "USD") for coin in _COINS]
    futures = [f"{coin}-USDT-{expiry}" for expiry in (near, far) for coin in _COINS[:14]]
    book = swaps + futures
    book += _options("BTC-USD", (near, far), range(46_000, 76_000, 2_000))
    book += _options("ETH-USD", (near, far), range(2_000, 3_000, 200))
    legs = []
    for inst_id in book:
        mgn_mode = source.choice(("cross", "cross", "isolated"))
        exchange.open_position(inst_id, source.choice((1, -1)) * source.randint(1, 40), mgn_mode)
        legs.append(ClosePosition(inst_id, "cross" if mgn_mode == "cross" else "isolated"))
    source.shuffle(legs)
    return legs


def _options(family: str, expiries: tuple[str, ...], strikes: range) -> list[str]:
    return [f"{family}-{expiry}-{strike}-{side}" for expiry in expiries for strike in strikes for side in "CP"]
