"""What stands in the books, put there by hand: positions, orders and instruments.

It is what other people's trades, and the account's own before a test began, would have left behind.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from okx_async.simulator.instruments import Instrument, describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from okx_async.simulator.accounts import Account
    from okx_async.simulator.books import PendingOrder
    from okx_async.simulator.calls import Venue
    from okx_async.simulator.slots import Holding

__all__ = ["Market"]


class Market:
    """The books of an exchange, open to its operator; `account` is the one that is meant where none is named."""

    def __init__(
        self, venue: Venue, account: Account, *, clock: Callable[[], float], wall_ms: Callable[[], int]
    ) -> None:
        self._venue = venue
        self._books = venue.books
        self._account = account
        self._clock = clock
        self._wall_ms = wall_ms

    def open_position(
        self,
        inst_id: str,
        pos: int | str | Decimal,
        mgn_mode: str = "cross",
        pos_side: str = "net",
        ccy: str | None = None,
        *,
        account: Account | None = None,
    ) -> Holding:
        """Set a position, as if traded at this moment; 0 makes it flat, as if someone else had closed it.

        ``pos``: contracts, or base currency for MARGIN; negative is short. With ``pos_side`` "long" or "short"
        (long/short mode) it is not negative. ``ccy``: margin currency, by default the natural one. A well-formed id
        that is not listed is listed.
        """
        account = account or self._account
        instrument = self._listed(inst_id)
        _check_side(account, instrument, pos_side)
        amount = _amount(pos)
        if pos_side != "net" and amount < 0:
            raise ValueError(f"{inst_id}: pos of a {pos_side} position is not negative, got {pos}")
        if mgn_mode not in {"cross", "isolated"}:
            raise ValueError(f'mgn_mode must be "cross" or "isolated", got {mgn_mode!r}')
        if not ccy:
            ccy = instrument.settle_ccy if instrument.contract else instrument.quote_ccy
        if pos_side == "short":
            amount = -amount
        return self._books.open(
            account.user_id,
            instrument,
            amount,
            mgn_mode=mgn_mode,
            pos_side=pos_side,
            ccy=ccy,
            now=self._clock(),
            ms=self._wall_ms(),
        )

    def add_pending_order(
        self,
        inst_id: str,
        *,
        side: str | None = None,
        mgn_mode: str = "cross",
        pos_side: str = "net",
        ord_type: str = "limit",
        px: str | None = None,
        sz: str = "1",
        reduce_only: bool = True,
        cl_ord_id: str = "",
        account: Account | None = None,
    ) -> PendingOrder:
        """Put a limit order on the book that never fills; ``side`` "buy" or "sell", by default the closing one.

        A closing order (reduce-only, or against a long or short side) makes a close of the same instrument, margin
        mode and side answer 51115, unless the close asks to cancel it.
        """
        account = account or self._account
        instrument = self._listed(inst_id)
        _check_side(account, instrument, pos_side)
        if side is None:
            slot = self._books.find(account.user_id, inst_id, mgn_mode, pos_side)
            short = slot.pos < 0 if slot else pos_side == "short"
            side = "buy" if short else "sell"
        return self._books.add_order(
            account.user_id,
            instrument,
            mgn_mode=mgn_mode,
            pos_side=pos_side,
            side=side,
            ord_type=ord_type,
            px=px or str(instrument.price),
            sz=sz,
            reduce_only=reduce_only,
            cl_ord_id=cl_ord_id,
            ms=self._wall_ms(),
        )

    def list_instrument(self, inst_id: str, *, state: str = "live", market_orders: bool = True) -> Instrument:
        """List an instrument, or change what is allowed on it.

        A close is answered by ``state``: suspend 51022, preopen 51021, post_only 51110, settling 51029; without
        ``market_orders`` 51066.
        """
        instrument = replace(self._listed(inst_id), state=state, market_orders=market_orders)
        self._venue.instruments[inst_id] = instrument
        return instrument

    def delist(self, inst_id: str) -> None:
        """Take an instrument off the list: a close is answered 51001."""
        del self._venue.instruments[inst_id]

    @property
    def instruments(self) -> tuple[str, ...]:
        """The ids that are listed."""
        return tuple(self._venue.instruments)

    @property
    def positions(self) -> tuple[Holding, ...]:
        """What is open in the books now, of all accounts; flat slots are not shown."""
        return self._books.holdings(self._clock())

    @property
    def pending_orders(self) -> tuple[PendingOrder, ...]:
        """The live orders of all accounts, newest first."""
        return tuple(self._books.orders())

    def _listed(self, inst_id: str) -> Instrument:
        instrument = self._venue.instruments.get(inst_id) or describe(inst_id)
        if instrument is None:
            raise ValueError(f"{inst_id!r} is no instrument id: upper case, digits, '_', '.', single inner dashes")
        return self._venue.instruments.setdefault(inst_id, instrument)


def _check_side(account: Account, instrument: Instrument, pos_side: str) -> None:
    two_sided = account.pos_mode == "long_short_mode" and instrument.inst_type in {"FUTURES", "SWAP"}
    allowed = ("long", "short") if two_sided else ("net",)
    if pos_side not in allowed:
        raise ValueError(
            f"{instrument.inst_id}: pos_side must be {' or '.join(allowed)} in {account.pos_mode}, got {pos_side!r}"
        )


def _amount(pos: Any) -> Decimal:
    if not isinstance(pos, int | str | Decimal) or isinstance(pos, bool):
        raise TypeError(f"pos must be an int, a str or a Decimal, got {pos!r}")
    try:
        amount = Decimal(pos)
    except InvalidOperation:
        raise ValueError(f"pos must be a number, got {pos!r}") from None
    if not amount.is_finite():
        raise ValueError(f"pos must be finite, got {pos!r}")
    return amount
