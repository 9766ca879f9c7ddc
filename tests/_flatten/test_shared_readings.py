"""Confirmed closes at once, whose positions are read for all of them together."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias, cast

import pytest

import okx_async as okx
from okx_async._calls.caller import Caller
from okx_async._flatten.guard import Reading
from okx_async._flatten.shared_readings import SharedReadings
from tests.conftest import World

Happen: TypeAlias = Callable[..., Any]
BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
POSITIONS = "/api/v5/account/positions"


def open_all(world: World, count: int) -> list[str]:
    inst_ids = [f"COIN{number}-USDT-SWAP" for number in range(count)]
    for inst_id in inst_ids:
        world.exchange.open_position(inst_id, 3)
    return inst_ids


def read(world: World) -> list[str]:
    return [row.path for row in world.exchange.journal if row.path.startswith(POSITIONS)]


def confirm(client: okx.Client, inst_id: str, **options: Any) -> asyncio.Task[okx.ClosedPosition]:
    return asyncio.ensure_future(client.close_position(inst_id, "cross", **{"confirm": True, **options}))


@pytest.mark.parametrize("priority", okx.Priority)
def test_a_hundred_are_proven_as_soon_as_one(happen: Happen, priority: okx.Priority) -> None:
    async def story(world: World, client: okx.Client) -> float:
        inst_ids = open_all(world, 100)
        begun = world.loop.clock()
        closed = await asyncio.gather(*(confirm(client, each, priority=priority) for each in inst_ids))
        assert all(each.flat for each in closed)
        assert [each.inst_id for each in closed] == inst_ids
        assert len(world.closes()) == 100
        return world.loop.clock() - begun

    assert happen(story, fill_delay=1.0) < 5.0


def test_few_are_asked_for_by_name_together(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> list[str]:
        await asyncio.gather(*(confirm(client, each) for each in open_all(world, 3)))
        return read(world)

    paths = happen(story)
    assert len(paths) <= 4
    assert paths[0].endswith("?instId=COIN0-USDT-SWAP,COIN1-USDT-SWAP,COIN2-USDT-SWAP")


def test_a_name_that_is_refused_bars_no_other(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        (inst_id,) = open_all(world, 1)
        good, bad = confirm(client, inst_id), confirm(client, "GONE-USDT-SWAP", confirm_timeout=2.0)
        assert (await good).flat
        with pytest.raises(okx.RejectedError, match="51001"):
            await bad

    happen(story)


def test_each_has_its_own_story(happen: Happen) -> None:
    """One is cancelled, one is reopened, one is refused, one stays: none of it is told of another."""

    async def story(world: World, client: okx.Client) -> None:
        first, cancelled, reopened, refused, stays = open_all(world, 5)
        world.exchange.inject(code="51108", inst_id=refused)
        world.exchange.inject(inst_id=stays, executed=False, body='{"code":"0","msg":"","data":[]}', times=None)
        world.exchange.reopen(reopened, 7, after=0.5)
        calls = [confirm(client, each, confirm_timeout=4.0) for each in (first, cancelled, reopened, refused, stays)]
        await asyncio.sleep(0.3)
        calls[1].cancel()
        told = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(each) for each in told] == [
            okx.ClosedPosition,
            asyncio.CancelledError,
            okx.RejectedError,
            okx.RejectedError,
            okx.OutcomeUnknownError,
        ]
        assert "superseded" in str(told[2])
        assert "51108" in str(told[3])
        assert stays in str(told[4])

    happen(story, fill_delay=1.0)


def test_one_without_patience_ends_no_reading_of_others(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        for inst_id in (BTC, ETH):
            world.exchange.open_position(inst_id, 3)
        key = (*client.limiter_key(BTC)[:2], "account/positions")
        await client.limiter.block(key, 0.5, refused=False)
        hasty, patient = confirm(client, BTC, max_wait=0.1), confirm(client, ETH)
        assert (await hasty).flat  # it went out unread
        assert (await patient).flat
        close_of_eth = next(row.at for row in world.exchange.journal if row.method == "POST" and ETH in str(row.key))
        assert close_of_eth > min(row.at for row in world.exchange.journal if row.path.startswith(POSITIONS))

    happen(story)


async def test_what_was_read_in_the_moment_in_which_one_comes_is_its_own() -> None:
    seen: list[Reading] = []
    shared = SharedReadings()
    calls = cast("Caller", None)
    early = shared.reader(calls, [BTC], okx.Priority.NORMAL, seen.append)
    lane: Any = early._lane
    now = asyncio.get_running_loop().time()
    reading = Reading(now, [])
    lane.reader.latest, lane.reader._complete_begun = reading, now
    late: Any = shared.reader(calls, [ETH], okx.Priority.NORMAL, seen.append)
    assert not seen
    late._made = now  # by a coarse clock
    assert await late.read_since(now, now + 1)
    assert seen == [reading]
    assert late.latest is reading
    lane.reader.latest = Reading(now + 1, [], [BTC])  # of another one
    other = shared.reader(calls, [ETH], okx.Priority.NORMAL, seen.append)
    assert not await other.read_since(now, now + 1)
    assert not lane.reader._waiters


async def test_what_was_begun_before_one_comes_is_not_its_own() -> None:
    shared, calls = SharedReadings(), cast("Caller", None)
    seen: list[Reading] = []
    reader: Any = shared.reader(calls, [BTC], okx.Priority.NORMAL, seen.append)
    now = asyncio.get_running_loop().time()
    reader._lane._show(Reading(now - 1.0, []))
    assert not seen
    assert reader.latest is None
    reader._lane._show(after := Reading(now + 1.0, []))
    assert seen == [after]
    assert reader.latest is after


async def test_a_lane_lasts_as_long_as_it_is_used() -> None:
    shared, calls = SharedReadings(), cast("Caller", None)

    def reader(priority: okx.Priority = okx.Priority.NORMAL) -> Any:
        return shared.reader(calls, [BTC], priority, lambda _: None)

    first, second = reader(), reader()
    assert first._lane is second._lane
    assert reader(okx.Priority.PANIC)._lane is not first._lane
    await first.aclose()
    assert reader()._lane is second._lane
    for each in tuple(second._lane.users):
        await each.aclose()
    assert reader()._lane is not second._lane
