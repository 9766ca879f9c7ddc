"""Closes with confirmation, against the simulated exchange in virtual time."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from okx_async._flatten.confirm import _Absence, _matching
from okx_async._flatten.guard import Reading
from okx_async._rest.records import positions
from okx_async._rest.responses import Answer
from tests.conftest import World

Happen: TypeAlias = Callable[..., Any]
BTC = "BTC-USDT-SWAP"
POSITIONS = "/api/v5/account/positions"


@pytest.mark.parametrize("fill_delay", [0.0, 1.0, 3.0])
def test_it_returns_once_the_position_is_gone(happen: Happen, fill_delay: float) -> None:
    async def story(world: World, client: okx.Client) -> okx.ClosedPosition:
        world.exchange.open_position(BTC, 3)
        closed = await client.close_position(BTC, "cross", cl_ord_id="mine", confirm=True)
        assert not world.exchange.positions
        return closed

    closed = happen(story, fill_delay=fill_delay)
    assert (closed.flat, closed.inst_id, closed.cl_ord_id) == (True, BTC, "mine")
    assert closed.attempts[0].outcome is okx.Outcome.ACCEPTED


def test_where_no_time_passes_it_returns_all_the_same(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> int:
        world.exchange.open_position(BTC, 3)
        assert (await client.close_position(BTC, "cross", confirm=True)).flat
        return sum(row.path.startswith(POSITIONS) for row in world.exchange.journal)

    assert happen(story, way=0.0) <= 4  # readings that asked again and again would use up their quota


@pytest.mark.parametrize("max_wait", [None, 4.0])
def test_what_seemed_gone_and_cannot_be_read_any_more_is_not_awaited_for_ever(
    happen: Happen, max_wait: float | None
) -> None:
    async def story(world: World, client: okx.Client) -> float:
        world.exchange.open_position(BTC, 3)
        await client.limiter.block(client.limiter_key(BTC), 2.0)  # so that the close needs another reading
        world.exchange.inject("positions empty once", after=1)
        world.exchange.inject("positions down", after=1)
        begun = world.loop.clock()
        with pytest.raises(okx.OkxError) as caught:
            await client.close_position(BTC, "cross", confirm=True, confirm_timeout=3.0, max_wait=max_wait)
        assert not isinstance(caught.value, okx.NothingToCloseError)
        assert not world.closes()
        return world.loop.clock() - begun

    assert happen(story) < (max_wait or 2.0) + 3.0 + 1.0


OF_ANOTHER = '{"code":"0","msg":"","data":[{"instId":"ETH-USDT-SWAP","mgnMode":"cross","posSide":"net","pos":"1"}]}'


def test_the_answer_to_another_question_proves_nothing_flat(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path=POSITIONS, body=OF_ANOTHER, times=None)
        with pytest.raises(okx.OutcomeUnknownError, match="nothing of what was asked for"):
            await client.positions([BTC])
        with pytest.raises(okx.OutcomeUnknownError, match="nothing of what was asked for"):
            await client.flatten([BTC])
        assert len(await client.positions()) == 1
        with pytest.raises(okx.OutcomeUnknownError, match="accepted, but"):
            await client.close_position(BTC, "cross", confirm=True, confirm_timeout=1.5)

    happen(story)


def test_without_confirm_nothing_is_read_and_nothing_proven(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.ClosedPosition:
        world.exchange.open_position(BTC, 3)
        closed = await client.close_position(BTC, "cross")
        assert not any(row.path.startswith(POSITIONS) for row in world.exchange.journal)
        return closed

    assert not happen(story).flat


@pytest.mark.parametrize("executed", [True, False])
def test_an_unknown_outcome_becomes_a_known_one(happen: Happen, executed: bool) -> None:  # noqa: FBT001 - both
    async def story(world: World, client: okx.Client) -> okx.ClosedPosition:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject("50004", executed=executed)
        closed = await client.close_position(BTC, "cross", confirm=True)
        assert not world.exchange.positions
        assert sum(row.executed for row in world.closes()) == 1
        return closed

    closed = happen(story)
    assert closed.flat
    assert len(closed.attempts) == (1 if executed else 2)


@pytest.mark.parametrize("fault", ["50004", "50011", "51030", "never filled"])
def test_another_position_in_its_place_is_left_alone_and_reported(happen: Happen, fault: str) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(fault)
        world.exchange.reopen(BTC, 7, on_close=1)
        with pytest.raises(okx.RejectedError, match="superseded") as caught:
            await client.close_position(BTC, "cross", confirm=True)
        assert len(caught.value.attempts) == len(world.closes()) == 1
        assert [holding.pos for holding in world.exchange.positions] == [7]

    happen(story)


@pytest.mark.parametrize("fault", ["", "50004"])
def test_a_position_that_was_never_read_is_not_closed_twice(happen: Happen, fault: str) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path=POSITIONS, code="50026")
        if fault:
            world.exchange.inject(fault, executed=False)
        with pytest.raises(okx.OutcomeUnknownError):
            await client.close_position(BTC, "cross", confirm=True, confirm_timeout=5.0)
        assert len(world.closes()) == 1

    happen(story, fill=0)


def test_the_side_is_told_apart(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3, "cross", "long")
        world.exchange.open_position(BTC, 3, "cross", "short")
        closed = await client.close_position(BTC, "cross", pos_side="short", confirm=True)
        assert closed.flat
        assert [holding.pos_side for holding in world.exchange.positions] == ["long"]

    happen(story, pos_mode="long_short_mode")


SWAP = {"instType": "SWAP", "instId": BTC, "mgnMode": "cross", "posSide": "net", "pos": "3", "ccy": "USDT"}
PAIR = {**SWAP, "instType": "MARGIN", "instId": "BTC-USDT", "posCcy": "BTC"}


@pytest.mark.parametrize(
    ("listed", "close", "may_close_it"),
    [
        (SWAP, {}, True),
        ({**SWAP, "pos": "0"}, {}, False),
        ({**SWAP, "instId": "ETH-USDT-SWAP"}, {}, False),
        ({**SWAP, "mgnMode": "isolated"}, {}, False),
        ({**SWAP, "posSide": "long"}, {}, False),
        ({**SWAP, "posSide": "long"}, {"pos_side": "long"}, True),
        ({**SWAP, "ccy": "BTC"}, {"ccy": "USDT"}, True),  # the exchange looks at the currency of pairs alone
        (PAIR, {"inst_id": "BTC-USDT"}, True),
        (PAIR, {"inst_id": "BTC-USDT", "ccy": "USDT"}, True),
        (PAIR, {"inst_id": "BTC-USDT", "ccy": "BTC"}, False),
    ],
)
def test_a_position_is_the_one_that_the_close_names(
    listed: dict[str, str],
    close: dict[str, Any],
    may_close_it: bool,  # noqa: FBT001 - expected
) -> None:
    request = okx.ClosePosition(**{"inst_id": BTC, "mgn_mode": "cross", **close})
    found = positions(Answer(200, "0", data=[listed], listed=True, envelope=True)).positions
    assert _matching(request, Reading(0.0, found)) == (found if may_close_it else [])


def reads(world: World, since: float) -> list[float]:
    """Return when readings were made, in seconds from this time of the loop."""
    rows = [row for row in world.exchange.journal if row.path.startswith(POSITIONS)]
    return [row.at - since for row in rows if row.at >= since]


def test_a_position_that_was_never_read_is_gone_after_two_readings_in_a_row(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path=POSITIONS, code="50026")
        begun = world.loop.clock()
        task = asyncio.create_task(client.close_position(BTC, "cross", confirm=True))
        await asyncio.sleep(0.25)  # a first reading does not list it
        world.exchange.open_position(BTC, 7)
        await asyncio.sleep(0.2)  # the second one does
        world.exchange.open_position(BTC, 0)
        assert (await task).flat
        *_, listed, gone, proof = reads(world, begun)
        assert listed < 0.45 < gone
        assert proof - gone >= 0.2

    happen(story)


def test_a_position_is_absent_since_the_first_reading_in_a_row_without_it() -> None:
    """Seed 26113023436927 broke "flat": one that listed it, made for another close in a pause, was passed over."""
    absence = _Absence(okx.ClosePosition(BTC, "cross"), 5.0)
    listed = positions(Answer(200, "0", data=[SWAP], listed=True, envelope=True)).positions
    absence.see(Reading(4.9, []))  # begun before the close was answered
    assert absence.since is None
    absence.see(Reading(5.1, []))
    absence.see(Reading(5.2, []))
    assert absence.since == 5.1
    absence.see(Reading(5.3, listed))
    assert absence.since is None
    absence.see(Reading(5.4, []))
    assert absence.since == 5.4
