"""Whole flattens against the simulated exchange, on a network in memory and in virtual time."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from okx_async import FlattenState
from tests._flatten.by_instrument import states
from tests.conftest import World

BTC, ETH, SOL = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"
POSITIONS = "/api/v5/account/positions"
EMPTY = '{"code":"0","data":[],"msg":""}'
Happen: TypeAlias = Callable[..., Any]


def test_a_calm_book_is_proven_flat_within_four_round_trips(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> tuple[okx.FlattenReport, int]:
        for number in range(100):
            world.exchange.open_position(f"S{number}-USDT-SWAP", 3)
        await client.warm_up(100)
        report = await client.flatten()
        assert not world.exchange.positions
        return report, len(world.closes())

    report, closes = happen(story)
    assert report
    assert report.seconds < 4.05 * 0.03
    assert closes == len(report.rows) == 100
    assert {row.state for row in report.rows} == {FlattenState.CLOSED}
    assert all(len(row.attempts) == 1 and row.after is None and row.error is None for row in report.rows)
    assert report.open_orders == ()


@pytest.mark.parametrize(
    "options", [{"fill_delay": 3.0}, {"positions_lag": 2.0}, {"fill_delay": 3.0, "positions_lag": 1.0}], ids=str
)
def test_slow_fills_and_readings_that_lag_are_waited_for(happen: Happen, options: dict[str, float]) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        for inst_id in (BTC, ETH, SOL):
            world.exchange.open_position(inst_id, -3)
        await asyncio.sleep(3)
        report = await client.flatten()
        assert not world.exchange.positions
        assert max(sum(row.executed for row in world.closes(inst_id)) for inst_id in (BTC, ETH, SOL)) == 1
        return report

    report = happen(story, **options)
    assert report.flat
    assert set(states(report).values()) == {FlattenState.CLOSED}


def test_nothing_to_close_is_read_twice(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        report = await client.flatten()
        assert sum(row.path == POSITIONS for row in world.exchange.journal) == 2
        return report

    report = happen(story)
    assert (report.flat, report.rows, report.open_orders) == (True, (), ())
    assert 0.2 < report.seconds < 0.3


def test_an_empty_first_reading_may_come_from_a_stale_copy(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path=POSITIONS, body=EMPTY)
        report = await client.flatten()
        assert not world.exchange.positions
        return report

    report = happen(story)
    assert (report.flat, states(report)) == (True, {BTC: FlattenState.CLOSED})


def test_one_reading_that_does_not_list_a_position_proves_nothing(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path=POSITIONS, body=EMPTY, after=1)
        report = await client.flatten()
        assert not world.exchange.positions
        return report

    report = happen(story, fill_delay=2.0)
    assert report.flat
    assert report.seconds > 2.0


def test_a_book_of_thousands_can_be_read(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(body=EMPTY, padding=7_000_000, path=POSITIONS)
        assert await client.positions() == []
        world.exchange.inject(body=EMPTY, padding=9_000_000, path=POSITIONS, times=None)
        with pytest.raises(okx.OutcomeUnknownError, match="is longer than 8388608 bytes"):
            await client.positions()

    happen(story)


def test_both_sides_both_modes_and_pairs(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        for mode in ("cross", "isolated"):
            for side in ("long", "short"):
                world.exchange.open_position(BTC, 3, mode, side)
        world.exchange.open_position("BTC-USDT", "0.5", "cross")
        world.exchange.open_position("ETH-USDT", "-0.5", "isolated")
        world.exchange.open_position("BTC-USD-260327-60000-C", -2)
        report = await client.flatten()
        assert not world.exchange.positions
        return report

    report = happen(story, pos_mode="long_short_mode")
    assert report.flat
    assert [row.state for row in report.rows] == [FlattenState.CLOSED] * 7


def test_orders_that_are_still_pending_are_listed(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        exchange = world.exchange
        exchange.open_position(BTC, 3)
        for _ in range(130):  # more than a page
            exchange.add_pending_order(BTC, side="buy", reduce_only=False)
        exchange.add_pending_order(BTC)  # in the way, and cancelled
        exchange.add_pending_order(ETH)
        for ord_type in ("conditional", "oco", "trigger", "move_order_stop"):
            exchange.add_algo_order(BTC, ord_type=ord_type)
        exchange.add_algo_order(ETH)
        return await client.flatten()

    report = happen(story)
    assert report.flat
    assert report.open_orders is not None
    assert {order.inst_id for order in report.open_orders} == {BTC}
    kinds = [order.ord_type for order in report.open_orders]
    assert kinds.count("limit") == 130
    assert sorted(set(kinds) - {"limit"}) == ["conditional", "move_order_stop", "oco", "trigger"]
    assert all(bool(order.algo_id) is not bool(order.ord_id) for order in report.open_orders)


@pytest.mark.parametrize("path", ["/api/v5/trade/orders-pending", "/api/v5/trade/orders-algo-pending"])
def test_orders_that_cannot_be_read_are_not_reported_as_none(happen: Happen, path: str) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path=path, code="50030", times=None)
        return await client.flatten([BTC])

    report = happen(story)
    assert report.flat
    assert report.open_orders is None


def test_pending_orders_in_the_way_stay_without_auto_cxl(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.exchange.add_pending_order(BTC)
        return await client.flatten(auto_cxl=False)

    report = happen(story)
    assert states(report) == {BTC: FlattenState.REFUSED}
    assert report.open_orders is not None
    assert [order.reduce_only for order in report.open_orders] == [True]


def test_progress_is_reported_by_row_and_an_error_of_the_callback_is_logged(
    happen: Happen, caplog: pytest.LogCaptureFixture
) -> None:
    rows: list[okx.FlattenRow] = []

    def on_progress(row: okx.FlattenRow) -> None:
        rows.append(row)
        raise KeyError(row.state.value)

    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        return await client.flatten(on_progress=on_progress)

    report = happen(story)
    assert report.flat
    assert [row.state for row in rows] == [FlattenState.IN_PROGRESS] * 3 + [FlattenState.CLOSED] * 2
    assert [len(row.attempts) for row in rows] == [0, 1, 1, 1, 1]
    assert "KeyError: 'closed'" in caplog.text


def test_what_is_proven_gone_is_told_before_orders_are_read(happen: Happen) -> None:
    told: list[tuple[float, FlattenState]] = []

    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path="/api/v5/trade/orders-algo-pending", delay=4.0, times=None)
        return await client.flatten(on_progress=lambda row: told.append((loop.time() - begun, row.state)))

    report = happen(story)
    assert report.flat
    assert report.seconds > 4.0
    assert min(at for at, state in told if state is FlattenState.CLOSED) < 1.0


def test_closing_the_client_ends_it_with_a_report(happen: Happen) -> None:
    async def story(world: World, _client: okx.Client) -> okx.FlattenReport:
        other = world.client()
        world.exchange.open_position(BTC, 3)
        world.exchange.open_position(ETH, 3)
        world.exchange.inject(code="50011", times=None, inst_id=ETH)
        task = asyncio.create_task(other.flatten())
        await asyncio.sleep(1.0)
        await other.aclose()
        return await task

    report = happen(story, fill_delay=3.0)
    assert not report.flat
    assert states(report) == {BTC: FlattenState.IN_PROGRESS, ETH: FlattenState.CLIENT_CLOSED}
    assert report.seconds < 3.0


def test_few_connections_are_enough(happen: Happen) -> None:
    async def story(world: World, _client: okx.Client) -> okx.FlattenReport:
        for number in range(20):
            world.exchange.open_position(f"S{number}-USDT-SWAP", 3)
        world.exchange.inject(code="51029", times=20)
        async with world.client(max_connections=1) as narrow:
            return await narrow.flatten()

    assert happen(story).flat


def test_what_cannot_work_is_refused_before_anything_is_asked(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        before = len(world.exchange.journal)
        wrong: list[dict[str, Any]] = [
            {"inst_ids": []},
            {"inst_ids": "BTC-USDT-SWAP"},
            {"inst_ids": ["BTC USDT"]},
            {"where": 3},
            {"auto_cxl": "true"},
            {"deadline": 0},
            {"deadline": float("inf")},
            {"priority": 1},
            {"on_progress": 3},
        ]
        for arguments in wrong:
            with pytest.raises(okx.InvalidRequestError):
                await client.flatten(**arguments)
        assert len(world.exchange.journal) == before

    happen(story)


def test_each_close_of_a_flatten_carries_its_tag(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.open_position(ETH, -3)
        with pytest.raises(okx.InvalidRequestError, match="tag must be 1 to 16"):
            await client.flatten(tag="not a tag")
        report = await client.flatten(tag="exit1")
        assert report.flat
        assert {attempt.request.tag for row in report.rows for attempt in row.attempts} == {"exit1"}

    happen(story)
