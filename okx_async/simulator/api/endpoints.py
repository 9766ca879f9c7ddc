"""The table of endpoints: method, path, rate limit and implementation of each."""

from collections.abc import Callable
from typing import Any

from okx_async.simulator.api.arrivals import PER
from okx_async.simulator.api.calls import Call, Route, Venue
from okx_async.simulator.api.cancelling import cancel_algos, cancel_all_after, cancel_batch_orders, cancel_order
from okx_async.simulator.api.closing import close_position
from okx_async.simulator.api.history import positions_history
from okx_async.simulator.api.pending import order, orders_algo_pending, orders_pending
from okx_async.simulator.api.placing import place_batch_orders, place_order
from okx_async.simulator.api.reading import config, currencies, positions, public_instruments, public_time
from okx_async.simulator.api.settings import set_position_mode
from okx_async.simulator.books.instruments import INST_TYPES

CLOSE_PATH = "/api/v5/trade/close-position"


def _close_scope(call: Call) -> str:
    return call.rate_scope


def _inst_scope(name: str) -> Callable[[Call], str]:
    return lambda call: f"{name}/{call.rate_scope}"


def _instruments_scope(call: Call) -> str:
    inst_type = call.params.get("instType", "")
    return f"public/instruments/{inst_type}" if inst_type in INST_TYPES else "public/instruments/"


def _tag_scope(call: Call) -> str:
    tag = call.params.get("tag", "")
    return f"trade/cancel-all-after/{tag if isinstance(tag, str) else ''}"


def _read(name: str, limit: int, act: Callable[[Venue, Call], list[Any]]) -> Route:
    """Return a private endpoint that reads; its limit is counted by user id."""
    return Route("GET", f"/api/v5/{name}", limit, lambda _: name, act)


def _public(name: str, limit: int, act: Callable[[Venue, Call], list[Any]], scope: Callable[[Call], str]) -> Route:
    """Return a public endpoint; its limit is counted by IP."""
    return Route("GET", f"/api/v5/{name}", limit, scope, act, private=False)


def _trade(
    name: str,
    limit: int,
    act: Callable[[Venue, Call], list[Any]],
    scope: Callable[[Call], str],
    *,
    per: float = PER,
    batch: bool = False,
    alone: str = "",
    expires: bool = False,
) -> Route:
    """Return a private endpoint that changes something."""
    return Route(
        "POST",
        f"/api/v5/{name}",
        limit,
        scope,
        act,
        permission="trade",
        per=per,
        batch=batch,
        alone=alone and f"/api/v5/{alone}",
        expires=expires,
    )


ROUTES = {
    (route.method, route.path): route
    for route in (
        _trade("trade/close-position", 20, close_position, _close_scope),
        _trade("trade/order", 60, place_order, _inst_scope("trade/order"), expires=True),
        _trade(
            "trade/batch-orders",
            300,
            place_batch_orders,
            _inst_scope("trade/batch-orders"),
            batch=True,
            alone="trade/order",
            expires=True,
        ),
        _trade("trade/cancel-order", 60, cancel_order, _inst_scope("trade/cancel-order")),
        _trade(
            "trade/cancel-batch-orders",
            300,
            cancel_batch_orders,
            _inst_scope("trade/cancel-batch-orders"),
            batch=True,
            alone="trade/cancel-order",
        ),
        _trade("trade/cancel-algos", 20, cancel_algos, _inst_scope("trade/cancel-algos"), batch=True),
        _trade("trade/cancel-all-after", 1, cancel_all_after, _tag_scope, per=1.0),
        _trade("account/set-position-mode", 5, set_position_mode, lambda _: "account/set-position-mode"),
        _read("account/positions", 10, positions),
        _read("account/positions-history", 10, positions_history),
        _read("account/config", 5, config),
        _read("asset/currencies", 12, currencies),
        Route("GET", "/api/v5/trade/order", 60, _inst_scope("trade/order?"), order),
        _read("trade/orders-pending", 60, orders_pending),
        _read("trade/orders-algo-pending", 20, orders_algo_pending),
        _public("public/time", 10, public_time, lambda _: "public/time"),
        _public("public/instruments", 20, public_instruments, _instruments_scope),
    )
}
"""By method and path.

Limits are requests in 2 s by user id, for closes and orders also by instrument or option family; public ones by IP."""

PATHS = {path for _, path in ROUTES}
