"""Closes that several callers want at once, against the simulated exchange in virtual time."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from tests._calls.joining import close
from tests.conftest import World

Happen: TypeAlias = Callable[..., Any]
BTC = "BTC-USDT-SWAP"


def test_calls_at_once_are_one_request_and_have_one_result(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        results = await asyncio.gather(*(close(client, cl_ord_id=f"c{number}") for number in range(5)))
        assert len(world.closes()) == 1
        assert {result.cl_ord_id for result in results} == {"c0"}

    happen(story)


def test_other_positions_and_calls_without_join_are_not_joined(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        calls = [close(client), close(client, pos_side="net"), close(client, join=False)]
        calls += [asyncio.ensure_future(client.close_position(BTC, "isolated", join=True))]
        await asyncio.gather(*calls, return_exceptions=True)
        assert len(world.closes()) == 3

    happen(story)


def test_the_clients_join_holds_for_calls_and_batches_that_do_not_say_otherwise(happen: Happen) -> None:
    async def story(world: World, _: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        async with world.client(join=True) as joining:
            legs = [okx.ClosePosition(BTC, "cross")] * 3
            results, closed = await asyncio.gather(joining.close_positions(legs), close(joining, join=None))
            assert all(result.ok for result in results)
            assert closed.inst_id == BTC
            assert len(world.closes()) == 1
            world.exchange.open_position(BTC, 3)
            await joining.close_positions(legs, join=False)
            assert len(world.closes()) == 4

    happen(story)


def test_each_caller_raises_an_error_of_its_own(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        first, second = await asyncio.gather(close(client), close(client), return_exceptions=True)
        assert isinstance(first, okx.NothingToCloseError)
        assert isinstance(second, okx.NothingToCloseError)
        assert first is not second
        assert first.attempts == second.attempts
        assert len(world.closes()) == 1

    happen(story)


def test_a_call_in_a_higher_lane_does_not_stand_in_the_lower_one(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        crowd = [asyncio.ensure_future(client.close_position(BTC, "isolated")) for _ in range(60)]
        await asyncio.sleep(0.1)
        normal = close(client)
        await asyncio.sleep(0.1)
        begun = world.loop.clock()
        urgent = await close(client, priority=okx.Priority.PANIC)
        assert world.loop.clock() - begun < 2.1
        assert (await normal).attempts == urgent.attempts
        assert sum(row.executed for row in world.closes()) == 1
        await asyncio.gather(*crowd, return_exceptions=True)

    happen(story)


def test_confirmed_calls_are_one_and_a_plain_one_joins_them(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        results = await asyncio.gather(close(client, confirm=True), close(client, confirm=True), close(client))
        assert all(result.flat for result in results)
        assert len(world.closes()) == 1

    happen(story, fill_delay=0.5)


def test_a_confirmed_call_confirms_the_plain_one_in_flight(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        plain, confirmed = await asyncio.gather(close(client), close(client, confirm=True))
        assert (plain.flat, confirmed.flat) == (False, True)
        assert not world.exchange.positions
        assert len(world.closes()) == 1

    happen(story, fill_delay=0.5)


@pytest.mark.parametrize("value", [1, "yes"])
async def test_join_is_a_bool(value: Any) -> None:
    with pytest.raises(okx.InvalidRequestError, match="join must be True or False"):
        okx.Client(okx.Credentials("key", "secret", "passphrase"), join=value)
