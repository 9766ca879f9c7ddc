"""What a flatten may send again, and when."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from okx_async import FlattenState
from tests._flatten.by_instrument import held, states
from tests.conftest import World

BTC = "BTC-USDT-SWAP"
POSITIONS = "/api/v5/account/positions"
Happen: TypeAlias = Callable[..., Any]


@pytest.mark.parametrize("fault", ["50004", "hang-up", "reset", "HTML 502", "empty 200"])
@pytest.mark.parametrize("executed", [True, False])
def test_an_unknown_outcome_is_resolved_by_reading(happen: Happen, fault: str, executed: bool) -> None:  # noqa: FBT001 - both
    async def story(world: World, client: okx.Client) -> tuple[okx.FlattenReport, list[float]]:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(fault, executed=executed, inst_id=BTC)
        report = await client.flatten()
        assert not world.exchange.positions
        return report, [row.at for row in world.closes(BTC)]

    report, ats = happen(story)
    assert (report.flat, states(report)) == (True, {BTC: FlattenState.CLOSED})
    assert report.rows[0].attempts[0].outcome is okx.Outcome.UNKNOWN
    if executed:
        assert len(ats) == 1
    else:
        assert len(ats) == 2
        assert ats[1] - ats[0] > 2.0


@pytest.mark.parametrize("code", ["50011", "51113", "51029", "50001", "50020"])
def test_a_refusal_that_passes_is_followed_by_another_close(happen: Happen, code: str) -> None:
    async def story(world: World, client: okx.Client) -> tuple[okx.FlattenReport, list[float], list[float]]:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(code=code, times=2)
        report = await client.flatten()
        reads = [row.at for row in world.exchange.journal if row.path.startswith(POSITIONS)]
        return report, [row.at for row in world.closes(BTC)], reads

    report, closes, reads = happen(story)
    assert (report.flat, states(report)) == (True, {BTC: FlattenState.CLOSED})
    assert len(closes) == 3
    for earlier, later in pairwise(closes):
        assert any(earlier < read < later and later - read <= 1.0 for read in reads)


def test_a_refused_timestamp_is_corrected_once(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(code="50102")
        return await client.flatten()

    report = happen(story)
    assert (report.flat, states(report)) == (True, {BTC: FlattenState.CLOSED})


@pytest.mark.parametrize("fault", ["50004", "50011", "51030", "51023", "51032", "never filled", "hang-up early"])
def test_a_position_opened_between_two_attempts_is_left_alone(happen: Happen, fault: str) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        if fault == "never filled":
            world.exchange.inject(fault)
        else:
            world.exchange.inject(fault, executed=False)
        world.at(0.2, lambda: world.exchange.reopen(BTC, 7)) if "early" in fault else world.exchange.reopen(
            BTC, 7, on_close=1
        )
        report = await client.flatten(deadline=8.0)
        assert held(world) == {BTC: 7}
        assert len(world.closes(BTC)) == ("early" not in fault)
        return report

    report = happen(story)
    assert (report.flat, states(report)) == (False, {BTC: FlattenState.SUPERSEDED})
    assert report.rows[0].after is not None
    assert report.rows[0].after.pos == 7


def test_a_close_that_waited_for_its_first_slot_is_sent_by_a_new_reading(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        for number in range(25):  # one family: one limit
            world.exchange.open_position(f"BTC-USD-260327-{50 + number}000-C", 3)
        world.at(1.0, lambda: world.exchange.reopen("BTC-USD-260327-74000-C", 9))
        world.at(1.0, lambda: world.exchange.reopen("BTC-USD-260327-73000-C", 0))
        report = await client.flatten()
        # Newest first: so the first five were the last in line.
        assert {row.cl_ord_id for row in world.closes()} == {""}
        return report

    report = happen(story)
    found = [row.state for row in report.rows]
    assert len(report.rows) == 25
    assert set(found) <= {FlattenState.CLOSED, FlattenState.SUPERSEDED, FlattenState.ALREADY_FLAT}
