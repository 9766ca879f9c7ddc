"""Positions that a flatten finds late, and what its last reading proves."""

from collections.abc import Callable
from typing import Any, TypeAlias, cast

import pytest

import okx_async as okx
from okx_async._calls.caller import Caller
from okx_async._calls.on_wire import ClosesOnWire
from okx_async._flatten.arguments import FlattenArguments
from okx_async._flatten.flatten import FlattenRun
from okx_async._flatten.guard import Reading
from okx_async._rest.records import positions
from okx_async._rest.responses import Answer
from tests.conftest import World

BTC = "BTC-USDT-SWAP"
POSITIONS = "/api/v5/account/positions"
Happen: TypeAlias = Callable[..., Any]


def test_late_proofs_share_the_time_of_the_last_reading(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> tuple[float, okx.FlattenReport]:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(delay=1.0)
        world.exchange.inject(path="/api/v5/trade/orders-pending", delay=0.8, times=None)
        begun = world.loop.clock()
        report = await client.flatten(deadline=0.5)
        return world.loop.clock() - begun, report

    took, report = happen(story)
    assert took < 1.2 + 1.0  # the answer, and a second for readings
    assert report.flat


def test_without_a_last_reading_an_empty_account_is_not_proven_flat(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.inject(path=POSITIONS, code="50026", after=1, times=None)
        return await client.flatten(deadline=2.0)

    report = happen(story)
    assert (report.flat, report.rows) == (False, ())


class Idle:
    """In place of the client's calls, where none is made."""

    clock_offset = 0.0

    def __init__(self) -> None:
        self.on_wire = ClosesOnWire()

    def exchange_time(self) -> float:
        return 10.0


def listed(**fields: str) -> okx.Position:
    record = {"instType": "SWAP", "instId": BTC, "mgnMode": "cross", "posSide": "net", "posId": "7", "pos": "3"}
    record |= {"cTime": "1000", "uTime": "1000"} | fields
    return positions(Answer(200, "0", data=[record], listed=True, envelope=True)).positions[0]


def run_of() -> FlattenRun:
    return FlattenRun(cast("Caller", Idle()), FlattenArguments(auto_cxl=False, deadline=5.0))


@pytest.mark.virtual
async def test_by_a_last_reading_that_does_not_count_nothing_is_flat() -> None:
    run, before = run_of(), listed()
    leg = run._engine.add_leg(before, Reading(0.0, [before]), okx.ClosePosition.of(before))
    leg.close_started()
    leg.answered(okx.Outcome.ACCEPTED, None, (), 0.5, 1.0)
    for at, records, flat in ((1.0, [], False), (2.0, [], True), (3.0, [listed(uTime="900")], False), (4.0, [], True)):
        run._last = Reading(at, records)
        leg.observe(run._last, at)
        assert run._report().flat is flat


@pytest.mark.virtual
@pytest.mark.parametrize("complete", [True, False])
async def test_a_reading_that_came_after_its_time_speaks_for_the_report(*, complete: bool) -> None:
    run = run_of()
    run._last = Reading(1.0, [listed()])
    run._engine.reader.latest = Reading(2.0, [])
    run._engine.reader._complete_begun = 2.0 if complete else 1.0
    report = run._report()
    assert report.flat is complete
    assert len(report.rows) == (0 if complete else 1)
