"""The time of confirmed closes: `max_wait`, a slow first reading, and other closes of the position."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from okx_async._flatten.readings import PositionReader
from tests.conftest import World

Happen: TypeAlias = Callable[..., Any]
BTC = "BTC-USDT-SWAP"
POSITIONS = "/api/v5/account/positions"


def test_not_proven_in_time_is_unknown(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> float:
        world.exchange.open_position(BTC, 3)
        begun = world.loop.clock()
        with pytest.raises(okx.OutcomeUnknownError, match="accepted, but still listed") as caught:
            await client.close_position(BTC, "cross", confirm=True, confirm_timeout=1.5)
        assert [attempt.outcome for attempt in caught.value.attempts] == [okx.Outcome.ACCEPTED]
        return world.loop.clock() - begun

    assert 1.5 < happen(story, fill_delay=3.0) < 1.7


def test_max_wait_is_kept(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        limiter = client.limiter
        world.exchange.open_position(BTC, 3)
        await limiter.block(client.limiter_key(BTC), 5.0)
        begun = world.loop.clock()
        with pytest.raises(okx.SlotTimeoutError):
            await client.close_position(BTC, "cross", confirm=True, max_wait=1.0)
        assert world.loop.clock() - begun < 0.2
        assert not world.closes()
        with pytest.raises(okx.SlotTimeoutError):
            await client.close_position(BTC, "cross", confirm=True, max_wait=0.0)
        closed = await client.close_position(BTC, "cross", confirm=True, max_wait=6.0)
        assert closed.flat

    happen(story)


def test_a_slow_first_reading_is_waited_for_a_second(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path=POSITIONS, delay=3.0, counted=False)
        begun = world.loop.clock()
        assert (await client.close_position(BTC, "cross", confirm=True)).flat
        assert 1.0 <= world.closes()[0].at - begun < 1.1

    happen(story)


def test_the_first_reading_counts_towards_max_wait(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.inject(path=POSITIONS, delay=0.8, counted=False)
        await client.limiter.block(client.limiter_key(BTC), 1.5)
        with pytest.raises(okx.SlotTimeoutError):
            await client.close_position(BTC, "cross", confirm=True, max_wait=1.0)
        assert not world.closes()

    happen(story)


@pytest.mark.parametrize("max_wait", [0.5, 5.0, None])
def test_the_end_of_another_close_of_the_position_begins_the_time_to_confirm(
    happen: Happen, max_wait: float | None
) -> None:
    """Seed 2611291830027 broke "deadlines": without a close of its own the call read for as long as the other's did."""

    async def story(world: World, client: okx.Client) -> float:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        world.exchange.open_position(BTC, 3)
        world.exchange.inject("never filled", delay=0.4)
        first = asyncio.ensure_future(client.close_position(BTC, "cross", confirm=True))
        await asyncio.sleep(0.1)
        with pytest.raises(okx.OutcomeUnknownError, match="not proven closed in time"):
            await client.close_position(BTC, "cross", confirm=True, max_wait=max_wait, confirm_timeout=0.5)
        took = loop.time() - begun
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert len(world.closes()) == 1
        return took

    assert happen(story) < 2.0


@pytest.mark.parametrize("max_wait", [None, 3.0])
def test_one_that_never_sends_beside_another_comes_to_its_end(happen: Happen, max_wait: float | None) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        begun = world.loop.clock()
        calls = [
            client.close_position(BTC, "cross", confirm=True, max_wait=max_wait, confirm_timeout=1.0) for _ in range(2)
        ]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, okx.OutcomeUnknownError | okx.CloseInProgressError) for result in results)
        assert world.loop.clock() - begun < (max_wait or 0.0) + 2.0

    happen(story, fill_delay=60.0)


@pytest.mark.parametrize("late", ["connecting", "reading"])
def test_no_first_close_is_sent_after_max_wait(happen: Happen, late: str) -> None:
    async def story(world: World, warm: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        if late == "reading":
            world.exchange.inject(delay=2.0, path=POSITIONS)
        async with world.client() as cold:
            client = cold if late == "connecting" else warm
            begun = world.loop.clock()
            close = client.close_position(BTC, "cross", confirm=True, max_wait=0.5, confirm_timeout=3.0)
            if late == "connecting":
                with pytest.raises(okx.NotSentError):
                    await close
            else:
                assert (await close).flat  # a reading that does not come leaves time for the close
        sent = [attempt.sent - world.wall_clock() + world.loop.clock() for attempt in world.attempts if attempt.sent]
        assert [moment - begun < 0.5 for moment in sent] == [True] * (late == "reading")

    happen(story, way=0.4 if late == "connecting" else 0.015)


@pytest.mark.parametrize("confirm", [True, False])
def test_a_close_that_may_not_wait_may_connect(happen: Happen, *, confirm: bool) -> None:
    async def story(world: World, _: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        async with world.client() as client:  # it has no connection yet
            assert (await client.close_position(BTC, "cross", confirm=confirm, max_wait=0.0)).inst_id == BTC
        assert len(world.closes()) == 1

    happen(story)


def test_a_first_close_whose_time_ran_out_beside_the_reading_is_not_sent(
    happen: Happen, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stalls(*_: object) -> bool:
        await asyncio.sleep(0.6)  # as a loop that stands still
        return False

    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        with monkeypatch.context() as patch:
            patch.setattr(PositionReader, "read_since", stalls)
            with pytest.raises(okx.NotSentError):
                await client.close_position(BTC, "cross", confirm=True, max_wait=0.5)
        assert not world.closes()

    happen(story)


@pytest.mark.parametrize("listed", [True, False])
def test_of_a_closed_client_nothing_is_awaited(happen: Happen, *, listed: bool) -> None:
    async def story(world: World, client: okx.Client) -> None:
        if listed:
            world.exchange.open_position(BTC, 3)
        else:
            world.exchange.inject(
                body='{"code":"0","msg":"","data":[]}', status=200, path="/api/v5/trade/close-position"
            )
            world.exchange.inject(path="/api/v5/account/positions", code="50001", times=None)
        task = asyncio.ensure_future(client.close_position(BTC, "cross", confirm=True))
        while not world.attempts:  # noqa: ASYNC110 - turns of virtual time
            await asyncio.sleep(0.01)
        begun, before = world.loop.clock(), "not proven closed before the client was closed"
        await client.aclose()
        with pytest.raises(okx.OutcomeUnknownError, match=before if listed else "could not be read"):
            await task
        assert world.loop.clock() - begun < 2.0

    happen(story, fill_delay=20.0)


def test_a_key_that_is_refused_meanwhile_is_not_told_as_time_that_ran_out(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        task = asyncio.ensure_future(client.close_position(BTC, "cross", confirm=True))
        while not world.attempts:  # noqa: ASYNC110 - turns of virtual time
            await asyncio.sleep(0.01)
        world.exchange.inject(path=POSITIONS, code="50119", times=None)
        with pytest.raises(okx.OutcomeUnknownError, match="not proven closed before the API key was refused"):
            await task

    happen(story, fill_delay=20.0)
