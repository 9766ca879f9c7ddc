"""What each endpoint checks and does, once a request is authenticated and counted.

Each takes the venue and the call and returns the items of ``data``, or raises Refused. Empty texts count as absent,
as some clients send them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from okx_async.simulator.codes import Refused
from okx_async.simulator.instruments import INST_TYPES, rate_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from okx_async.simulator.accounts import ApiKey
    from okx_async.simulator.arrivals import RateKey
    from okx_async.simulator.books import Books
    from okx_async.simulator.instruments import Instrument

__all__ = ["CLOSE_PATH", "ROUTES", "Call", "Route", "Venue"]

CLOSE_PATH = "/api/v5/trade/close-position"

_CL_ORD_ID = re.compile(r"[A-Za-z0-9]{1,32}", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9]{1,16}", re.ASCII)
_MAX_INST_IDS = 10
_MAX_POS_IDS = 20
_MAX_ORDERS = 100
_FUTURES_MODE = "2"


@dataclass(frozen=True, slots=True)
class Venue:
    """What the endpoints work on; ``fill_delay`` gives the seconds that the next close takes."""

    instruments: dict[str, Instrument]
    books: Books
    fill_delay: Callable[[], float]
    lenient_booleans: bool = False
    fill: Decimal = Decimal(1)
    """The part of the position that a close fills, where no fault says otherwise."""


@dataclass(slots=True)
class Call:
    """One request on its way through the checks: what it asks for, and what became known of it so far."""

    now: float
    ms: int
    ip: str
    params: Mapping[str, Any] = field(default_factory=dict)
    api_key: ApiKey | None = None
    rate_key: RateKey | None = None
    part: Decimal = Decimal(1)
    executed: bool = False
    fault: str = ""

    @property
    def key(self) -> ApiKey:
        """The API key of a private call."""
        if self.api_key is None:
            raise AssertionError("private endpoints run after authentication")
        return self.api_key

    @property
    def user_id(self) -> str:
        """Who calls; "" while that is not known."""
        return self.api_key.account.user_id if self.api_key else ""

    @property
    def inst_id(self) -> str:
        """The instrument that the request names as text, or ""."""
        value = self.params.get("instId")
        return value if isinstance(value, str) else ""

    @property
    def cl_ord_id(self) -> str:
        """The client's own name for the order as text, or ""."""
        value = self.params.get("clOrdId")
        return value if isinstance(value, str) else ""

    def text(self, name: str) -> str:
        """Return a parameter, "" where it is absent."""
        value = self.params.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise _parameter_error(name)
        return value

    def need(self, name: str) -> str:
        """Return a required parameter."""
        if not (value := self.text(name)):
            raise Refused("50014", f"Parameter {name} cannot be empty.")
        return value


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint: how it is called, how often, and by what it is counted."""

    method: str
    path: str
    limit: int
    scope: Callable[[Call], str]
    act: Callable[[Venue, Call], list[Any]]
    private: bool = True
    permission: str = ""


def close_position(venue: Venue, call: Call) -> list[Any]:
    """Take a market close of one position; https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-close-positions."""
    inst_id = call.need("instId")
    mgn_mode = call.need("mgnMode")
    if mgn_mode not in {"cross", "isolated"}:
        raise _parameter_error("mgnMode")
    for name, form in (("clOrdId", _CL_ORD_ID), ("tag", _TAG)):
        if call.text(name) and not form.fullmatch(call.text(name)):
            raise _parameter_error(name)
    auto_cxl = _auto_cxl(venue, call)

    instrument = _tradable(venue, inst_id)
    pos_side = _pos_side(call, instrument)
    ccy = call.text("ccy")
    futures_mode = call.key.account.acct_lv == _FUTURES_MODE
    if not instrument.contract and mgn_mode == "cross" and futures_mode and not ccy:
        raise Refused("50014", "Parameter ccy cannot be empty.")

    venue.books.settle(call.now)
    slot = venue.books.find(call.user_id, inst_id, mgn_mode, pos_side, ccy)
    if slot and slot.pos and slot.running:
        raise Refused("51032")
    if slot is None or not slot.pos:
        raise Refused("51023")
    in_the_way = venue.books.in_the_way(slot)
    if in_the_way and not auto_cxl:
        raise Refused("51115")

    venue.books.cancel(in_the_way)
    venue.books.close(slot, call.now, call.ms, venue.fill_delay(), call.part)
    call.executed = True
    return [{"clOrdId": call.text("clOrdId"), "instId": inst_id, "posSide": pos_side, "tag": call.text("tag")}]


def positions(venue: Venue, call: Call) -> list[Any]:
    """List positions; flat slots only where asked for by instId or posId."""
    inst_type = _inst_type(call)
    inst_ids = _comma_list(call, "instId", _MAX_INST_IDS)
    pos_ids = _comma_list(call, "posId", _MAX_POS_IDS)
    for inst_id in inst_ids:
        instrument = venue.instruments.get(inst_id)
        if inst_type and instrument and instrument.inst_type != inst_type:
            raise Refused("51015")
    return [
        slot.row()
        for slot in venue.books.slots(call.user_id, call.now, call.ms)
        if (slot.pos or inst_ids or pos_ids)
        and (not inst_type or slot.instrument.inst_type == inst_type)
        and (not inst_ids or slot.instrument.inst_id in inst_ids)
        and (not pos_ids or slot.pos_id in pos_ids)
    ]


def config(_venue: Venue, call: Call) -> list[Any]:
    """Describe the account, as the key that asks may see it."""
    account = call.key.account
    return [
        {
            "uid": account.user_id,
            "mainUid": account.user_id,
            "acctLv": account.acct_lv,
            "posMode": account.pos_mode,
            "perm": call.key.perm,
            "ip": call.key.ip,
            "kycLv": "2",
            "label": "simulated",
            "type": "0",
            "level": "Lv1",
            "ctIsoMode": "automatic",
            "mgnIsoMode": "automatic",
            "roleType": "0",
            "opAuth": "1",
            "acctStpMode": "cancel_maker",
            "autoLoan": False,
            "enableSpotBorrow": False,
            "traderInsts": [],
            "settleCcy": "USDC",
            "settleCcyList": ["USD", "USDC", "USDG"],
        }
    ]


def public_time(_venue: Venue, call: Call) -> list[Any]:
    """Tell the server's time in Unix milliseconds."""
    return [{"ts": str(call.ms)}]


def public_instruments(venue: Venue, call: Call) -> list[Any]:
    """List instruments of one type; options of one family only."""
    call.need("instType")
    inst_type = _inst_type(call)
    family = call.text("instFamily") or call.text("uly")
    if inst_type == "OPTION" and not family:
        raise Refused("50015", "Either parameter instFamily or uly is required.")
    inst_id = call.text("instId")
    if inst_id and inst_id not in venue.instruments:
        raise Refused("51001")
    return [
        instrument.row(10459 + number, inst_type)
        for number, instrument in enumerate(venue.instruments.values())
        if instrument.inst_type == ("MARGIN" if inst_type == "SPOT" else inst_type)
        and (not family or instrument.inst_family == family)
        and (not inst_id or instrument.inst_id == inst_id)
    ]


def orders_pending(venue: Venue, call: Call) -> list[Any]:
    """List live orders, newest first; `after` and `before` are order ids, exclusive."""
    wanted = {
        "instType": _inst_type(call),
        "instId": call.text("instId"),
        "ordType": call.text("ordType"),
        "state": call.text("state"),
    }
    family = call.text("instFamily") or call.text("uly")
    after, before = _number(call, "after"), _number(call, "before")
    limit = _number(call, "limit") or _MAX_ORDERS
    if limit > _MAX_ORDERS:
        raise _parameter_error("limit")
    rows = [
        order.row()
        for order in venue.books.orders(call.user_id)
        if (not after or int(order.ord_id) < after)
        and (not before or int(order.ord_id) > before)
        and (not family or order.inst_family == family)
    ]
    return [row for row in rows if all(not value or row[name] == value for name, value in wanted.items())][:limit]


def _parameter_error(name: str) -> Refused:
    return Refused("51000", f"Parameter {name} error")


def _auto_cxl(venue: Venue, call: Call) -> bool:
    value = call.params.get("autoCxl")
    if value is None or value == "":
        return False
    if venue.lenient_booleans and isinstance(value, str) and value in {"true", "false"}:
        return value == "true"
    if not isinstance(value, bool):
        raise _parameter_error("autoCxl")
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
        raise _parameter_error("posSide")
    return given or "net"


def _inst_type(call: Call) -> str:
    value = call.text("instType")
    if value and value not in INST_TYPES:
        raise _parameter_error("instType")
    return value


def _comma_list(call: Call, name: str, most: int) -> set[str]:
    values = [value for value in call.text(name).split(",") if value]
    if len(values) > most:
        raise Refused("50025", f"Parameter {name} count exceeds the limit {most}.")
    return set(values)


def _number(call: Call, name: str) -> int:
    value = call.text(name)
    if not value:
        return 0
    if not (value.isascii() and value.isdecimal() and len(value) < 20):  # noqa: PLR2004 - what fits in 64 bits
        raise _parameter_error(name)
    return int(value)


def _close_scope(call: Call) -> str:
    return rate_scope(call.inst_id)


def _instruments_scope(call: Call) -> str:
    inst_type = call.params.get("instType", "")
    return f"public/instruments/{inst_type}" if inst_type in INST_TYPES else "public/instruments/"


ROUTES = {
    route.path: route
    for route in (
        Route("POST", CLOSE_PATH, 20, _close_scope, close_position, permission="trade"),
        Route("GET", "/api/v5/account/positions", 10, lambda _: "account/positions", positions),
        Route("GET", "/api/v5/account/config", 5, lambda _: "account/config", config),
        Route("GET", "/api/v5/trade/orders-pending", 60, lambda _: "trade/orders-pending", orders_pending),
        Route("GET", "/api/v5/public/time", 10, lambda _: "public/time", public_time, private=False),
        Route("GET", "/api/v5/public/instruments", 20, _instruments_scope, public_instruments, private=False),
    )
}
"""Limits are requests in 2 s: by user id, for closes and instrument or option family; public ones by IP."""
