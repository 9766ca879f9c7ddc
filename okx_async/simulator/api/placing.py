"""The endpoints that place orders, one or several.

An order that crosses the instrument's price fills at once and completely, at that price; any other limit order rests
and never fills. There are no balances and no fees. Spot trades (``tdMode`` cash) are not offered.
"""

from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from okx_async.simulator.api.calls import Call, Venue, parameter_error
from okx_async.simulator.api.codes import Refused, words_of
from okx_async.simulator.api.rules import check_cl_ord_id_free, check_order_ids, pos_side_of, tradable
from okx_async.simulator.books.instruments import Instrument, decimal_text
from okx_async.simulator.books.orders import PendingOrder
from okx_async.simulator.books.positions import Position

_MOST = 20  # orders of a batch

ORDER_TYPES = {"market", "limit", "post_only", "fok", "ioc", "optimal_limit_ioc"}
_AT_MARKET = {"market", "optimal_limit_ioc"}
_AT_ONCE = {"fok", "ioc"}
_FLAGS = {True: True, False: False, "true": True, "false": False, "": False, None: False}


def place_order(venue: Venue, call: Call) -> list[Any]:
    """Place one order; https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-place-order."""
    try:
        order = _place(venue, call)
    except Refused as refused:
        return [order_item(venue, call.ms, refused, cl_ord_id=call.cl_ord_id)]
    return [order_item(venue, call.ms, None, order.ord_id, order.cl_ord_id, words="Order placed")]


def place_batch_orders(venue: Venue, call: Call) -> list[Any]:
    """Place up to 20 orders; each item of the reply has its own code."""
    if not call.items:
        raise Refused("50014", "Parameter data cannot be empty.")
    if len(call.items) > _MOST:
        raise Refused("50025", f"Parameter data count exceeds the limit {_MOST}.")
    placed = []
    for item in call.items:
        one = replace(call, params=item)
        placed += place_order(venue, one)
        call.executed |= one.executed
    return placed


def order_item(
    venue: Venue, ms: int, refused: Refused | None, ord_id: str = "", cl_ord_id: str = "", *, words: str = ""
) -> dict[str, str]:
    """Return the item of a reply for one order.

    Args:
        venue: The state of the exchange, for the codes of its refusals.
        ms: The server's time.
        refused: The refusal; None: the order was accepted.
        ord_id: The order's id.
        cl_ord_id: The client's id for it.
        words: The message if it was accepted.
    """
    code, message = "0", words
    if refused:
        style = venue.behaviour.refusals.get(refused.situation)
        code = style.code if style else refused.code
        message = (refused.message if code == refused.code else "") or words_of(code)
    return {"clOrdId": cl_ord_id, "ordId": ord_id, "sCode": code, "sMsg": message, "tag": "", "ts": str(ms)}


def _place(venue: Venue, call: Call) -> PendingOrder:
    inst_id, mgn_mode = call.need("instId"), call.need("tdMode")
    side, kind = call.need("side"), call.need("ordType")
    for name, allowed in (("tdMode", {"cross", "isolated"}), ("side", {"buy", "sell"}), ("ordType", ORDER_TYPES)):
        if call.text(name) not in allowed:
            raise parameter_error(name)
    check_order_ids(call)
    instrument = tradable(venue, inst_id, market=kind in _AT_MARKET)
    pos_side = pos_side_of(call, instrument)
    cl_ord_id = call.text("clOrdId")
    check_cl_ord_id_free(venue, call)
    px = instrument.price if kind in _AT_MARKET else _number(call, "px")
    size = _size(call, instrument, side, kind)
    ccy = call.text("ccy") or (instrument.settle_ccy if instrument.contract else instrument.quote_ccy)
    reduce_only = _flag(call, "reduceOnly") and pos_side == "net"  # ignored in long/short mode

    venue.books.settle(call.now)
    position = venue.books.find(call.user_id, inst_id, mgn_mode, pos_side, ccy)
    reduces = reduce_only or (pos_side, side) in {("long", "sell"), ("short", "buy")}
    if reduces:
        size = _reduction(position, side, size, net=pos_side == "net")
    crosses = px >= instrument.price if side == "buy" else px <= instrument.price
    fills = crosses and kind != "post_only"
    state = "live"
    if fills:
        state = "filled"
    elif crosses or kind in _AT_ONCE:
        state = "canceled"
    order = PendingOrder(
        call.user_id,
        inst_id,
        instrument.inst_type,
        instrument.inst_family,
        mgn_mode,
        pos_side,
        side,
        kind,
        "" if kind == "market" else decimal_text(px),
        decimal_text(size),
        reduce_only,
        cl_ord_id,
        ord_id=venue.orders.new_id(),
        c_time=call.ms,
        tag=call.text("tag"),
        ccy=call.text("ccy"),
        state=state,
        acc_fill_sz=decimal_text(size) if fills else "0",
        avg_px=decimal_text(instrument.price) if fills else "",
        u_time=call.ms,
    )
    venue.orders.add(order)
    call.executed = True
    if fills:
        position = venue.books.position_at(
            call.user_id, instrument, mgn_mode=mgn_mode, pos_side=pos_side, ccy=ccy, now=call.now, ms=call.ms
        )
        pos = position.pos + (size if side == "buy" else -size)
        venue.books.move(position, pos, call.now, call.ms, "order", px=instrument.price, asked=call.now)
    return order


def _reduction(position: Position | None, side: str, size: Decimal, *, net: bool) -> Decimal:
    """Return the size of a reducing order, at most that of the position."""
    open_side = "" if position is None or not position.pos else "sell" if position.pos > 0 else "buy"
    if position is None or side != open_side:
        raise Refused("51169")
    if size > abs(position.pos) and not net:
        raise Refused("51112")
    return min(size, abs(position.pos))


def _size(call: Call, instrument: Instrument, side: str, kind: str) -> Decimal:
    """Return the size in contracts, or for a pair in its base currency; market buys of pairs are given in the quote."""
    size, lot = _number(call, "sz"), Decimal(instrument.lot_sz)
    if not instrument.contract and side == "buy" and kind == "market" and call.text("tgtCcy") != "base_ccy":
        size = size / instrument.price // lot * lot
    if size < lot:
        raise Refused("51020")
    if size % lot:
        raise Refused("51121")
    return size


def _number(call: Call, name: str) -> Decimal:
    try:
        value = Decimal(call.need(name))
    except InvalidOperation:
        raise parameter_error(name) from None
    if not (value.is_finite() and 0 < value < 10**15):
        raise parameter_error(name)
    return value


def _flag(call: Call, name: str) -> bool:
    value = call.params.get(name)
    if isinstance(value, bool | str | None) and value in _FLAGS:
        return _FLAGS[value]
    raise parameter_error(name)
