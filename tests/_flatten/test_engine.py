"""Single legs with slots, guard and wire together, against the simulated exchange in virtual time."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from okx_async import FlattenState
from tests.conftest import World

Happen: TypeAlias = Callable[..., Any]

BTC = "BTC-USDT-SWAP"
POSITIONS = "/api/v5/account/positions"


def ages(world: World) -> list[float]:
    """Return, for each close, the seconds since the latest reading that had been answered when it was written."""
    reads = [row.at for row in world.exchange.journal if row.path.startswith(POSITIONS)]
    return [row.at - max(read for read in reads if read <= row.at - 0.03 + 1e-9) for row in world.closes()]


@pytest.mark.parametrize("own_session", [False, True])
def test_no_repeat_is_written_by_a_reading_that_grew_old_while_it_connected(happen: Happen, own_session: bool) -> None:  # noqa: FBT001 - both
    async def story(world: World, _client: okx.Client) -> okx.FlattenReport:
        import aiohttp  # noqa: PLC0415 - for this test alone

        world.exchange.open_position(BTC, 3)
        session = aiohttp.ClientSession() if own_session else None
        async with world.client(session=session, keepalive=0.5, connect_timeout=1.9) as subject:
            world.exchange.inject("50004", executed=False)
            world.at(1.5, lambda: world.network.slow_down(3.0, by=1.5))  # and no connection is kept that long
            report = await subject.flatten()
            assert all(age <= 1.0 + 0.03 for age in ages(world))
            assert len(world.closes()) == 2
        if session is not None:
            await session.close()
        return report

    assert happen(story).flat


def test_a_first_close_goes_out_although_nothing_can_be_read_any_more(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        await client.limiter.block(client.limiter_key(BTC), 3.0)
        world.exchange.inject(path=POSITIONS, code="50026", times=6, after=1)
        report = await client.flatten()
        assert 3.0 < world.closes()[0].at - world.exchange.journal[-1].at + report.seconds < 4.5
        return report

    report = happen(story)
    assert report.flat
    assert len(report.rows[0].attempts) == 1


def test_a_repeat_does_not_go_out_without_a_reading(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject("51030")
        world.exchange.inject(path=POSITIONS, code="50026", times=None, after=1)
        report = await client.flatten(deadline=6.0)
        assert len(world.closes()) == 1
        state: Any = client.limiter
        assert state.statistics(client.limiter_key(BTC)).in_flight == 0
        return report

    report = happen(story)
    assert (report.flat, report.rows[0].state) == (False, FlattenState.DEADLINE)


def test_the_slot_of_a_close_that_is_withheld_is_given_back(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        await client.limiter.block(client.limiter_key(BTC), 2.0)
        world.at(1.5, lambda: world.exchange.open_position(BTC, 0))
        report = await client.flatten()
        assert (report.flat, report.rows[0].state) == (True, FlattenState.ALREADY_FLAT)
        assert report.rows[0].attempts == ()
        limiter: Any = client.limiter
        assert limiter.statistics(client.limiter_key(BTC)).free == 20

    happen(story)


def test_a_position_that_was_turned_is_logged_as_an_error(happen: Happen, caplog: pytest.LogCaptureFixture) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.at(0.1, lambda: world.exchange.open_position(BTC, -3))
        return await client.flatten()

    with caplog.at_level(logging.ERROR):
        report = happen(story, fill_delay=1.0, flip_keeps_c_time=True)
    assert report.rows[0].state is FlattenState.SUPERSEDED
    assert any("turned" in record.getMessage() for record in caplog.records)


def test_many_legs_read_little(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> int:
        for number in range(60):
            world.exchange.open_position(f"S{number}-USDT-SWAP", 3)
        begun = len(world.exchange.journal)
        report = await client.flatten()
        assert report.flat
        rows = world.exchange.journal[begun:]
        assert world.exchange.worst_window((world.exchange.user_id, "account/positions")) <= 10
        return sum(row.path.startswith(POSITIONS) for row in rows)

    assert happen(story, fill_delay=(0.0, 1.9)) < 25


def test_without_a_network_it_ends_with_the_deadline(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.at(0.01, lambda: world.network.outage(60.0))
        return await client.flatten(deadline=5.0)

    with pytest.raises(okx.OkxError):
        happen(story)

    async def later(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.at(0.04, lambda: world.network.outage(40.0))
        task = asyncio.create_task(client.flatten(deadline=8.0))
        report = await task
        await asyncio.sleep(60.0)
        return report

    report = happen(later)
    assert (report.flat, report.rows[0].state) == (False, FlattenState.UNKNOWN)
    assert report.seconds < 8.0 + 7.0 + 1.1


@pytest.mark.parametrize("own_session", [False, True])
@pytest.mark.parametrize("pos", [5, 0])
def test_a_first_close_that_waits_behind_the_reading_that_forbids_it_is_not_written(
    happen: Happen,
    own_session: bool,  # noqa: FBT001 - both
    pos: int,
) -> None:
    async def story(world: World, _client: okx.Client) -> okx.FlattenReport:
        import aiohttp  # noqa: PLC0415 - for this test alone

        world.exchange.open_position(BTC, 3)
        session = aiohttp.ClientSession() if own_session else None
        async with world.client(session=session, max_connections=1) as narrow:
            await narrow.limiter.block(narrow.limiter_key(BTC), 2.0)
            world.exchange.inject(path=POSITIONS, delay=1.5, counted=False, after=1)  # too long for a first close
            world.at(1.0, lambda: world.reopen(BTC, pos))
            report = await narrow.flatten(deadline=8.0)
            assert not world.closes()
        if session is not None:
            await session.close()
        return report

    report = happen(story)
    assert report.flat is (pos == 0)
    assert report.rows[0].state is (FlattenState.SUPERSEDED if pos else FlattenState.ALREADY_FLAT)
