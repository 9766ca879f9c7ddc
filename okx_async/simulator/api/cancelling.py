"""The endpoints that cancel orders: one, several, or all of them unless the client reports in time."""

from collections.abc import Mapping
from typing import Any

from okx_async.simulator.api.calls import Call, Venue, number_of, parameter_error
from okx_async.simulator.api.codes import Refused
from okx_async.simulator.api.placing import order_item

_MOST = 20
_MOST_ALGOS = 10
_LEAST_S, _MOST_S = 10, 120


def cancel_order(venue: Venue, call: Call) -> list[Any]:
    """Cancel one order."""
    return [_cancel(venue, call, call.params)]


def cancel_batch_orders(venue: Venue, call: Call) -> list[Any]:
    """Cancel up to 20 orders; each item of the reply has its own code."""
    if not call.items:
        raise Refused("50014", "Parameter data cannot be empty.")
    if len(call.items) > _MOST:
        raise Refused("51406")
    return [_cancel(venue, call, item) for item in call.items]


def cancel_algos(venue: Venue, call: Call) -> list[Any]:
    """Cancel up to 10 algo orders; each item of the reply has its own code."""
    if not call.items:
        raise Refused("50014", "Parameter data cannot be empty.")
    if len(call.items) > _MOST_ALGOS:
        raise Refused("51406")
    return [_cancel_algo(venue, call, item) for item in call.items]


def cancel_all_after(venue: Venue, call: Call) -> list[Any]:
    """Cancel the live orders of the account, or of a tag, in `timeOut` seconds unless called again before; 0: never.

    No position is closed.
    """
    call.need("timeOut")
    seconds, tag, user_id = number_of(call, "timeOut"), call.text("tag"), call.user_id
    if seconds and not _LEAST_S <= seconds <= _MOST_S:
        raise parameter_error("timeOut")
    name, alive = (user_id, tag), object()

    def fire(_at: float, ms: int) -> None:
        if venue.alive.get(name) is alive:
            del venue.alive[name]
            orders = [order for order in venue.orders.pending(user_id) if tag in {"", order.tag}]
            venue.orders.cancel(orders, ms)

    if seconds:
        venue.alive[name] = alive
        venue.books.plan(call.now, call.ms, seconds, fire)
    else:
        venue.alive.pop(name, None)
    trigger = str(call.ms + 1000 * seconds) if seconds else "0"
    return [{"triggerTime": trigger, "tag": tag, "ts": str(call.ms)}]


def _cancel(venue: Venue, call: Call, named: Mapping[str, Any]) -> dict[str, str]:
    inst_id, ord_id, cl_ord_id = (_text(named, name) for name in ("instId", "ordId", "clOrdId"))
    refused = None
    if not inst_id:
        refused = Refused("50014", "Parameter instId cannot be empty.")
    elif not (ord_id or cl_ord_id):
        refused = Refused("50015", "Either parameter ordId or clOrdId is required.")
    else:
        venue.books.settle(call.now)
        order = venue.orders.find(call.user_id, ord_id, cl_ord_id)
        if order is None or order.inst_id != inst_id or order.state != "live":
            refused = Refused("51400")
        else:
            venue.orders.cancel([order], call.ms)
            call.executed = True
            ord_id, cl_ord_id = order.ord_id, order.cl_ord_id
    return order_item(venue, call.ms, refused, ord_id, cl_ord_id)


def _cancel_algo(venue: Venue, call: Call, named: Mapping[str, Any]) -> dict[str, str]:
    inst_id, algo_id = _text(named, "instId"), _text(named, "algoId")
    refused = None
    if not (inst_id and algo_id):
        refused = Refused("50014", f"Parameter {'algoId' if inst_id else 'instId'} cannot be empty.")
    else:
        venue.books.settle(call.now)
        order = next((one for one in venue.orders.algos(call.user_id) if one.algo_id == algo_id), None)
        if order is None or order.inst_id != inst_id:
            refused = Refused("51400")
        else:
            venue.orders.cancel([order], call.ms)
            call.executed = True
    item = order_item(venue, call.ms, refused)
    return {
        "algoId": algo_id,
        "algoClOrdId": "",
        "clOrdId": "",
        "sCode": item["sCode"],
        "sMsg": item["sMsg"],
        "tag": "",
    }


def _text(named: Mapping[str, Any], name: str) -> str:
    value = named.get(name)
    return value if isinstance(value, str) else ""
