"""The part of `SimulatedExchange` that sets and shows the books: positions, orders and instruments.

A test puts there what earlier trades would have left behind.
"""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from okx_async.simulator.api.accounts import Account
from okx_async.simulator.api.calls import Venue
from okx_async.simulator.books.algos import ALGO_TYPES, AlgoOrder
from okx_async.simulator.books.books import Trade
from okx_async.simulator.books.instruments import Instrument, decimal_text, describe
from okx_async.simulator.books.orders import PendingOrder
from okx_async.simulator.books.positions import Holding

_DIGITS = 40


class Market:
    """The books of an exchange, open to its operator; see `SimulatedExchange`.

    Args:
        venue: The state of the exchange.
        account: The account of calls that name none.
        clock: The exchange's clock, in seconds.
        wall_ms: The server's time, in milliseconds.
    """

    def __init__(
        self, venue: Venue, account: Account, *, clock: Callable[[], float], wall_ms: Callable[[], int]
    ) -> None:
        self._venue = venue
        self._books = venue.books
        self._orders = venue.orders
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
        """Set a position, as if traded at this moment; 0 makes it flat, as if another program had closed it.

        It is entered 0.2 % below the price at which market orders fill, so that it shows some profit or loss.

        Args:
            inst_id: The instrument; a well-formed id that is not listed is added to the list.
            pos: Its size in contracts, or in base currency for MARGIN; negative is short, in net mode only.
            mgn_mode: "cross" (by default) or "isolated".
            pos_side: "net" (by default), or "long" or "short" in long/short mode.
            ccy: The margin currency; by default the natural one.
            account: The account; by default the exchange's first.
        """
        account = self._account_of(account)
        instrument, signed, ccy = self._resolve(account, inst_id, pos, mgn_mode=mgn_mode, pos_side=pos_side, ccy=ccy)
        now, ms = self._clock(), self._wall_ms()
        position = self._books.position_at(
            account.user_id, instrument, mgn_mode=mgn_mode, pos_side=pos_side, ccy=ccy, now=now, ms=ms
        )
        return self._books.move(position, signed, now, ms, "hand")

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
        """Put a limit order on the book that never fills.

        A closing order (reduce-only, or against a long or short side) makes a close of the same instrument, margin
        mode and side answer 51115, unless the close asks to cancel it.

        Args:
            inst_id: The instrument.
            side: "buy" or "sell"; by default the closing one.
            mgn_mode: "cross" (by default) or "isolated".
            pos_side: "net" (by default), "long" or "short".
            ord_type: Its ordType; by default "limit".
            px: Its price; by default the instrument's.
            sz: Its size; by default 1.
            reduce_only: Whether it only reduces; by default it does.
            cl_ord_id: The client's id for it; by default none.
            account: The account; by default the exchange's first.
        """
        if side not in {None, "buy", "sell"}:
            raise ValueError(f'side must be "buy" or "sell", got {side!r}')
        account = self._account_of(account)
        instrument = self._listed(inst_id)
        _check_side(account, instrument, pos_side)
        return self._orders.add(
            PendingOrder(
                account.user_id,
                inst_id,
                instrument.inst_type,
                instrument.inst_family,
                mgn_mode,
                pos_side,
                side or self._closing_side(account, inst_id, mgn_mode, pos_side),
                ord_type,
                px or str(instrument.price),
                sz,
                reduce_only,
                cl_ord_id,
                ord_id=self._orders.new_id(),
                c_time=self._wall_ms(),
            )
        )

    def add_algo_order(
        self,
        inst_id: str,
        ord_type: str = "conditional",
        *,
        side: str | None = None,
        mgn_mode: str = "cross",
        pos_side: str = "net",
        sz: str = "",
        tp_trigger_px: str = "",
        sl_trigger_px: str = "",
        trigger_px: str = "",
        callback_ratio: str = "",
        reduce_only: bool = True,
        account: Account | None = None,
    ) -> AlgoOrder:
        """Add an algo order, which waits and never triggers, by default a stop.

        Args:
            inst_id: The instrument.
            ord_type: "conditional" (by default; a take-profit or stop-loss), "oco" (both), "trigger",
                "move_order_stop" (trailing), "iceberg", "twap" or "chase".
            side: "buy" or "sell"; by default the closing one.
            mgn_mode: "cross" (by default) or "isolated".
            pos_side: "net" (by default), "long" or "short".
            sz: Its size; by default the whole position.
            tp_trigger_px: The trigger price of a take-profit; an "oco" has one by default.
            sl_trigger_px: The trigger price of a stop-loss; an "oco" and a "conditional" have one by default.
            trigger_px: The trigger price of a "trigger".
            callback_ratio: The ratio of a "move_order_stop".
            reduce_only: Whether it only reduces; by default it does.
            account: The account; by default the exchange's first.
        """
        if ord_type not in ALGO_TYPES:
            raise ValueError(f"ord_type must be one of {', '.join(sorted(ALGO_TYPES))}, got {ord_type!r}")
        account = self._account_of(account)
        instrument = self._listed(inst_id)
        _check_side(account, instrument, pos_side)
        side = side or self._closing_side(account, inst_id, mgn_mode, pos_side)
        far, near = (
            (1, 2) if side == "sell" else (2, 1)
        )  # times the price: a stop is below for a long, above for a short
        if ord_type == "oco":
            tp_trigger_px = tp_trigger_px or decimal_text(instrument.price * near)
        if ord_type == "oco" or (ord_type == "conditional" and not tp_trigger_px):
            sl_trigger_px = sl_trigger_px or decimal_text(instrument.price * far / 2)
        return self._orders.add_algo(
            AlgoOrder(
                account.user_id,
                inst_id,
                instrument.inst_type,
                instrument.inst_family,
                mgn_mode,
                pos_side,
                side,
                ord_type,
                sz,
                "" if sz else "1",
                reduce_only,
                tp_trigger_px,
                sl_trigger_px,
                trigger_px,
                callback_ratio,
                algo_id=self._orders.new_id(),
                c_time=self._wall_ms(),
            )
        )

    def list_instrument(
        self,
        inst_id: str,
        *,
        state: str = "live",
        market_orders: bool = True,
        lot_sz: str | None = None,
        tick_sz: str | None = None,
        ct_val: str | None = None,
    ) -> Instrument:
        """List an instrument, or change its state and sizes.

        Args:
            inst_id: The instrument.
            state: "live" (by default), or one that refuses a close: suspend 51022, preopen 51021, post_only 51110,
                settling 51029.
            market_orders: Whether it takes market orders, by default it does; if not, a close is answered 51066.
            lot_sz: Its lot, which is its least size as well; by default as it is.
            tick_sz: Its tick; by default as it is.
            ct_val: The value of one contract; by default as it is.
        """
        listed = self._listed(inst_id)
        for given in (lot_sz, tick_sz, ct_val):
            if given is not None and _amount(given, "a size") <= 0:
                raise ValueError(f"{inst_id}: sizes are positive, got {given!r}")
        return self._relist(
            replace(
                listed,
                state=state,
                market_orders=market_orders,
                lot_sz=lot_sz or listed.lot_sz,
                tick_sz=tick_sz or listed.tick_sz,
                ct_val=listed.ct_val if ct_val is None else _amount(ct_val),
            )
        )

    def set_price(self, inst_id: str, px: int | str | Decimal) -> None:
        """Set the price of an instrument: market orders fill at it, profit and loss are shown by it.

        Args:
            inst_id: The instrument.
            px: The price in the quote currency, above 0.
        """
        price = _amount(px, "px")
        if price <= 0:
            raise ValueError(f"{inst_id}: a price is positive, got {px}")
        self._relist(replace(self._listed(inst_id), price=price))

    def delist(self, inst_id: str) -> None:
        """Remove an instrument from the list: a close is answered 51001.

        Args:
            inst_id: The instrument.
        """
        del self._venue.instruments[inst_id]

    @property
    def instruments(self) -> tuple[str, ...]:
        """The ids of the listed instruments."""
        return tuple(self._venue.instruments)

    @property
    def positions(self) -> tuple[Holding, ...]:
        """The positions of all accounts that are open now."""
        return self._books.holdings(self._clock())

    @property
    def pending_orders(self) -> tuple[PendingOrder, ...]:
        """The live orders of all accounts, newest first."""
        self._books.settle(self._clock())
        return tuple(self._orders.pending())

    @property
    def algo_orders(self) -> tuple[AlgoOrder, ...]:
        """The waiting algo orders of all accounts, newest first."""
        return tuple(self._orders.algos())

    @property
    def trades(self) -> tuple[Trade, ...]:
        """Every change of a position until now, in order: the truth to compare a client's results with."""
        self._books.settle(self._clock())
        return tuple(self._books.trades)

    def _account_of(self, account: Account | None) -> Account:
        """Return the account that is meant; None: the first."""
        if not isinstance(account, Account | None):
            raise TypeError(f"account must be an Account, as add_account returns it, got {account!r}")
        return self._account if account is None else account

    def _resolve(
        self,
        account: Account,
        inst_id: str,
        pos: int | str | Decimal,
        *,
        mgn_mode: str,
        pos_side: str,
        ccy: str | None,
    ) -> tuple[Instrument, Decimal, str]:
        """Return the instrument, the signed amount and the currency of a position."""
        instrument = self._listed(inst_id)
        _check_side(account, instrument, pos_side)
        amount = _amount(pos)
        if pos_side != "net" and amount < 0:
            raise ValueError(f"{inst_id}: pos of a {pos_side} position is not negative, got {pos}")
        if mgn_mode not in {"cross", "isolated"}:
            raise ValueError(f'mgn_mode must be "cross" or "isolated", got {mgn_mode!r}')
        natural = instrument.settle_ccy if instrument.contract else instrument.quote_ccy
        return instrument, -amount if pos_side == "short" else amount, ccy or natural

    def _listed(self, inst_id: str) -> Instrument:
        instrument = self._venue.instruments.get(inst_id) or describe(inst_id)
        if instrument is None:
            raise ValueError(f"{inst_id!r} is no instrument id: letters, digits, '_', '.', single inner dashes")
        return self._venue.instruments.setdefault(inst_id, instrument)

    def _relist(self, instrument: Instrument) -> Instrument:
        self._venue.instruments[instrument.inst_id] = instrument
        self._books.relist(instrument)
        return instrument

    def _closing_side(self, account: Account, inst_id: str, mgn_mode: str, pos_side: str) -> str:
        position = self._books.find(account.user_id, inst_id, mgn_mode, pos_side)
        short = position.pos < 0 if position else pos_side == "short"
        return "buy" if short else "sell"


def _check_side(account: Account, instrument: Instrument, pos_side: str) -> None:
    two_sided = account.pos_mode == "long_short_mode" and instrument.inst_type in {"FUTURES", "SWAP"}
    allowed = ("long", "short") if two_sided else ("net",)
    if pos_side not in allowed:
        raise ValueError(
            f"{instrument.inst_id}: pos_side must be {' or '.join(allowed)} in {account.pos_mode}, got {pos_side!r}"
        )


def _amount(given: Any, name: str = "pos") -> Decimal:
    if type(given) is int:
        return Decimal(given)
    if not isinstance(given, int | str | Decimal) or isinstance(given, bool):
        raise TypeError(f"{name} must be an int, a str or a Decimal, got {given!r}")
    try:
        amount = Decimal(given)
    except InvalidOperation:
        raise ValueError(f"{name} must be a number, got {given!r}") from None
    if not is_writable(amount):
        raise ValueError(f"{name} must be finite, and of {_DIGITS} digits at most, got {given!r}")
    return amount


def is_writable(amount: Decimal) -> bool:
    """Whether an amount can be written digit by digit, as the exchange writes all of them."""
    return amount.is_finite() and abs(amount.adjusted()) <= _DIGITS and len(amount.as_tuple().digits) <= _DIGITS
