"""The endpoints: how each is called, how often, and by what it is counted."""

from __future__ import annotations

from okx_async.simulator.calls import Call, Route
from okx_async.simulator.closing import close_position
from okx_async.simulator.instruments import INST_TYPES, rate_scope
from okx_async.simulator.reading import config, positions, public_instruments, public_time
from okx_async.simulator.resting import orders_algo_pending, orders_pending

__all__ = ["CLOSE_PATH", "ROUTES"]

CLOSE_PATH = "/api/v5/trade/close-position"


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
        Route(
            "GET",
            "/api/v5/trade/orders-algo-pending",
            20,
            lambda _: "trade/orders-algo-pending",
            orders_algo_pending,
        ),
        Route("GET", "/api/v5/public/time", 10, lambda _: "public/time", public_time, private=False),
        Route("GET", "/api/v5/public/instruments", 20, _instruments_scope, public_instruments, private=False),
    )
}
"""Limits are requests in 2 s: by user id, for closes and instrument or option family; public ones by IP."""
