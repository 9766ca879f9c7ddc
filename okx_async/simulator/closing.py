"""Closing a position: what `POST trade/close-position` checks, in this order, and does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from okx_async.simulator.calls import parameter_error
from okx_async.simulator.codes import Refused

if TYPE_CHECKING:
    from okx_async.simulator.accounts import Account
    from okx_async.simulator.calls import Call, Venue
    from okx_async.simulator.instruments import Instrument

__all__ = ["close_position"]

_CL_ORD_ID = re.compile(r"[A-Za-z0-9]{1,32}", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9]{1,16}", re.ASCII)
_FUTURES_MODE = "2"
_LEAD_TRADER = "1"


def close_position(venue: Venue, call: Call) -> list[Any]:
    """Take a market close of one position; https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-close-positions."""
    inst_id = call.need("instId")
    mgn_mode = call.need("mgnMode")
    if mgn_mode not in {"cross", "isolated"}:
        raise parameter_error("mgnMode")
    for name, form in (("clOrdId", _CL_ORD_ID), ("tag", _TAG)):
        if call.text(name) and not form.fullmatch(call.text(name)):
            raise parameter_error(name)
    auto_cxl = _auto_cxl(venue, call)

    instrument = _tradable(venue, inst_id)
    pos_side = _pos_side(call, instrument)
    ccy = call.text("ccy")
    futures_mode = call.key.account.acct_lv == _FUTURES_MODE
    if not instrument.contract and mgn_mode == "cross" and futures_mode and not ccy:
        raise Refused("50014", "Parameter ccy cannot be empty.")

    _may_close(call.key.account, inst_id)
    venue.books.settle(call.now)
    slot = venue.books.find(call.user_id, inst_id, mgn_mode, pos_side, ccy)
    if slot is None or not slot.pos:
        raise Refused("51023")
    if slot.frozen:
        raise Refused(slot.frozen)
    if slot.running:
        raise Refused("51032")
    in_the_way = venue.orders.in_the_way(slot)
    if in_the_way and not auto_cxl:
        raise Refused("51115")

    venue.orders.cancel(in_the_way)
    if auto_cxl and venue.auto_cxl_algos:
        venue.orders.cancel(venue.orders.attached(slot))
    venue.books.close(slot, call.now, call.ms, venue.fill_delay(), call.part)
    call.executed = True
    return [{"clOrdId": call.text("clOrdId"), "instId": inst_id, "posSide": pos_side, "tag": call.text("tag")}]


def _may_close(account: Account, inst_id: str) -> None:
    """Raise Refused where the account as a whole may not use this endpoint."""
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


def _tradable(venue: Venue, inst_id: str) -> Instrument:
    instrument = venue.instruments.get(inst_id)
    if instrument is None:
        raise Refused("51001")
    refusals = {"suspend": "51022", "preopen": "51021", "post_only": "51110", "settling": "51029"}
    if code := refusals.get(instrument.state):
        raise Refused(code)
    if not instrument.market_orders:
        raise Refused("51066")
    return instrument


def _pos_side(call: Call, instrument: Instrument) -> str:
    """Return the side asked for; position modes are a matter of FUTURES and SWAP, all else is net."""
    given = call.text("posSide")
    two_sided = instrument.inst_type in {"FUTURES", "SWAP"} and call.key.account.pos_mode == "long_short_mode"
    if given not in ({"long", "short"} if two_sided else {"", "net"}):
        raise parameter_error("posSide")
    return given or "net"
