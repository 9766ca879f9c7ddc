"""Checks that closing a position and placing an order share: ids, instruments, sides."""

import re

from okx_async.simulator.api.calls import Call, Venue, parameter_error
from okx_async.simulator.api.codes import Refused
from okx_async.simulator.books.instruments import Instrument

_CL_ORD_ID = re.compile(r"[A-Za-z0-9]{1,32}", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9]{1,16}", re.ASCII)
_REFUSED = {"suspend": "51022", "preopen": "51021", "settling": "51029"}


def check_order_ids(call: Call) -> None:
    """Raise Refused if clOrdId or tag is malformed."""
    for name, form in (("clOrdId", _CL_ORD_ID), ("tag", _TAG)):
        if (value := call.text(name)) and not form.fullmatch(value):
            raise parameter_error(name)


def check_cl_ord_id_free(venue: Venue, call: Call, *, reusable: bool = True) -> None:
    """Raise Refused if a live order of the account has the clOrdId, whatever its instrument.

    Args:
        venue: The state of the exchange.
        call: The request.
        reusable: Whether the id of an order that has ended is free again.
    """
    name = call.text("clOrdId")
    namesake = venue.orders.find(call.user_id, cl_ord_id=name) if name else None
    if namesake and (namesake.state == "live" or not reusable):
        raise Refused("51016")


def tradable(venue: Venue, inst_id: str, *, market: bool = True) -> Instrument:
    """Return the instrument; raise Refused if it is not traded now, or not by `market` orders."""
    instrument = venue.instruments.get(inst_id)
    if instrument is None:
        raise Refused("51001")
    if code := _REFUSED.get(instrument.state):
        raise Refused(code)
    if market and instrument.state == "post_only":
        raise Refused("51110")
    if market and not instrument.market_orders:
        raise Refused("51066")
    return instrument


def pos_side_of(call: Call, instrument: Instrument) -> str:
    """Return the side of a request; only FUTURES and SWAP have position modes, all else is net."""
    given = call.text("posSide")
    two_sided = instrument.inst_type in {"FUTURES", "SWAP"} and call.key.account.pos_mode == "long_short_mode"
    if given not in ({"long", "short"} if two_sided else {"", "net"}):
        raise parameter_error("posSide")
    return given or "net"
