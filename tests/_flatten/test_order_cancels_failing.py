"""Cancels of a flatten that fail, and lists of orders that cannot be read."""

import asyncio
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import orjson
import pytest

import okx_async as okx
from tests._flatten.orders import entry, left, paths
from tests.conftest import World

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
ALGO = "/api/v5/trade/orders-algo-pending"
BATCH = "/api/v5/trade/cancel-batch-orders"
PENDING = "/api/v5/trade/orders-pending"
Happen: TypeAlias = Callable[..., Any]


@pytest.mark.parametrize("fault", ["hang-up", "reset", "50004"])
@pytest.mark.parametrize("executed", [True, False])
def test_a_cancel_whose_outcome_is_unknown_is_sent_again_only_by_a_new_list(
    happen: Happen,
    fault: str,
    executed: bool,  # noqa: FBT001 - both
) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        entry(world)
        world.exchange.inject(fault, path=BATCH, executed=executed)
        report = await client.flatten(cancel_orders="entries")
        assert left(world) == []
        asked = [path for path in paths(world) if path in {PENDING, BATCH}]
        assert asked.count(BATCH) == (1 if executed else 2)
        if not executed:
            first = asked.index(BATCH)
            assert PENDING in asked[first : asked.index(BATCH, first + 1)]
        return report

    report = happen(story)
    assert report.flat
    assert report.notes
    assert "it is not known" not in " ".join(report.notes)


def test_each_order_has_its_own_code(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        orders = [entry(world) for _ in range(3)]
        items = [
            {"ordId": order.ord_id, "sCode": code} for order, code in zip(orders, ("51400", "0", "51412"), strict=True)
        ]
        body = orjson.dumps({"code": "2", "msg": "", "data": items}).decode()
        world.exchange.inject(path=BATCH, body=body)
        report = await client.flatten(cancel_orders="entries")
        assert len(report.cancelled) == 3  # one by what the answer said, two by the next list
        return report

    report = happen(story)
    assert report.cancel_codes == {"51400": 1, "0": 3, "51412": 1}


@pytest.mark.parametrize("items", ["[]", "{}", '[{"ordId":"1","sCode":"0"}]', '[{"ordId":["1"],"sCode":"0"}]'])
def test_an_order_that_no_item_answers_is_cancelled_again_at_once(happen: Happen, items: str) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        entry(world)
        world.exchange.inject(path=BATCH, body=f'{{"code":"0","msg":"","data":{items}}}')
        world.at(1.0, lambda: kept.extend(left(world)))
        return await client.flatten(cancel_orders="entries")

    kept: list[str] = []
    report = happen(story, fill_delay=3.0)
    assert report.flat
    assert (kept, report.cancel_codes) == ([], {"0": 1})


@pytest.mark.parametrize(("code", "decided"), [(0, True), ("0", True), (None, False), ("", False)])
def test_a_code_that_is_a_number_decides_too(happen: Happen, code: object, *, decided: bool) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        order = entry(world)
        body = orjson.dumps({"code": 0, "msg": "", "data": [{"ordId": order.ord_id, "sCode": code}]}).decode()
        world.exchange.inject(path=BATCH, body=body, executed=True)
        return await client.flatten(cancel_orders="entries")

    report = happen(story)
    assert (report.cancel_codes, report.notes, report.open_orders) == ({"0": 1} if decided else {}, (), ())


def test_the_limit_of_algo_orders_is_kept(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        for _ in range(45):
            world.exchange.add_algo_order(BTC, "trigger", side="buy", sz="1", reduce_only=False)
        report = await client.flatten(cancel_orders="entries", look_again=0.0)
        assert not world.exchange.rejections
        return report

    report = happen(story)
    assert len(report.cancelled) == 45
    assert 4.0 < report.seconds < 5.0


def test_orders_that_cannot_be_cancelled_do_not_keep_the_report(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        entry(world)
        world.exchange.inject(path=BATCH, code="50026", times=None)
        return await client.flatten(cancel_orders="entries")

    report = happen(story)
    assert report.flat
    assert [order.inst_id for order in report.open_orders] == [BTC]
    assert report.seconds < 10.0
    assert any("it is not known" in note for note in report.notes)


def test_a_key_without_permission_is_told_once(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        entry(world)
        world.exchange.inject(path=BATCH, code="50030", times=None)
        report = await client.flatten(cancel_orders="entries", look_again=0.0)
        assert paths(world).count(BATCH) == 2  # once at first, once after the proof
        return report

    assert happen(story).cancel_codes == {"50030": 2}


def test_a_list_that_is_refused_hides_no_other(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        entry(world)
        world.exchange.add_algo_order(BTC, "trigger", side="buy", sz="1", reduce_only=False)
        world.exchange.inject(path=PENDING, code="50030", times=None)
        report = await client.flatten(cancel_orders="entries")
        assert left(world) == [f"{BTC} limit"]
        return report

    report = happen(story)
    assert report.open_orders is None
    assert [order.ord_type for order in report.cancelled] == ["trigger"]
    assert any("trade/orders-pending" in note for note in report.notes)
    assert not any("still pending" in note for note in report.notes)  # nothing is known of it


@pytest.mark.parametrize("cancel", ["entries", None])
def test_orders_of_other_lists_that_are_left_are_told(happen: Happen, cancel: Literal["entries"] | None) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        for inst_id in (BTC, ETH):
            world.exchange.add_pending_order(inst_id, side="buy", sz="1", reduce_only=False)
        world.exchange.inject(path=BATCH, code="51400", times=None)  # "gone", and they are listed all the same
        world.exchange.inject(path=ALGO, code="50030", times=None)
        return await client.flatten(cancel_orders=cancel)

    report = happen(story)
    assert (report.flat, report.open_orders) == (True, None)
    assert {order.inst_id for order in report.orders_read} == ({BTC, ETH} if cancel else {BTC})
    assert ("orders that may open a position are still pending: 2" in report.notes) is (cancel is not None)


def test_of_a_list_that_cannot_be_read_to_its_end_what_was_read_is_cancelled(happen: Happen) -> None:
    """One that is cut off, or repeats its first page for ever, hides none of the orders that it did list."""

    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        for _ in range(150):
            entry(world)
        world.exchange.inject(path=PENDING, code="50030", after=1)  # the second page
        report = await client.flatten(cancel_orders="entries")
        assert left(world) == []
        return report

    report = happen(story)
    assert report.cancel_codes == {"0": 150}
    assert (report.open_orders, report.notes) == ((), ())  # what could be read in the end is noted no more


def test_cancelled_half_way_it_says_what_was_on_the_wire(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> list[str]:
        world.exchange.open_position(BTC, 3)
        entry(world)
        world.exchange.inject(path=BATCH, delay=3.0)
        task = asyncio.ensure_future(client.flatten(cancel_orders="entries"))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await task
        return list(cancelled.value.__notes__)

    assert any("cancel-batch-orders BTC-USDT-SWAP: already sent" in note for note in happen(story))


def test_a_client_closed_half_way_ends_it(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        entry(world)
        world.at(0.7, lambda: asyncio.ensure_future(client.aclose()))
        return await client.flatten(cancel_orders="entries")

    report = happen(story)
    assert report.seconds < 3.0


@pytest.mark.parametrize(
    "record",
    [
        {"instId": BTC, "ordType": "limit"},
        {"ordId": "7", "ordType": "limit"},
        {"instId": BTC, "ordId": 7},
        {"instId": BTC, "ordId": "7", "side": "buy", "posSide": "net", "tdMode": "cross"},  # cancels find it not
        None,
    ],
)
@pytest.mark.parametrize("cash", [False, True])
def test_an_order_that_is_listed_all_the_same_is_noted(
    happen: Happen, record: dict[str, Any] | None, *, cash: bool
) -> None:
    listed = [record if record is None or not cash else {**record, "tdMode": "cash"}]
    body = orjson.dumps({"code": "0", "data": listed, "msg": ""}).decode()

    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path=PENDING, body=body, times=None)
        return await client.flatten(cancel_orders="entries")

    report = happen(story)
    assert len(report.open_orders) == 1
    opens_nothing = cash and record is not None
    assert report.notes == (() if opens_nothing else ("orders that may open a position are still pending: 1",))
