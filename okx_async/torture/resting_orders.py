"""Orders that rest while a flatten runs: entries, which it may cancel at once, and stops, which it must keep at first.

The draws are separate, so that everything else of a history happens as it would without them.
"""

from random import Random
from typing import Literal

from okx_async.torture.flatten_records import FlattenScope, RestingOrder
from okx_async.torture.stage import Desk, Stage

ELSEWHERE = "Q0-USDT-SWAP"
"""An instrument of no other strategy, on which nothing is open."""


def place_orders(stage: Stage, desk: Desk, scope: FlattenScope, rng: Random) -> list[RestingOrder]:
    """Place orders on swaps that are to be closed, now and then one where nothing is open, which may be filled."""
    account, exchange = desk.seat.account, stage.exchange
    home = stage.accounts[account]
    held = [
        one
        for one in exchange.positions
        if one.user_id == home.user_id
        and one.inst_id.startswith("F")
        and one.inst_id.endswith("SWAP")
        and (scope.inst_ids is None or one.inst_id in scope.inst_ids)
    ]
    placed: list[RestingOrder] = []
    whole = not scope.side and not scope.mgn_mode
    for one in rng.sample(held, min(len(held), rng.choice((1, 1, 2, 3)))):
        for _ in range(rng.choice((1, 1, 2, 25))):
            entry = rng.random() < 0.6
            kind = rng.choice(("", "", "trigger", "iceberg")) if entry else "conditional"
            adding = "buy" if one.pos > 0 else "sell"
            side = adding if entry else ("sell" if adding == "buy" else "buy")
            if kind:
                order_id = exchange.add_algo_order(
                    one.inst_id,
                    kind,
                    side=side,
                    mgn_mode=one.mgn_mode,
                    pos_side=one.pos_side,
                    sz="1" if entry else "",
                    reduce_only=not entry,
                    account=home,
                ).algo_id
            else:
                order_id = exchange.add_pending_order(
                    one.inst_id,
                    side=side,
                    mgn_mode=one.mgn_mode,
                    pos_side=one.pos_side,
                    reduce_only=not entry,
                    account=home,
                ).ord_id
            beside = "long" if one.pos > 0 else "short"
            placed.append(RestingOrder(order_id, one.inst_id, one.mgn_mode, one.pos_side, entry, beside, whole))
    if scope.inst_ids is None and rng.random() < 0.5:
        pos_side: Literal["long", "net"] = "long" if home.pos_mode == "long_short_mode" else "net"
        order = exchange.add_pending_order(ELSEWHERE, side="buy", pos_side=pos_side, reduce_only=False, account=home)
        placed.append(RestingOrder(order.ord_id, ELSEWHERE, "cross", pos_side, entry=True, side="long", certain=whole))

        def fill() -> None:
            if any(one.ord_id == order.ord_id for one in exchange.pending_orders):
                exchange.open_position(ELSEWHERE, 1, "cross", pos_side, account=home)
                stage.note(f"UPSET {ELSEWHERE}: an order that rests there is filled in part")

        if rng.random() < 0.5:
            stage.loop.call_later(rng.uniform(0.0, 0.5), fill)
    return placed
