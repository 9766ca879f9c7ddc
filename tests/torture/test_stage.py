from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

import okx_async as okx
from okx_async.simulator import Network, VirtualLoop, run
from okx_async.torture import Plan
from okx_async.torture.invented import EPOCH
from okx_async.torture.stage import Stage


def play(plan: Plan, script: Callable[[Stage], Awaitable[Any]]) -> None:
    network = Network()

    async def main(loop: VirtualLoop) -> None:
        stage = Stage(plan, loop, network, [])
        async with stage.exchange:
            await script(stage)
            for desk in stage.desks:
                await desk.close_client()

    run(main, VirtualLoop(network))


def test_a_desk_has_one_client_until_it_leaves(calm: Plan) -> None:
    async def script(stage: Stage) -> None:
        desk = stage.desks[0]
        first = desk.client
        assert desk.client is first
        await desk.close_client()
        await desk.close_client()
        assert desk.client is not first

    play(calm, script)


def test_a_session_of_ones_own_is_closed_with_its_client(seated: Callable[..., Plan]) -> None:
    async def script(stage: Stage) -> None:
        desk = stage.desks[0]
        assert isinstance(desk.client, okx.Client)
        session = desk._session
        assert session is not None
        await desk.close_client()
        assert session.closed

    play(seated(own_session=True), script)


def test_keys_of_an_account_are_made_once(calm: Plan) -> None:
    async def script(stage: Stage) -> None:
        assert stage.key(0, 0) is stage.accounts[0].credentials
        assert stage.key(0, 2) is stage.key(0, 2)
        assert stage.key(0, 2).api_key != stage.key(0, 0).api_key

    play(calm, script)


def test_every_close_has_a_name_of_its_own_and_mostly_something_to_close(calm: Plan) -> None:
    async def script(stage: Stage) -> None:
        rng = Random(1)
        orders = [stage.order(stage.desks[0], rng) for _ in range(200)]
        assert len({order.cl_ord_id for order in orders}) == 200
        assert {order.inst_id for order in orders} > {"S0-USDT-SWAP", "BTC-USD-260327-50000-C"}
        assert len(stage.exchange.positions) > 5
        assert stage.name("x").startswith("x")

    play(replace(calm, insts=4), script)


def test_the_exchange_begins_at_the_epoch_and_seats_are_off_by_their_skew(seated: Callable[..., Plan]) -> None:
    async def script(stage: Stage) -> None:
        assert stage.wall_clock() == EPOCH
        desk = stage.desks[0]
        assert isinstance(desk.client, okx.Client)
        assert desk.wall_clock() == pytest.approx(EPOCH + 12.5)

    play(seated(skew=12.5), script)
