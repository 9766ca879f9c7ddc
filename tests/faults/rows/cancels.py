"""Rows of the matrix, written by hand, for a flatten whose cancels of orders are refused, lost or answered in part.

Three entries, three algo orders that would add, and a stop rest beside the position of `STRUCK`. The position is closed
whatever becomes of them, the stop goes after the proof, and a cancel is sent again only if a new list has the order.
"""

from dataclasses import replace
from typing import Any

import orjson

from tests.faults.arrange import Arrange, at_once
from tests.faults.cells import Table, out
from tests.faults.world import World

ROWS = Table()
ENDPOINTS = {
    "cancel-batch-orders": "/api/v5/trade/cancel-batch-orders",
    "cancel-algos": "/api/v5/trade/cancel-algos",
}


def row(group: str, title: str, orders: str, arrange: Arrange) -> None:
    """Add a row: the position is closed, and this becomes of the orders."""
    ROWS.flatten(group, title, replace(out(), orders=orders), arrange, cancel_orders=True)


def fault(path: str, kind: str = "", **options: Any) -> Arrange:
    """Let the cancels of an endpoint meet a fault."""
    return at_once(lambda world: world.exchange.inject(kind, **{"path": path, **options}))


ALL = "7 cancelled, 0 left"
LOST = "4 cancelled, 0 left"
"""The answer to the cancel of three was lost: they are gone, and not by an answer that says so."""

for name, path in ENDPOINTS.items():
    group = f"{name} fails beside a flatten"
    # Without the ordinary entries, or without the algo orders, the stop among them.
    rest = "4 cancelled, 3 left, noted" if name == "cancel-batch-orders" else "3 cancelled, 4 left, noted"
    for code in ("51000", "50030"):
        row(group, f"{name} refused with {code}", rest, fault(path, code=code, times=None))
    for code in ("50011", "50001"):
        row(group, f"{name} refused with {code} once", ALL, fault(path, code=code))
    row(  # until its time is over, when the stop cannot be cancelled any more either
        group,
        f"{name} refused with 50011 for ever",
        "3 cancelled, 4 left, noted",
        fault(path, code="50011", times=None),
    )
    for kind in ("hang-up", "50004"):
        row(group, f"{name} {kind}, executed", f"{LOST}, noted", fault(path, kind, executed=True))
        row(group, f"{name} {kind}, not executed", f"{ALL}, noted", fault(path, kind, executed=False))
    row(group, f"{name} unanswered for 5.2 s", f"{LOST}, noted", fault(path, delay=5.2))
    row(group, f"{name} HTML 502 early", f"{ALL}, noted", fault(path, "HTML 502 early"))
    row(
        group,
        f"{name} hangs up for ever, not executed",
        rest,
        fault(path, "hang-up", executed=False, times=None),
    )
    for done in (True, False):
        row(
            group,
            f"{name} tells of no order, {'executed' if done else 'not executed'}",
            LOST if done else ALL,
            fault(path, body='{"code":"0","data":[],"msg":""}', executed=done),
        )


def in_part(world: World) -> None:
    """Let the first cancel be refused for each order in another way; none is executed."""
    exchange = world.exchange
    codes = ("50011", "51412", "51400")
    for path, name, ids in (
        (ENDPOINTS["cancel-batch-orders"], "ordId", [order.ord_id for order in exchange.pending_orders]),
        (ENDPOINTS["cancel-algos"], "algoId", [order.algo_id for order in exchange.algo_orders]),
    ):
        items = [{name: one, "sCode": code, "sMsg": ""} for one, code in zip(ids, codes, strict=False)]
        exchange.inject(path=path, body=orjson.dumps({"code": "1", "data": items, "msg": ""}))


row(
    "The cancels fail in part",
    "50011, 51412 and 51400, each of one order, and a new list has all",
    ALL,
    at_once(in_part),
)
