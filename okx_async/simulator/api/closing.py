"""The endpoint `POST trade/close-position`: its checks, in the order of `Behaviour.close_checks`, and its effect."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from okx_async.simulator.api.calls import Call, Venue, parameter_error
from okx_async.simulator.api.codes import Refused
from okx_async.simulator.api.rules import check_cl_ord_id_free, check_order_ids, pos_side_of, tradable
from okx_async.simulator.books.instruments import Instrument, decimal_text, describe
from okx_async.simulator.books.orders import PendingOrder
from okx_async.simulator.books.positions import Position

_FUTURES_MODE = "2"
_LEAD_TRADER = "1"
_OF_FORM = frozenset({"instId", "mgnMode", "ids", "autoCxl"})


@dataclass(slots=True)
class _Close:
    """One close on its way through its checks."""

    venue: Venue
    call: Call
    pos_side: str = "net"

    @property
    def inst_id(self) -> str:
        return self.call.text("instId")

    @property
    def instrument(self) -> Instrument | None:
        """The instrument; of an id that is not listed what it would stand for, since sides may be checked earlier."""
        return self.venue.instruments.get(self.inst_id) or describe(self.inst_id)

    @property
    def position(self) -> Position | None:
        """The position at the address, by what the request says."""
        text = self.call.text
        side = text("posSide") or "net"
        found = self.venue.books.find(self.call.user_id, self.inst_id, text("mgnMode"), side, text("ccy"))
        return found if found is not None and found.pos else None

    @property
    def auto_cxl(self) -> bool:
        """Whether orders in the way are to be cancelled, whether or not the form of that was checked already."""
        value = self.call.params.get("autoCxl")
        return value is True or (self.venue.behaviour.lenient_booleans and value == "true")

    @property
    def blocking(self) -> list[PendingOrder]:
        """The live orders that would reduce the position; where there is none, those of the instrument's side."""
        position, orders = self.position, self.venue.orders
        if position is None:
            return orders.closing_at(self.call.user_id, self.inst_id, self.call.text("posSide") or "net")
        return orders.blocking(position)


def close_position(venue: Venue, call: Call) -> list[Any]:
    """Accept a market close of one position; https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-close-positions."""
    venue.books.settle(call.now)
    close = _Close(venue, call)
    for name in venue.behaviour.close_checks:
        _CHECKS[name](close)
    position = close.position
    assert position is not None, "one of the checks"  # noqa: S101 - for the type checker
    venue.orders.cancel(close.blocking, call.ms)
    if close.auto_cxl and venue.behaviour.auto_cxl_algos:
        venue.orders.cancel(venue.orders.attached(position), call.ms)
    done = _order_recorder(venue, position, call) if call.cl_ord_id else _record_nothing
    venue.books.close(position, call.now, call.ms, venue.fill_delay(), part=call.part, done=done)
    call.executed = True
    said = call.text("posSide") or venue.behaviour.pos_side_echo
    return [{"clOrdId": call.text("clOrdId"), "instId": close.inst_id, "posSide": said, "tag": call.text("tag")}]


def check_form(venue: Venue, call: Call) -> None:
    """Raise Refused if a parameter of a close is missing or malformed, whatever it names."""
    close = _Close(venue, call)
    for name in venue.behaviour.close_checks:
        if name in _OF_FORM:
            _CHECKS[name](close)


def _check_inst_id(close: _Close) -> None:
    close.call.need("instId")


def _check_mgn_mode(close: _Close) -> None:
    if close.call.need("mgnMode") not in {"cross", "isolated"}:
        raise parameter_error("mgnMode")


def _check_ids(close: _Close) -> None:
    check_order_ids(close.call)
    check_cl_ord_id_free(close.venue, close.call, reusable=close.venue.behaviour.cl_ord_id_reusable)


def _check_auto_cxl(close: _Close) -> None:
    value = close.call.params.get("autoCxl")
    absent = value is None or (value == "" and close.call.empty_is_absent)
    lenient = close.venue.behaviour.lenient_booleans and value in ("true", "false")
    if not (absent or lenient or isinstance(value, bool)):
        raise parameter_error("autoCxl")


def _check_instrument(close: _Close) -> None:
    tradable(close.venue, close.inst_id)


def _check_pos_side(close: _Close) -> None:
    if (instrument := close.instrument) is not None:
        pos_side_of(close.call, instrument)


def _check_ccy(close: _Close) -> None:
    instrument, call = close.instrument, close.call
    cross = call.text("mgnMode") == "cross" and call.key.account.acct_lv == _FUTURES_MODE
    if instrument is not None and not instrument.contract and cross:
        call.need("ccy")


def _check_account(close: _Close) -> None:
    """Raise Refused if the account may not close this instrument."""
    account = close.call.key.account
    if account.role_type == _LEAD_TRADER and (not account.trader_insts or close.inst_id in account.trader_insts):
        raise Refused("51156")
    if account.refusal:
        raise Refused(account.refusal)


def _check_position(close: _Close) -> None:
    if close.position is None:
        isolated = close.call.text("mgnMode") == "isolated"
        raise Refused("51023", situation="no isolated position" if isolated else "")


def _check_frozen(close: _Close) -> None:
    if (position := close.position) is not None and position.frozen:
        raise Refused(position.frozen)


def _check_running(close: _Close) -> None:
    if (position := close.position) is not None and position.running:
        raise Refused("51032")


def _check_orders(close: _Close) -> None:
    if not close.auto_cxl and close.blocking:
        raise Refused("51115")


_CHECKS: dict[str, Callable[[_Close], None]] = {
    "instId": _check_inst_id,
    "mgnMode": _check_mgn_mode,
    "ids": _check_ids,
    "autoCxl": _check_auto_cxl,
    "instrument": _check_instrument,
    "posSide": _check_pos_side,
    "ccy": _check_ccy,
    "account": _check_account,
    "position": _check_position,
    "frozen": _check_frozen,
    "running": _check_running,
    "orders": _check_orders,
}
"""The checks of a close, by their names in `Behaviour.close_checks`."""


def _record_nothing(_filled: Decimal, _ms: int) -> None:
    pass


def _order_recorder(venue: Venue, position: Position, call: Call) -> Callable[[Decimal, int], None]:
    """Return a callback that adds the order of a close, once it has ended, under the client's clOrdId or none."""
    pos, instrument, ord_id = position.pos, position.instrument, venue.orders.new_id()

    def done(filled: Decimal, ms: int) -> None:
        size = abs(pos)
        venue.orders.add(
            PendingOrder(
                call.user_id,
                instrument.inst_id,
                instrument.inst_type,
                instrument.inst_family,
                position.mgn_mode,
                position.pos_side,
                "sell" if pos > 0 else "buy",
                "market",
                "",
                decimal_text(size),
                reduce_only=True,
                cl_ord_id=call.cl_ord_id if venue.behaviour.cl_ord_id_kept else "",
                ord_id=ord_id,
                c_time=call.ms,
                tag=call.text("tag"),
                ccy=call.text("ccy"),
                state="filled" if filled == size else "canceled",
                acc_fill_sz=decimal_text(filled),
                avg_px=decimal_text(position.instrument.price) if filled else "",
                u_time=ms,
            )
        )

    return done
