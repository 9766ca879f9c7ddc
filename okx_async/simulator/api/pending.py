"""The endpoints that list live orders, newest first, or return one order.

`after` and `before` are order ids, exclusive.
"""

from collections.abc import Sequence
from typing import Any

from okx_async.simulator.api.calls import Call, Venue, comma_list, inst_type_of, number_of, parameter_error
from okx_async.simulator.api.codes import Refused
from okx_async.simulator.api.placing import ORDER_TYPES
from okx_async.simulator.books.algos import ALGO_TYPES, AlgoOrder
from okx_async.simulator.books.orders import PendingOrder

_PAGE = 100
_TOGETHER = {"conditional", "oco"}  # the only types that one call may list


def orders_pending(venue: Venue, call: Call) -> list[Any]:
    """List live orders; `ordType` may be a comma list, as in the sample request of the exchange."""
    venue.books.settle(call.now)
    kinds = comma_list(call, "ordType", len(ORDER_TYPES))
    orders = [order for order in venue.orders.pending(call.user_id) if not kinds or order.ord_type in kinds]
    return _page(call, orders, {"state": call.text("state")})


def order(venue: Venue, call: Call) -> list[Any]:
    """Return one order, live or ended, by its ordId, or else the latest with its clOrdId."""
    inst_id, ord_id, cl_ord_id = call.need("instId"), call.text("ordId"), call.text("clOrdId")
    if not (ord_id or cl_ord_id):
        raise Refused("50015", "Either parameter ordId or clOrdId is required.")
    venue.books.settle(call.now)
    if inst_id not in venue.instruments:
        raise Refused("51001")
    found = venue.orders.find(call.user_id, ord_id, cl_ord_id)
    if found is None or found.inst_id != inst_id:
        raise Refused("51603")
    return [found.row()]


def orders_algo_pending(venue: Venue, call: Call) -> list[Any]:
    """List waiting algo orders of one type, or of conditional and oco together."""
    call.need("ordType")
    kinds = comma_list(call, "ordType", len(ALGO_TYPES))
    if not (kinds <= ALGO_TYPES and (len(kinds) == 1 or kinds <= _TOGETHER)):
        raise parameter_error("ordType")
    orders = [order for order in venue.orders.algos(call.user_id) if order.ord_type in kinds]
    return _page(call, orders, {"algoId": call.text("algoId")})


def _page(call: Call, orders: Sequence[PendingOrder | AlgoOrder], wanted: dict[str, str]) -> list[Any]:
    wanted |= {"instType": inst_type_of(call), "instId": call.text("instId")}
    family = call.text("instFamily") or call.text("uly")
    after, before = number_of(call, "after"), number_of(call, "before")
    limit = number_of(call, "limit") or _PAGE
    if limit > _PAGE:
        raise parameter_error("limit")
    rows = [
        order.row()
        for order in orders
        if (not after or int(order.number) < after)
        and (not before or int(order.number) > before)
        and (not family or order.inst_family == family)
    ]
    return [row for row in rows if all(not value or row[name] == value for name, value in wanted.items())][:limit]
