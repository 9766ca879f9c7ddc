"""Orders that a flatten may cancel: one that opens a position, and what is left of all; and the paths of requests."""

from typing import Any

from tests.conftest import World

BTC = "BTC-USDT-SWAP"


def entry(world: World, inst_id: str = BTC, **fields: Any) -> Any:
    return world.exchange.add_pending_order(inst_id, side="buy", reduce_only=False, **fields)


def paths(world: World) -> list[str]:
    return [row.path.partition("?")[0] for row in world.exchange.journal]


def left(world: World) -> list[str]:
    orders: list[Any] = [*world.exchange.pending_orders, *world.exchange.algo_orders]
    return sorted(f"{order.inst_id} {order.ord_type}" for order in orders)
