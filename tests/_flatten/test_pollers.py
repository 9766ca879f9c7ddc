"""A flatten beside strategies that read positions in a tight loop: their readings cannot delay the exit."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from okx_async._rest.requests import POSITIONS_QUOTA
from tests.conftest import World

Happen: TypeAlias = Callable[..., Any]
POLLERS = 3


async def poll(client: okx.Client) -> None:
    while True:
        await client.positions()


async def flatten_among_pollers(
    world: World, client: okx.Client, polling: okx.Client, closes: int = 1
) -> tuple[float, okx.FlattenReport]:
    """Return the seconds from the call to the first close at the exchange, and the report."""
    for number in range(closes):
        world.exchange.open_position(f"S{number}-USDT-SWAP", 3)
    pollers = [asyncio.ensure_future(poll(polling)) for _ in range(POLLERS)]
    await asyncio.sleep(1.0)  # by then the pollers' tokens are out, and they wait for more
    begun = world.loop.clock()
    try:
        report = await client.flatten()
    finally:
        for poller in pollers:
            poller.cancel()
        await asyncio.wait(pollers)
    return world.closes()[0].at - begun, report


@pytest.mark.parametrize("clients", [1, 2])
@pytest.mark.parametrize("closes", [1, 20])
def test_pollers_do_not_delay_the_exit(happen: Happen, clients: int, closes: int) -> None:
    async def story(world: World, client: okx.Client) -> None:
        async with world.client(limiter=client.limiter) as other:
            first, report = await flatten_among_pollers(world, client, client if clients == 1 else other, closes)
        assert first <= 0.15
        assert report.flat
        assert report.seconds <= 0.4

    happen(story, way=0.02)


def test_an_exit_whose_client_does_not_know_its_user_id_yet_is_no_slower(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        async with okx.Client(
            world.exchange.credentials,
            base_url=world.exchange.base_url,
            limiter=client.limiter,
            wall_clock=world.wall_clock,
        ) as other:
            first, report = await flatten_among_pollers(world, other, client)
        assert first <= 0.2  # one round trip more: the user id is asked for first
        assert report.flat
        assert report.seconds <= 0.4

    happen(story, way=0.02)


def test_a_second_exit_within_the_window_is_no_slower(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        await flatten_among_pollers(world, client, client)
        _, report = await flatten_among_pollers(world, client, client)
        assert report.flat
        assert report.seconds <= 0.4

    happen(story, way=0.02)


def test_pollers_alone_use_what_is_not_reserved(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        await asyncio.sleep(5.0)
        pollers = [asyncio.ensure_future(poll(client)) for _ in range(POLLERS)]
        begun = world.loop.clock()
        await asyncio.sleep(1.9)
        for poller in pollers:
            poller.cancel()
        await asyncio.wait(pollers)
        read = [row for row in world.exchange.journal if "positions" in row.path and row.at >= begun]
        assert len(read) == POSITIONS_QUOTA.limit - POSITIONS_QUOTA.reserve

    happen(story, way=0.02)
