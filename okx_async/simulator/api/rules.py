"""What closing a position and placing an order have in common: names, instruments, sides."""

from __future__ import annotations

import re

from okx_async.simulator.api.calls import Call, Venue, parameter_error
from okx_async.simulator.api.codes import Refused
from okx_async.simulator.books.instruments import Instrument

__all__ = ["check_names", "pos_side_of", "tradable"]

_CL_ORD_ID = re.compile(r"[A-Za-z0-9]{1,32}", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9]{1,16}", re.ASCII)
_REFUSED = {"suspend": "51022", "preopen": "51021", "settling": "51029"}


def check_names(call: Call) -> None:
    """Raise Refused unless the client's own names for an order have their form."""
    for name, form in (("clOrdId", _CL_ORD_ID), ("tag", _TAG)):
        if (value := call.text(name)) and not form.fullmatch(value):
            raise parameter_error(name)


def tradable(venue: Venue, inst_id: str, *, market: bool = True) -> Instrument:
    """Return the instrument, or raise Refused where it is not traded now, or not by `market` orders."""
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
    """Return the side asked for; position modes are a matter of FUTURES and SWAP, all else is net."""
    given = call.text("posSide")
    two_sided = instrument.inst_type in {"FUTURES", "SWAP"} and call.key.account.pos_mode == "long_short_mode"
    if given not in ({"long", "short"} if two_sided else {"", "net"}):
        raise parameter_error("posSide")
    return given or "net"
