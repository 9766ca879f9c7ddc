"""What users are told of attempts and of limits, in virtual time and over a network in memory."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from okx_async import LimitEvent, Priority
from tests.conftest import World

Happen: TypeAlias = Callable[..., Any]

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
CLOSE = "trade/close-position"


def told_to(world: World, told: list[LimitEvent], **options: Any) -> okx.Client:
    """Return a client that tells of its limits."""
    return world.client(on_limit=told.append, **options)


def test_a_request_that_waited_is_told_with_its_time(happen: Happen) -> None:
    async def story(world: World, _: okx.Client) -> list[LimitEvent]:
        told: list[LimitEvent] = []
        async with told_to(world, told) as client:
            await client.close_positions([okx.ClosePosition(BTC, "cross")] * 21)
        return told

    [event] = happen(story)
    assert (event.kind, event.endpoint, event.priority) == ("waited", CLOSE, Priority.NORMAL)
    assert event.key[2] == BTC
    assert event.seconds == pytest.approx(2.063, abs=0.001)  # the window, a connection and a round trip


def test_a_request_that_waited_for_nothing_is_not_told(happen: Happen) -> None:
    async def story(world: World, _: okx.Client) -> list[LimitEvent]:
        told: list[LimitEvent] = []
        world.exchange.open_position(BTC, 1)
        async with told_to(world, told) as client:
            await client.flatten()
        return told

    assert happen(story) == []


@pytest.mark.parametrize("max_wait", [0.0, 0.5])
def test_a_request_that_gave_up_is_told(happen: Happen, max_wait: float) -> None:
    async def story(world: World, _: okx.Client) -> tuple[list[LimitEvent], okx.CloseResult]:
        told: list[LimitEvent] = []
        async with told_to(world, told) as client:
            await client.close_positions([okx.ClosePosition(BTC, "cross")] * 20)
            [result] = await client.close_positions([okx.ClosePosition(BTC, "cross")], max_wait=max_wait)
        return told, result

    told, result = happen(story)
    assert isinstance(result.error, okx.SlotTimeoutError)
    assert [(event.kind, event.seconds) for event in told] == [("gave_up", 0.0)]  # it was certain at once


def test_a_cancelled_wait_is_told(happen: Happen) -> None:
    async def story(world: World, _: okx.Client) -> list[LimitEvent]:
        told: list[LimitEvent] = []
        async with told_to(world, told) as client:
            await client.close_positions([okx.ClosePosition(BTC, "cross")] * 20)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.25):
                    await client.close_position(BTC, "cross", priority=Priority.PANIC)
        return told

    [event] = happen(story)
    assert (event.kind, event.priority) == ("gave_up", Priority.PANIC)
    assert event.seconds == pytest.approx(0.25)


def test_a_wait_for_a_connection_is_no_wait_for_a_slot(happen: Happen) -> None:
    async def story(world: World, _: okx.Client) -> list[LimitEvent]:
        told: list[LimitEvent] = []
        async with told_to(world, told, max_connections=1) as client:
            results = await client.close_positions([okx.ClosePosition(one, "cross") for one in (BTC, ETH)])
        assert all(result.error is not None and result.error.attempts for result in results)
        return told

    assert happen(story) == []


def test_a_look_for_a_free_slot_is_no_wait(happen: Happen) -> None:
    async def story(world: World, _: okx.Client) -> list[LimitEvent]:
        told: list[LimitEvent] = []
        async with told_to(world, told, max_connections=1) as client:
            results = await client.close_positions([okx.ClosePosition(BTC, "cross")] * 21)
        assert all(result.error is not None and result.error.attempts for result in results)
        return told

    told = happen(story)  # each waits for the connection, and then looks whether there is a slot; the last finds none
    assert {event.kind for event in told} == {"waited"}
    assert max(event.seconds for event in told) > 1.0


def test_a_key_that_pauses_is_told_for_readings_too(happen: Happen) -> None:
    async def story(world: World, _: okx.Client) -> list[LimitEvent]:
        told: list[LimitEvent] = []
        world.exchange.open_position(BTC, 1)
        async with told_to(world, told) as client:
            world.exchange.inject("50011")
            await client.close_position(BTC, "cross")
            world.exchange.inject("50011", path="/api/v5/account/positions")
            await client.positions()
        return told

    told = happen(story)
    assert [(event.kind, event.endpoint) for event in told] == [
        ("blocked", CLOSE),
        ("waited", CLOSE),
        ("blocked", "account/positions"),
        ("waited", "account/positions"),
    ]
    assert {event.key[2] for event in told} == {BTC, "account/positions"}
    for block, wait in (told[:2], told[2:]):
        assert 2.0 <= block.seconds <= 2.3  # the window, and a random part
        assert wait.seconds == pytest.approx(block.seconds, abs=0.01)


def raising(error: BaseException) -> Callable[[LimitEvent], object]:
    def on_limit(_: LimitEvent) -> None:
        raise error

    return on_limit


@pytest.mark.parametrize("error", [ValueError("no"), asyncio.CancelledError()], ids=repr)
def test_a_function_that_raises_changes_no_outcome_and_loses_no_slot(happen: Happen, error: BaseException) -> None:
    async def story(world: World, _: okx.Client) -> None:
        world.exchange.open_position(BTC, 1)
        async with world.client(on_limit=raising(error)) as client:
            world.exchange.inject("50011")
            closed = await client.close_position(BTC, "cross")
            assert [attempt.outcome for attempt in closed.attempts] == [okx.Outcome.RATE, okx.Outcome.ACCEPTED]
            state = client.limiter.statistics(client.limiter_key(BTC))
            assert (state.in_flight, state.waiting) == (0, 0)
        assert not world.exchange.positions

    happen(story)


async def _ended(world: World, stop: type[BaseException]) -> tuple[okx.Attempt, ...]:
    told: list[okx.Attempt] = []
    client = world.client(on_limit=raising(stop()), on_attempt=told.append)
    for _ in range(20):
        with pytest.raises(okx.NothingToCloseError):
            await client.close_position(BTC, "cross")
    with pytest.raises(stop):
        await client.close_position(BTC, "cross")
    assert client.limiter.statistics(client.limiter_key(BTC)).in_flight == 0
    await client.aclose()
    return tuple(told)


def test_what_ends_the_process_comes_after_the_attempt_was_booked_and_told(happen: Happen) -> None:
    async def story(world: World, _: okx.Client) -> tuple[okx.Attempt, ...]:
        return await _ended(world, SystemExit)

    attempts = happen(story)
    assert len(attempts) == 21
    assert attempts[-1].token == "settled"  # the one that waited


def test_an_attempt_says_where_it_was_sent_and_how_many_came_before(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> list[okx.Attempt]:
        world.exchange.open_position(BTC, 1)
        world.exchange.inject("50011")
        world.exchange.inject("50001")
        await client.close_position(BTC, "cross")
        return world.attempts

    attempts = happen(story)
    assert [attempt.resends for attempt in attempts] == [0, 1, 2]
    assert {attempt.url.partition("/api")[2] for attempt in attempts} == {"/v5/trade/close-position"}
    assert all(attempt.url.startswith("http://127.0.0.1") for attempt in attempts)


def test_the_repeats_of_a_flatten_are_counted_for_each_position(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> dict[str, list[int]]:
        for inst_id in (BTC, ETH):
            world.exchange.open_position(inst_id, 1)
        world.exchange.inject("50011", times=2)
        report = await client.flatten()
        return {row.position.inst_id: [attempt.resends for attempt in row.attempts] for row in report.rows}

    assert sorted(happen(story).values()) == [[0, 1], [0, 1]]
