"""The states that a flatten reports, against the simulated exchange, on a network in memory and in virtual time."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from okx_async import FlattenState
from tests._flatten.by_instrument import states
from tests.conftest import World

BTC, ETH, SOL = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"
POSITIONS = "/api/v5/account/positions"
Happen: TypeAlias = Callable[..., Any]


def test_a_wrong_no_such_position_is_verified_and_not_taken_for_flat(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> tuple[okx.FlattenReport, int]:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(code="51023", times=None)
        report = await client.flatten()
        return report, len(world.closes(BTC))

    report, closes = happen(story)
    assert (report.flat, states(report)) == (False, {BTC: FlattenState.REFUSED})
    error = report.rows[0].error
    assert isinstance(error, okx.NothingToCloseError)
    assert "wrong mgn_mode" not in str(error)  # these words are those of the reading
    assert closes == 3


def test_closed_by_others_first(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.exchange.open_position(ETH, 3)
        world.at(0.035, lambda: world.exchange.open_position(BTC, 0))  # read, and the close is on its way
        world.exchange.force_close(ETH, seconds=1.5, after=0.035)
        return await client.flatten()

    report = happen(story)
    assert report.flat
    assert states(report) == {BTC: FlattenState.ALREADY_FLAT, ETH: FlattenState.ALREADY_FLAT}


@pytest.mark.parametrize("code", ["51020", "51120", "51132"])
def test_dust_is_reported_and_not_repeated(happen: Happen, code: str) -> None:
    async def story(world: World, client: okx.Client) -> tuple[okx.FlattenReport, int]:
        world.exchange.open_position(BTC, "0.001")
        world.exchange.inject(code=code, times=None)
        return await client.flatten(), len(world.closes(BTC))

    report, closes = happen(story)
    assert (report.flat, states(report), closes) == (False, {BTC: FlattenState.DUST}, 1)
    assert report.seconds < 1.0


def test_a_close_that_is_taken_and_changes_nothing_is_not_repeated_for_ever(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> tuple[okx.FlattenReport, int]:
        world.exchange.open_position(BTC, 3)
        return await client.flatten(), len(world.closes(BTC))

    report, closes = happen(story, fill=0)
    assert (report.flat, states(report), closes) == (False, {BTC: FlattenState.IN_PROGRESS}, 3)


def test_what_is_filled_in_part_is_closed_again(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> tuple[okx.FlattenReport, list[float]]:
        world.exchange.open_position(BTC, 8)
        world.exchange.inject("half filled", times=2)
        report = await client.flatten()
        assert not world.exchange.positions
        return report, [row.at for row in world.closes(BTC)]

    report, ats = happen(story)
    assert (report.flat, states(report)) == (True, {BTC: FlattenState.CLOSED})
    assert len(ats) == 3
    assert all(later - earlier > 2.0 for earlier, later in pairwise(ats))


def test_a_part_that_is_left_at_the_deadline_is_reported(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 8)
        return await client.flatten(deadline=5.0)

    report = happen(story, fill=0.5)
    assert (report.flat, states(report)) == (False, {BTC: FlattenState.PARTIAL})
    assert report.rows[0].after is not None
    assert 0 < report.rows[0].after.pos < 8
    assert 5.0 <= report.seconds < 6.1


@pytest.mark.parametrize(
    ("code", "state", "error"),
    [
        ("50011", FlattenState.DEADLINE, okx.RateLimitedError),
        ("51029", FlattenState.DEADLINE, okx.UnavailableError),
        ("51032", FlattenState.IN_PROGRESS, okx.CloseInProgressError),
        ("50004", FlattenState.UNKNOWN, okx.OutcomeUnknownError),
        ("51108", FlattenState.REFUSED, okx.RejectedError),
        ("51115", FlattenState.DEADLINE, okx.PendingOrdersError),
        ("59999", FlattenState.UNKNOWN, okx.OutcomeUnknownError),
    ],
)
def test_the_deadline_ends_it_and_each_row_says_how(
    happen: Happen, code: str, state: FlattenState, error: type[okx.OkxError]
) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.exchange.open_position(ETH, 3)
        world.exchange.inject(code=code, times=None, inst_id=BTC)
        begun = world.loop.clock()
        report = await client.flatten(deadline=6.0)
        assert all(row.at < begun + 6.03 for row in world.closes())
        return report

    report = happen(story)
    assert (report.flat, states(report)) == (False, {BTC: state, ETH: FlattenState.CLOSED})
    [row] = [row for row in report.rows if row.position.inst_id == BTC]
    assert isinstance(row.error, error)
    assert row.after is not None
    assert report.seconds < 7.1


def test_readings_that_fail_end_nothing_before_the_deadline(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path=POSITIONS, code="50026", times=5, after=1)
        return await client.flatten()

    report = happen(story)
    assert (report.flat, states(report)) == (True, {BTC: FlattenState.CLOSED})


def test_without_a_reading_until_the_deadline_a_position_is_unknown(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path=POSITIONS, disconnect=True, times=None, after=1)
        report = await client.flatten(deadline=4.0)
        assert not world.exchange.positions
        return report

    report = happen(story)
    assert (report.flat, states(report)) == (False, {BTC: FlattenState.UNKNOWN})
    assert report.rows[0].after is None
    assert report.seconds < 4.0 + 1.1


def test_only_a_first_reading_that_fails_is_raised(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path=POSITIONS, code="50026", times=None)
        with pytest.raises(okx.OutcomeUnknownError):
            await client.flatten(deadline=3.0)
        world.exchange.clear_faults()
        world.exchange.inject(path=POSITIONS, code="50119")
        with pytest.raises(okx.AuthenticationError):
            await client.flatten()
        assert not world.closes()

    happen(story)


def test_a_refused_api_key_stops_all_legs(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> tuple[okx.FlattenReport, int]:
        for number in range(25):  # one family: twenty at once, and five that wait
            world.exchange.open_position(f"BTC-USD-260327-{50 + number}000-C", 3)
        world.exchange.inject(code="50119", times=None, path=None, counted=False, after=1)
        report = await client.flatten()
        return report, len(world.closes())

    report, closes = happen(story)
    assert not report.flat
    assert 1 <= closes < 20  # those of the twenty whose connection stood by then
    assert {row.state for row in report.rows} == {FlattenState.REFUSED}
    assert all(isinstance(row.error, okx.AuthenticationError) for row in report.rows)
    assert report.seconds < 3.0
