from random import Random

import pytest

from okx_async.torture.flatten_records import FlattenScope, RestingOrder
from okx_async.torture.plan import Plan
from okx_async.torture.resting_orders import ELSEWHERE, place_orders
from okx_async.torture.stage import Stage
from tests.torture.test_stage import play


@pytest.mark.parametrize("scope", [FlattenScope(), FlattenScope(("F1-USDT-SWAP",)), FlattenScope(side="short")])
def test_orders_rest_where_something_is_to_be_closed(calm: Plan, scope: FlattenScope) -> None:
    placed: list[RestingOrder] = []

    async def script(stage: Stage) -> None:
        for inst_id in ("F0-USDT-SWAP", "F1-USDT-SWAP", "S0-USDT-SWAP"):
            stage.exchange.open_position(inst_id, -3, account=stage.accounts[0])
        for seed in range(20):
            placed.extend(place_orders(stage, stage.desks[0], scope, Random(seed)))
        pending, algos = stage.exchange.pending_orders, stage.exchange.algo_orders
        assert {order.id for order in placed} == {one.ord_id for one in pending} | {one.algo_id for one in algos}

    play(calm, script)
    assert {order.entry for order in placed} == {True, False}
    assert {order.certain for order in placed} == {not scope.side}
    names = {"F1-USDT-SWAP"} if scope.inst_ids else {"F0-USDT-SWAP", "F1-USDT-SWAP", ELSEWHERE}
    assert {order.inst_id for order in placed} == names
    assert {order.side for order in placed if order.inst_id != ELSEWHERE} == {"short"}
