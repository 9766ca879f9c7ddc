"""Calls whose limiter raises, hangs or gives up by a time of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from okx_async import ClosePosition, Limiter, NotSentError
from okx_async._limiter.slots import Slot
from tests._calls.raised import RAISED
from tests.conftest import World

Happen: TypeAlias = Callable[..., Any]
BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"


class Fickle:
    """A limiter that raises when a slot is given back."""

    def __init__(self, clock: Callable[[], float], raised: BaseException) -> None:
        self._limiter = Limiter(clock=clock)
        self._raised = raised
        self.linger = 5.0

    @asynccontextmanager
    async def slot(self, key: Hashable, **options: Any) -> AsyncIterator[Slot]:
        async with self._limiter.slot(key, **options) as slot:
            yield slot
        raise self._raised

    def __getattr__(self, name: str) -> Any:
        return getattr(self._limiter, name)


@pytest.mark.parametrize("raised", RAISED, ids=repr)
def test_what_a_limiter_raises_after_the_answer_changes_no_outcome(happen: Happen, raised: BaseException) -> None:
    async def story(world: World, _: okx.Client) -> None:
        for inst_id in (BTC, ETH):
            world.exchange.open_position(inst_id, 3)
        async with world.client(limiter=Fickle(world.loop.clock, raised)) as client:
            assert (await client.close_position(BTC, "cross")).inst_id == BTC
            [result] = await client.close_positions([ClosePosition(ETH, "cross")])
            assert result.ok
            world.exchange.open_position(BTC, 3)
            assert (await client.flatten()).flat
            world.exchange.open_position(BTC, 3)
            assert (await client.close_position(BTC, "cross", confirm=True)).flat
            assert await client.positions() == []

    happen(story)


class Silent(Fickle):
    """A limiter that grants nothing and never says so."""

    @asynccontextmanager
    async def slot(self, key: Hashable, **options: Any) -> AsyncIterator[Slot]:
        await asyncio.sleep(1_000.0)
        async with self._limiter.slot(key, **options) as slot:
            yield slot


def test_a_limiter_that_hangs_bars_no_call_beyond_its_time(happen: Happen) -> None:
    async def story(world: World, _: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        async with world.client(limiter=Silent(world.loop.clock, ValueError())) as client:
            calls: list[tuple[Callable[[], Any], float]] = [
                (lambda: client.close_position(BTC, "cross", max_wait=1.0), 1.0),
                (lambda: client.close_position(BTC, "cross", max_wait=1.0, confirm=True, confirm_timeout=1.0), 1.0),
                (lambda: client.close_position(BTC, "cross", max_wait=0.0), 0.0),
                (lambda: client.flatten(deadline=2.0), 2.0),
            ]
            for call, seconds in calls:
                begun = world.loop.clock()
                with pytest.raises(okx.SlotTimeoutError, match=r"^(BTC-USDT-SWAP|account/positions): no slot"):
                    await call()
                assert world.loop.clock() - begun < seconds + 1.5
            begun = world.loop.clock()
            [result] = await client.close_positions([ClosePosition(BTC, "cross")], max_wait=1.0)
            assert isinstance(result.error, okx.SlotTimeoutError)
            assert world.loop.clock() - begun < 2.5
        assert not world.closes()

    happen(story)


def test_a_limiter_that_raises_one_object_again_and_again_is_told_in_the_words_of_each_call(happen: Happen) -> None:
    async def story(world: World, _: okx.Client) -> None:
        class Refusing(Fickle):
            def slot(self, *_: object, **__: object) -> Any:
                raise self._raised

        raised = okx.SlotTimeoutError("no slot here")
        async with world.client(limiter=Refusing(world.loop.clock, raised)) as client:
            for inst_id in (BTC, ETH, BTC):
                with pytest.raises(okx.SlotTimeoutError, match=f"^{inst_id}: no slot here"):
                    await client.close_position(inst_id, "cross", max_wait=1.0)

    happen(story)


class WordlessError(Exception):
    """An exception that cannot be written as text."""

    def __str__(self) -> str:
        raise ValueError("no words")


class Failing(Fickle):
    """A limiter that fails before a slot of BTC is given, from the second one on, or when its key is to be blocked."""

    def __init__(self, clock: Callable[[], float], raised: BaseException, *, blocks: bool = False) -> None:
        super().__init__(clock, raised)
        self._blocks = blocks
        self._asked = 0

    @asynccontextmanager
    async def slot(self, key: Hashable, **options: Any) -> AsyncIterator[Slot]:
        self._asked += BTC in str(key)
        if BTC in str(key) and not self._blocks and self._asked > 1:
            raise self._raised
        async with self._limiter.slot(key, **options) as slot:
            yield slot

    async def block(self, *arguments: Any, **options: Any) -> None:
        if self._blocks:
            raise self._raised
        await self._limiter.block(*arguments, **options)


@pytest.mark.share(5)
@pytest.mark.parametrize("shutting_down", [False, True])
@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize(
    "raised", [*RAISED, WordlessError(), TimeoutError(), okx.InvalidRequestError("mine")], ids=type
)
def test_what_a_limiter_raises_between_two_attempts_hides_no_refusal(
    happen: Happen, raised: BaseException, *, blocks: bool, shutting_down: bool
) -> None:
    """In a task that was cancelled, too: programs close what is open in a `finally`."""

    async def story(world: World, _: okx.Client) -> None:
        told: list[okx.Attempt] = []

        async def shut_down(call: Callable[[], Any]) -> Any:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(5.0 if shutting_down else 0.0)
            return await call()

        async def made(call: Callable[[], Any]) -> Any:
            world.exchange.open_position(BTC, 3)
            world.exchange.inject(code="50011", inst_id=BTC)
            told.clear()
            task = asyncio.ensure_future(shut_down(call))
            await asyncio.sleep(0.1)
            if shutting_down:
                task.cancel()
            return (await asyncio.gather(task, return_exceptions=True))[0]

        for confirm in (False, True):
            limiter = Failing(world.loop.clock, raised, blocks=blocks)
            async with world.client(limiter=limiter, on_attempt=told.append) as client:
                ending = await made(lambda: client.close_position(BTC, "cross", confirm=confirm, max_wait=1.0))  # noqa: B023
                if blocks:
                    assert isinstance(ending, okx.ClosedPosition)
                    assert ending.attempts == tuple(told)
                    continue
                assert isinstance(ending, okx.OkxError)
                if not confirm:
                    assert (type(ending), ending.code) == (okx.RateLimitedError, "50011")
                assert ending.attempts == tuple(told)
                assert len(told) == 1
        async with world.client(limiter=Failing(world.loop.clock, raised, blocks=blocks)) as client:
            world.exchange.open_position(ETH, 3)
            legs = [ClosePosition(inst_id, "cross") for inst_id in (BTC, ETH)]
            btc, eth = await made(lambda: client.close_positions(legs, max_wait=1.0))
            assert (btc.ok, eth.ok) == (blocks, True)
            world.exchange.open_position(ETH, 3)
            report = await made(lambda: client.flatten(deadline=5.0))
            assert [row.state for row in report.rows if row.position.inst_id == ETH] == [okx.FlattenState.CLOSED]

    happen(story)


def test_a_limiter_that_gives_up_by_a_time_of_its_own_says_so(happen: Happen) -> None:
    async def story(world: World, _: okx.Client) -> None:
        failing = Failing(world.loop.clock, TimeoutError("no server"))
        failing._asked = 1
        async with world.client(limiter=failing) as client:
            with pytest.raises(NotSentError, match="TimeoutError: no server; nothing was sent") as caught:
                await client.close_position(BTC, "cross")
            assert type(caught.value) is NotSentError

    happen(story)
