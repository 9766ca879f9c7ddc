"""Flattens that cancel orders, against the simulated exchange in virtual time."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from okx_async import FlattenState
from tests._flatten.orders import entry, left, paths
from tests.conftest import World

BTC, ETH, SOL = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"
BATCH, ALGOS = "/api/v5/trade/cancel-batch-orders", "/api/v5/trade/cancel-algos"
PENDING, POSITIONS = "/api/v5/trade/orders-pending", "/api/v5/account/positions"
Happen: TypeAlias = Callable[..., Any]


def test_without_it_no_order_is_cancelled_and_no_second_look_is_taken(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        entry(world)
        report = await client.flatten()
        assert left(world) == [f"{BTC} limit"]
        assert not {BATCH, ALGOS} & {*paths(world)}
        return report

    report = happen(story)
    assert report.seconds < 1.0
    assert (report.cancelled, report.cancel_codes, report.appeared, report.notes) == ((), {}, (), ())


def test_entries_of_every_list_are_cancelled_beside_the_first_close(happen: Happen) -> None:
    kinds = ("conditional", "oco", "trigger", "move_order_stop", "iceberg", "twap", "chase", "smart_iceberg")

    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        exchange = world.exchange
        exchange.open_position(BTC, 3)
        for _ in range(45):
            entry(world)
        entry(world, ETH)
        for kind in kinds:
            exchange.add_algo_order(BTC, kind, side="buy", sz="1", reduce_only=False)
        begun = world.loop.time()
        report = await client.flatten(cancel_orders="entries")
        assert left(world) == []
        rows = [row for row in exchange.journal if row.path in {BATCH, ALGOS}]
        assert [row.path for row in rows].count(BATCH) == 4
        assert [row.path for row in rows].count(ALGOS) == 1
        assert max(row.at for row in rows) - begun < 0.15
        assert {row.code for row in rows} == {"0"}
        return report

    report = happen(story)
    assert report.flat
    assert report.open_orders == ()
    assert sorted({order.ord_type for order in report.cancelled} - {"limit"}) == sorted(kinds)
    assert (len(report.cancelled), report.cancel_codes, report.notes) == (54, {"0": 54}, ())
    assert 2.0 < report.seconds < 2.5


def test_what_protects_is_cancelled_only_after_the_proof(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        exchange = world.exchange
        exchange.open_position(BTC, 3)
        exchange.add_algo_order(BTC)
        exchange.add_algo_order(BTC, "trigger", sz="2", reduce_only=False)  # against the position
        entry(world)
        world.at(1.0, lambda: kept.extend(left(world)))
        report = await client.flatten(cancel_orders="entries")
        assert not exchange.algo_orders
        return report

    kept: list[str] = []
    report = happen(story, fill_delay=1.5)
    assert report.flat
    assert kept == [f"{BTC} conditional", f"{BTC} trigger"]
    assert len(report.cancelled) == 3


def test_what_protects_stays_if_it_is_not_flat(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.exchange.add_algo_order(BTC)
        entry(world)
        world.exchange.inject(code="51010", inst_id=BTC, path="/api/v5/trade/close-position", times=None)
        report = await client.flatten(cancel_orders="entries")
        assert left(world) == [f"{BTC} conditional"]
        return report

    report = happen(story)
    assert not report.flat
    assert [order.algo_id != "" for order in report.open_orders] == [True]


def test_the_stop_of_a_position_opened_meanwhile_stays(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        exchange = world.exchange
        exchange.add_algo_order(BTC)  # left over, of a position that is gone

        def fill() -> None:
            exchange.open_position(BTC, 3)
            exchange.add_algo_order(BTC, "oco")

        world.exchange.inject(path=PENDING, delay=1.0)  # the proof is 1 s old when what protects is read
        world.at(0.5, fill)
        report = await client.flatten(cancel_orders="entries")
        assert left(world) == [f"{BTC} oco"]
        return report

    report = happen(story)
    assert not report.flat
    assert [position.inst_id for position in report.appeared] == [BTC]


def test_only_orders_in_the_filter_are_cancelled(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        exchange = world.exchange
        exchange.open_position(BTC, 3)
        exchange.open_position(ETH, 3)
        for inst_id in (BTC, ETH, SOL):
            entry(world, inst_id)
        entry(world, BTC, mgn_mode="isolated")
        first = await client.flatten(
            [BTC], where=lambda position: position.mgn_mode == "cross", cancel_orders="entries"
        )
        assert left(world) == [f"{BTC} limit", f"{ETH} limit", f"{SOL} limit"]
        second = await client.flatten(cancel_orders=lambda order: order.inst_id == SOL)
        assert left(world) == [f"{BTC} limit", f"{ETH} limit"]
        assert {order.inst_id for order in second.open_orders or ()} == {BTC, ETH}
        return first

    assert happen(story).flat


def test_a_function_that_fails_cancels_nothing(happen: Happen, caplog: pytest.LogCaptureFixture) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        entry(world)
        report = await client.flatten(cancel_orders=lambda order: int(order.inst_id))
        assert left(world) == [f"{BTC} limit"]
        assert report.notes == ("orders were left alone: cancel_orders raised ValueError",)
        return report

    assert happen(story).flat
    assert "cancel_orders raised" in caplog.text


def test_an_order_that_fills_meanwhile_is_found_by_the_second_look(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        # Filled before it is cancelled, and listed late.
        world.at(0.3, lambda: world.exchange.open_position(ETH, 5))
        report = await client.flatten(cancel_orders="entries")
        assert [holding.inst_id for holding in world.exchange.positions] == [ETH]
        return report

    report = happen(story)
    assert not report.flat
    assert [(position.inst_id, position.pos) for position in report.appeared] == [(ETH, Decimal(5))]
    assert {row.position.inst_id: row.state for row in report.rows} == {
        BTC: FlattenState.CLOSED,
        ETH: FlattenState.SUPERSEDED,
    }


def test_a_position_opened_again_at_its_address_is_found_by_the_second_look(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.at(1.0, lambda: world.exchange.open_position(BTC, 5))
        return await client.flatten(cancel_orders="entries")

    report = happen(story)
    assert not report.flat
    assert [row.state for row in report.rows] == [FlattenState.SUPERSEDED]
    assert [position.pos for position in report.appeared] == [5]


def test_the_second_look_may_be_later_or_left_out(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> list[okx.FlattenReport]:
        reports = []
        for look_again in (0.0, 5.0):
            entry(world)
            reports.append(await client.flatten(cancel_orders="entries", look_again=look_again))
        return reports

    none, late = happen(story)
    assert none.flat
    assert none.seconds < 1.0
    assert none.open_orders == late.open_orders == ()
    assert late.seconds > 5.0


def test_positions_that_cannot_be_read_again_are_noted(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.at(1.0, lambda: world.exchange.inject(path=POSITIONS, code="50026", times=None))
        return await client.flatten(cancel_orders="entries", deadline=5.0)

    report = happen(story)
    assert report.flat
    assert any("no second look" in note for note in report.notes)


def test_with_nothing_open_and_no_filter_orders_are_asked_for(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> tuple[okx.FlattenReport, okx.FlattenReport]:
        entry(world)
        found = await client.flatten()
        world.exchange.inject(path=PENDING, code="50030", times=None)
        return found, await client.flatten()

    found, refused = happen(story)
    assert [order.inst_id for order in found.open_orders] == [BTC]
    assert refused.open_orders is None


@pytest.mark.parametrize(
    "options",
    [
        {"cancel_orders": "all"},
        {"cancel_orders": True},
        {"look_again": -1.0},
        {"look_again": None},
        {"look_again": True},
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(happen: Happen, options: dict[str, Any]) -> None:
    async def story(world: World, client: okx.Client) -> None:
        before = len(world.exchange.journal)
        with pytest.raises(okx.InvalidRequestError, match=next(iter(options))):
            await client.flatten(**options)
        assert len(world.exchange.journal) == before

    happen(story)
