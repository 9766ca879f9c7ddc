"""The endpoint `POST trade/close-position`: its checks, in this order, and its effect."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from okx_async.simulator.api.accounts import Account
from okx_async.simulator.api.calls import Call, Venue, parameter_error
from okx_async.simulator.api.codes import Refused
from okx_async.simulator.api.rules import check_order_ids, pos_side_of, tradable
from okx_async.simulator.books.instruments import decimal_text
from okx_async.simulator.books.orders import PendingOrder
from okx_async.simulator.books.positions import Position

_FUTURES_MODE = "2"
_LEAD_TRADER = "1"


def close_position(venue: Venue, call: Call) -> list[Any]:
    """Accept a market close of one position; https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-close-positions."""
    inst_id = call.need("instId")
    mgn_mode = call.need("mgnMode")
    if mgn_mode not in {"cross", "isolated"}:
        raise parameter_error("mgnMode")
    check_order_ids(call)
    auto_cxl = _auto_cxl(venue, call)

    instrument = tradable(venue, inst_id)
    pos_side = pos_side_of(call, instrument)
    ccy = call.text("ccy")
    futures_mode = call.key.account.acct_lv == _FUTURES_MODE
    if not instrument.contract and mgn_mode == "cross" and futures_mode and not ccy:
        raise Refused("50014", "Parameter ccy cannot be empty.")

    venue.books.settle(call.now)
    _may_close(call.key.account, inst_id)
    position = venue.books.find(call.user_id, inst_id, mgn_mode, pos_side, ccy)
    if position is None or not position.pos:
        raise Refused("51023")
    if position.frozen:
        raise Refused(position.frozen)
    if position.running:
        raise Refused("51032")
    blocking = venue.orders.blocking(position)
    if blocking and not auto_cxl:
        raise Refused("51115")

    venue.orders.cancel(blocking, call.ms)
    if auto_cxl and venue.auto_cxl_algos:
        venue.orders.cancel(venue.orders.attached(position), call.ms)
    done = _order_recorder(venue, position, call) if call.cl_ord_id else _record_nothing
    venue.books.close(position, call.now, call.ms, venue.fill_delay(), part=call.part, done=done)
    call.executed = True
    return [{"clOrdId": call.text("clOrdId"), "instId": inst_id, "posSide": pos_side, "tag": call.text("tag")}]


def _record_nothing(_filled: Decimal, _ms: int) -> None:
    pass


def _order_recorder(venue: Venue, position: Position, call: Call) -> Callable[[Decimal, int], None]:
    """Return a callback that adds the order of a close, once it has ended, under the client's clOrdId.

    Whether the exchange gives the order that clOrdId is not documented.
    """
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
                cl_ord_id=call.cl_ord_id,
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


def _may_close(account: Account, inst_id: str) -> None:
    """Raise Refused if the account may not close this instrument."""
    if account.role_type == _LEAD_TRADER and (not account.trader_insts or inst_id in account.trader_insts):
        raise Refused("51156")
    if account.refusal:
        raise Refused(account.refusal)


def _auto_cxl(venue: Venue, call: Call) -> bool:
    value = call.params.get("autoCxl")
    if value is None or value == "":
        return False
    if venue.lenient_booleans and isinstance(value, str) and value in {"true", "false"}:
        return value == "true"
    if not isinstance(value, bool):
        raise parameter_error("autoCxl")
    return value
