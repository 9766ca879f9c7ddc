"""Confirmed closes that are cancelled: each notes what was sent and what is proven."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from okx_async._flatten.engine import FIRST_CLOSE_WAIT
from tests.conftest import World

Happen: TypeAlias = Callable[..., Any]
BTC = "BTC-USDT-SWAP"
POSITIONS = "/api/v5/account/positions"


@pytest.mark.parametrize(
    ("moment", "note"),
    [(0.02, None), (0.04, "already sent, outcome unknown"), (0.2, "already sent, not proven closed")],
)
def test_cancelled_it_notes_what_is_known(happen: Happen, moment: float, note: str | None) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        task = asyncio.create_task(client.close_position(BTC, "cross", confirm=True))
        await asyncio.sleep(moment)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert getattr(caught.value, "__notes__", []) == ([f"{BTC}: {note}"] if note else [])

    happen(story, fill_delay=3.0)


@pytest.mark.parametrize("readable", [True, False])
def test_cancelled_before_the_last_reading_it_notes_that_nothing_is_proven(happen: Happen, readable: bool) -> None:  # noqa: FBT001 - both
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        if not readable:
            world.exchange.inject(path="/api/v5/account/positions", code="50026", times=None)
        task = asyncio.create_task(client.close_position(BTC, "cross", confirm=True))
        await asyncio.sleep(0.1 if readable else 1.5)
        assert not world.exchange.positions
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert getattr(caught.value, "__notes__", []) == [f"{BTC}: already sent, not proven closed"]

    happen(story)


def test_a_second_cancellation_keeps_the_note_of_what_was_sent(happen: Happen) -> None:
    """Seed 2611292015622 broke "rows": nothing had been read yet, so the close was that of no leg."""

    async def story(world: World, client: okx.Client) -> None:
        world.exchange.inject(path="/api/v5/account/positions", delay=4.0)  # the close does not wait for it
        world.exchange.inject(delay=1.0)
        task = asyncio.create_task(client.close_position(BTC, "cross", confirm=True))
        await asyncio.sleep(FIRST_CLOSE_WAIT + 0.5)
        assert len(world.closes()) == 1
        for _ in range(9):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert getattr(caught.value, "__notes__", []) == [f"{BTC}: already sent, outcome unknown"]

    happen(story)


def test_cancelled_after_an_unknown_outcome_it_notes_that_nothing_is_proven(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path=POSITIONS, code="50026", times=None)
        world.exchange.inject("50004", executed=True)
        task = asyncio.create_task(client.close_position(BTC, "cross", confirm=True))
        await asyncio.sleep(1.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.__notes__ == [f"{BTC}: already sent, not proven closed"]

    happen(story)
