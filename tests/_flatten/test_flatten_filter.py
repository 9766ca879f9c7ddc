"""The filter of a flatten: what is closed, what is left alone, and predicates that fail."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from okx_async import FlattenState
from tests._flatten.by_instrument import held, states
from tests.conftest import World

BTC, ETH, SOL = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"
Happen: TypeAlias = Callable[..., Any]


def test_only_what_is_in_the_filter_is_closed(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        for inst_id, pos in ((BTC, 3), (ETH, 3), (SOL, -3)):
            world.exchange.open_position(inst_id, pos)
        world.exchange.open_position(BTC, 4, "isolated")
        report = await client.flatten([BTC, ETH], where=lambda position: position.mgn_mode == "cross")
        assert (report.flat, states(report)) == (True, {BTC: FlattenState.CLOSED, ETH: FlattenState.CLOSED})
        assert held(world) == {BTC: 4, SOL: -3}
        report = await client.flatten(where=lambda position: position.pos < 0)
        assert report.flat
        assert held(world) == {BTC: 4}

    happen(story)


def test_a_predicate_that_fails_is_raised_before_anything_is_sent(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.open_position(ETH, 3)
        with pytest.raises(ZeroDivisionError):
            await client.flatten(where=lambda position: 1 / (position.inst_id != BTC) > 0)
        assert not world.closes()

    happen(story)


@pytest.mark.parametrize("kind", ["coroutine", "future", "generator", "asynchronous generator"])
def test_a_predicate_that_has_only_begun_is_not_true_of_everything(happen: Happen, kind: str) -> None:
    async def coroutine() -> bool:
        raise AssertionError

    async def generator() -> AsyncIterator[bool]:
        yield False

    begin: dict[str, Callable[[], object]] = {
        "coroutine": coroutine,
        "future": lambda: asyncio.get_running_loop().create_future(),
        "generator": lambda: (bool(each) for each in (0,)),
        "asynchronous generator": generator,
    }

    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        with pytest.raises(okx.InvalidRequestError, match="where must be a plain function, since it is not awaited"):
            await client.flatten(where=lambda _: begin[kind]())
        assert not world.closes()

    happen(story)


def test_a_predicate_that_fails_later_hides_no_position(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.at(0.06, lambda: world.exchange.open_position(ETH, 3))
        return await client.flatten(where=lambda position: 1 / (position.inst_id != ETH) > 0)

    report = happen(story)
    assert (report.flat, states(report)) == (False, {BTC: FlattenState.CLOSED, ETH: FlattenState.SUPERSEDED})


def test_a_position_that_appeared_meanwhile_has_a_row_and_is_left_alone(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.at(0.06, lambda: world.exchange.open_position(ETH, 5))
        world.at(0.06, lambda: world.exchange.open_position(SOL, 5))
        report = await client.flatten([BTC, ETH])
        assert held(world) == {ETH: 5, SOL: 5}
        return report

    report = happen(story)
    assert (report.flat, states(report)) == (False, {BTC: FlattenState.CLOSED, ETH: FlattenState.SUPERSEDED})
    assert report.rows[1].before is None
    assert report.rows[1].attempts == ()
