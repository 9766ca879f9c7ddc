"""Two API keys of one user id: what waits in line when the exchange tells that they belong together."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from okx_async import Client, ClosePosition, Limiter
from tests.conftest import World

INST = "BTC-USDT-SWAP"
LEGS = [ClosePosition(INST, "cross")] * 30
CONFIG = "/api/v5/account/config"


@pytest.mark.parametrize("told", [True, False], ids=["one was told before", "neither was"])
def test_what_waits_when_two_api_keys_prove_to_be_of_one_user_keeps_one_window(
    happen: Callable[..., Any], *, told: bool
) -> None:
    async def story(world: World, _client: Client) -> int:
        limiter = Limiter(clock=world.loop.clock)

        def new(credentials: Any) -> Client:
            where: dict[str, Any] = {"base_url": world.exchange.base_url, "wall_clock": world.wall_clock}
            return Client(credentials, limiter=limiter, **where)

        async with new(world.exchange.credentials) as one, new(world.exchange.add_key()) as two:
            if told:
                await two.positions()
            world.exchange.inject(code="50001", path=CONFIG, times=None)
            await asyncio.gather(*(each.warm_up(1) for each in (one, two)))
            for each in (one, two):
                await limiter.block(each.limiter_key(INST), 8.0, refused=False)
            batches = [asyncio.ensure_future(each.close_positions(LEGS)) for each in (one, two)]
            await asyncio.sleep(2.0)
            assert len({each.limiter_key(INST) for each in (one, two)}) == 2
            world.exchange.clear_faults()
            await asyncio.wait(batches)
            assert len({each.limiter_key(INST) for each in (one, two)}) == 1
        assert len(world.closes()) == 2 * len(LEGS)
        assert world.exchange.rejections == []
        return world.exchange.worst_window()

    assert happen(story) <= 20
