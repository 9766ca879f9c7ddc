"""The instrument that a rehearsal trades: a liquid one on which the account holds nothing at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from okx_async._errors import OkxError
from okx_async._quota import Quota
from okx_async._rest.requests import positions
from okx_async.rehearsal.environment import CannotRehearseError
from okx_async.rehearsal.pending import pending_orders
from okx_async.rehearsal.wire import Wire, get

CANDIDATES: Final = ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP", "XRP-USDT-SWAP", "DOGE-USDT-SWAP")
_X_PERP: Final = "_XPERP-"
PREFIX: Final = "okxrehearse"
"""With which the clOrdId of each of its orders begins."""
_INSTRUMENTS: Final = Quota(20, 2.0)


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument, as public/instruments lists it."""

    inst_id: str
    inst_type: str
    min_sz: Decimal
    tick_sz: Decimal
    ct_val: Decimal
    ct_val_ccy: str

    @property
    def amount(self) -> str:
        """The smallest position, in the currency of its contract."""
        return f"{(self.min_sz * self.ct_val).normalize():f} {self.ct_val_ccy}"


async def choose(wire: Wire, wanted: str | None, mine: Sequence[str] = ()) -> list[Instrument]:
    """Return the instruments that can be used, the best one first.

    Args:
        wire: Asks.
        wanted: The only one that is wanted; None: the first that can be used.
        mine: Instruments on which an earlier rehearsal may have left something: what is there is no obstacle.

    Raises:
        CannotRehearseError: None can be used.
    """
    taken = await _taken(wire)
    found, reasons = [], []
    for inst_id in (wanted,) if wanted else CANDIDATES:
        if inst_id in taken and inst_id not in mine:
            reasons.append(f"{inst_id}: the account has {taken[inst_id]} there, which stays untouched")
            continue
        instrument = await _look_up(wire, inst_id)
        if isinstance(instrument, Instrument):
            found.append(instrument)
        else:
            reasons.append(f"{inst_id}: {instrument}")
    if not found and wanted is None:
        found = [one for one in await _x_perps(wire) if one.inst_id not in taken or one.inst_id in mine]
    if not found:
        raise CannotRehearseError(
            f"no instrument to rehearse on; nothing was opened. Name another one with --inst. {'; '.join(reasons)}"
        )
    return found


async def _taken(wire: Wire) -> dict[str, str]:
    """Return the instruments on which the account has positions or orders, each with what it has there."""
    taken: dict[str, str] = {}
    held = await wire.ask(positions(None))
    if held.code != "0":
        raise _cannot_be_read(held.told(), held.answer.code, held.status)
    try:
        orders = await pending_orders(wire)
    except OkxError as error:
        raise _cannot_be_read(str(error), error.code, error.status) from None
    for order in orders:
        if not order.inst_id:
            raise _cannot_be_read("an order does not name its instrument", "", None)
        taken[order.inst_id] = "algo orders" if order.algo_id else "orders"
    for record in held.data:
        if _size(record.get("pos")) != 0:
            taken[str(record.get("instId"))] = "a position"
    return taken


def _cannot_be_read(why: str, code: str, status: int | None) -> CannotRehearseError:
    return CannotRehearseError(
        f"what the account has open cannot be read ({why}); nothing was opened", code=code, status=status
    )


async def _x_perps(wire: Wire) -> list[Instrument]:
    """Return the X-Perps, those of BTC first: in the EEA there are no swaps."""
    path = "public/instruments?instType=FUTURES"
    reply = await wire.ask(get(path, "public/instruments/FUTURES", _INSTRUMENTS, signed=False))
    listed = [record for record in reply.data if _X_PERP in str(record.get("instId"))]
    read = [read_instrument(record) for record in listed]
    usable = [one for one in read if isinstance(one, Instrument)]
    return sorted(usable, key=lambda one: not one.inst_id.startswith("BTC-"))


async def _look_up(wire: Wire, inst_id: str) -> Instrument | str:
    """Return an instrument, or why it cannot be used."""
    inst_type = "SWAP" if inst_id.endswith("-SWAP") else "FUTURES"
    query = f"public/instruments?instType={inst_type}&instId={inst_id}"
    reply = await wire.ask(get(query, f"public/instruments/{inst_type}", _INSTRUMENTS, signed=False))
    if reply.code != "0" or not reply.data:
        return f"not listed ({reply.told()})"
    return read_instrument(reply.data[0])


def read_instrument(record: Mapping[str, Any]) -> Instrument | str:
    """Return the instrument of a record, or why it cannot be used."""
    state = record.get("state")
    if state != "live":
        return f"its state is {state}"
    sizes = [_size(record.get(name)) for name in ("minSz", "tickSz", "ctVal")]
    if not all(size is not None and size > 0 for size in sizes):
        return "its sizes cannot be read"
    min_sz, tick_sz, ct_val = (size or Decimal(0) for size in sizes)
    return Instrument(
        str(record["instId"]), str(record["instType"]), min_sz, tick_sz, ct_val, str(record.get("ctValCcy", ""))
    )


def _size(text: object) -> Decimal | None:
    """Return a number, None for what is none."""
    try:
        number = Decimal(str(text))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
