"""Flattens that meet pending orders, which keep a position from being closed."""

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from okx_async._rest.codes import LIFTED_BY_AUTO_CXL
from tests.conftest import World

BTC = "BTC-USDT-SWAP"
Happen: TypeAlias = Callable[..., Any]


def test_the_codes_that_auto_cxl_lifts() -> None:
    codes = "51112 51115 51117 51125 51126 51148 51168 51205 51206"
    assert set(codes.split()) == LIFTED_BY_AUTO_CXL


@pytest.mark.parametrize("code", sorted(LIFTED_BY_AUTO_CXL))
def test_pending_orders_that_are_being_cancelled_are_waited_for(happen: Happen, code: str) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(code=code, times=8)
        return await client.flatten(deadline=60.0)

    report = happen(story, timeout=2.0)
    assert (report.flat, len(report.rows[0].attempts)) == (True, 9)


def test_pending_orders_that_are_cancelled_late_leave_time_to_close(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(code="51117", times=None)
        world.at(16.0, world.exchange.clear_faults)
        return await client.flatten(deadline=20.0)

    report = happen(story)
    assert report.flat
    assert report.seconds < 19.5


def test_without_auto_cxl_pending_orders_end_it(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(code="51115", times=8)
        return await client.flatten(deadline=10.0, auto_cxl=False)

    assert [(row.state, len(row.attempts)) for row in happen(story).rows] == [(okx.FlattenState.REFUSED, 1)]
