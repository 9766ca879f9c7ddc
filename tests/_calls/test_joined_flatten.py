"""Calls that join the closes of a flatten."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from tests._calls.joining import close, full
from tests.conftest import World

Happen: TypeAlias = Callable[..., Any]
BTC = "BTC-USDT-SWAP"


@pytest.mark.parametrize("plain_first", [True, False])
def test_a_flatten_and_a_close_are_never_on_the_wire_together(happen: Happen, *, plain_first: bool) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(delay=0.5, times=1)
        if plain_first:
            plain = close(client, join=False)
            report = await client.flatten()
        else:
            flattening = asyncio.ensure_future(client.flatten())
            await asyncio.sleep(0.1)
            plain = close(client, join=False)
            report = await flattening
        assert report.flat
        await asyncio.wait({plain})
        first, *others = sorted(world.attempts, key=lambda attempt: attempt.sent or 0.0)
        assert all((other.sent or 0.0) >= (first.settled or 0.0) for other in others)
        assert sum(row.executed for row in world.closes()) == 1
        plain.exception()

    async def observed(world: World, _: okx.Client) -> None:
        async with world.client() as client:
            await story(world, client)

    happen(observed)


@pytest.mark.parametrize("waits", [True, False])
def test_a_call_that_joins_has_the_result_of_a_flattens_close(happen: Happen, *, waits: bool) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(delay=0.5)
        if waits:
            await full(client, 0.5)
        flattening = asyncio.ensure_future(client.flatten())
        await asyncio.sleep(0.2)
        joined, plain = await asyncio.gather(close(client), close(client, join=False), return_exceptions=True)
        report = await flattening
        assert isinstance(joined, okx.ClosedPosition)
        assert joined.attempts == report.rows[0].attempts
        assert isinstance(plain, okx.NothingToCloseError)
        assert report.flat
        assert len(world.closes()) == 2

    happen(story)


def test_what_a_flatten_tries_again_is_no_result_and_a_refusal_for_good_is_one(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(code="50011", inst_id=BTC)
        world.exchange.inject(code="51010", inst_id=BTC, delay=0.5)
        flattening = asyncio.ensure_future(client.flatten())
        await asyncio.sleep(0.2)
        calls = [close(client), close(client, max_wait=0.5), close(client, confirm=True)]
        await asyncio.wait(calls[:2])
        assert isinstance(calls[0].exception(), okx.RejectedError)
        assert getattr(calls[0].exception(), "code", "") == "51010"
        assert isinstance(calls[1].exception(), okx.RateLimitedError)  # of the last try in its time
        assert (await calls[2]).flat  # the flatten's was refused, so it makes one of its own
        assert (await flattening).rows[0].attempts[-1].code == "51010"
        assert [row.code for row in world.closes()] == ["50011", "51010", "0"]

    happen(story)


def test_a_call_beside_a_flatten_that_does_not_close_any_more_closes_for_itself(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        flattening = asyncio.ensure_future(client.flatten(cancel_orders="entries", look_again=5.0))
        await asyncio.sleep(1.0)
        with pytest.raises(okx.NothingToCloseError):  # the flatten's close was accepted before
            await close(client)
        world.exchange.open_position(BTC, 3)
        assert (await close(client)).inst_id == BTC
        assert (await flattening).flat
        assert len(world.closes()) == 3

    happen(story)


@pytest.mark.parametrize("sent", [True, False])
def test_a_flatten_that_is_cancelled_leaves_no_call_without_an_end(happen: Happen, *, sent: bool) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(delay=1.0)
        if not sent:
            await full(client, 1.0)
        flattening = asyncio.ensure_future(client.flatten())
        await asyncio.sleep(0.2)
        joined = close(client)
        await asyncio.sleep(0.2)
        flattening.cancel()
        await asyncio.wait({flattening, joined})
        if sent:
            assert isinstance(joined.exception(), okx.OutcomeUnknownError)
        else:
            assert (await joined).inst_id == BTC
        assert len(world.closes()) == 1

    happen(story)


def test_of_several_flattens_the_first_ones_close_is_joined(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(delay=0.5)
        flattening = [asyncio.ensure_future(client.flatten()) for _ in range(3)]
        await asyncio.sleep(0.2)
        plain, confirmed = await asyncio.gather(close(client), close(client, confirm=True))
        assert (plain.flat, confirmed.flat) == (False, True)
        assert all([(await one).flat for one in flattening])

    happen(story)


def test_a_caller_that_leaves_ends_no_close_of_a_flatten(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(delay=0.5)
        flattening = asyncio.ensure_future(client.flatten())
        await asyncio.sleep(0.2)
        joined = close(client, priority=okx.Priority.PANIC)
        await asyncio.sleep(0.1)
        joined.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await joined
        assert caught.value.__notes__ == [f"{BTC}: already sent, outcome unknown; it goes on for other callers"]
        assert (await flattening).flat
        assert len(world.closes()) == 1

    happen(story)
