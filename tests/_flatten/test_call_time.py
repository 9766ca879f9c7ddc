"""What was opened before a flatten was called is told from what was opened later, whatever this machine's clock."""

import asyncio
from collections.abc import Callable
from math import inf, nan
from typing import Any, TypeAlias, cast

import pytest

import okx_async as okx
from okx_async._calls.caller import Caller
from okx_async._flatten.call_time import MOST_ASKED, CallTime
from okx_async._rest.responses import Answer
from tests._flatten.one_position import position
from tests.conftest import World

POSITIONS = "/api/v5/account/positions"
EMPTY = '{"code":"0","msg":"","data":[]}'
NOW = 1000.0
WAY = 0.1
Happen: TypeAlias = Callable[..., Any]


def opened(seconds: float) -> okx.Position:
    """Return a position that was opened at this time, in Unix seconds."""
    return position(cTime=str(round(seconds * 1000)))


class Told:
    """In place of the client's calls: this machine's time is NOW at the call, the exchange is `ahead` by seconds."""

    clock_offset = 0.0

    def __init__(self, ahead: object = 0.0, at: float = NOW) -> None:
        self.ahead, self.at = ahead, at
        self.asked = 0
        self.begun = asyncio.get_running_loop().time()

    def exchange_time(self) -> float:
        return self.at

    async def call(self, *_: object, permit: Any, **__: object) -> tuple[Answer, tuple[()]]:
        self.asked += 1
        await permit()
        await asyncio.sleep(WAY)
        if not isinstance(self.ahead, float | str):
            raise okx.NotSentError("no connection")
        passed = asyncio.get_running_loop().time() - self.begun
        told = self.ahead if isinstance(self.ahead, str) else str(int((NOW + self.ahead + passed) * 1000))
        await asyncio.sleep(WAY)
        return Answer(200, "0", data=[{"ts": told}], listed=True, envelope=True), ()


def made(**about: Any) -> tuple[CallTime, Told]:
    told = Told(**about)
    return CallTime(cast("Caller", told)), told


async def ask(call: CallTime) -> None:
    await call.ask(okx.Priority.PANIC, asyncio.get_running_loop().time() + 1.0)


@pytest.mark.virtual
async def test_what_is_near_is_not_decided_by_this_machine_s_clock() -> None:
    call, _ = made()
    known = {-61.0: (True, False), -59.0: (False, True), 0.0: (False, True), 59.0: (False, True), 61.0: (False, False)}
    for seconds, verdict in known.items():
        one = opened(NOW + seconds)
        assert (call.is_after(one), call.may_be_after(one)) == verdict
    assert not call.is_after(opened(0))  # it does not say when
    assert not call.may_be_after(opened(0))


@pytest.mark.virtual
@pytest.mark.parametrize("ahead", [0.0, 0.05, -0.05])
async def test_a_clock_that_agrees_with_the_exchange_is_exact(ahead: float) -> None:
    call, told = made(ahead=ahead)
    await asyncio.sleep(0.3)
    await ask(call)
    assert [call.is_after(opened(NOW + seconds)) for seconds in (-0.001, 0.0, 0.001)] == [True, True, False]
    assert not call.may_be_after(opened(NOW))
    assert (call.by_exchange, told.asked) == (NOW, 1)


@pytest.mark.virtual
@pytest.mark.parametrize("ahead", [-20.0, -3.0, 3.0, 20.0])
async def test_a_clock_that_is_wrong_calls_nothing_older_that_may_be_newer(ahead: float) -> None:
    call, _ = made(ahead=ahead)
    await asyncio.sleep(0.3)
    await ask(call)
    assert call.is_after(opened(NOW + ahead - WAY - 0.002))
    assert not call.is_after(opened(NOW + ahead))


@pytest.mark.virtual
@pytest.mark.parametrize("ahead", [None, "0", "9999999999999", "soon"])
async def test_without_a_time_of_the_exchange_what_is_near_is_left_alone(ahead: object) -> None:
    call, _ = made(ahead=ahead)
    for _ in range(MOST_ASKED):
        assert call.may_be_after(opened(NOW))
        await ask(call)
    assert not call.may_be_after(opened(NOW))  # it is not asked for ever
    assert not call.is_after(opened(NOW))
    assert call.is_after(opened(NOW - 61.0))


@pytest.mark.virtual
async def test_what_was_learnt_of_the_exchange_s_clock_meanwhile_counts() -> None:
    call, told = made()
    told.clock_offset = -4.0
    assert call.by_exchange == NOW - 4.0


@pytest.mark.virtual
@pytest.mark.parametrize("at", [inf, nan, -1.0, 1e300])
async def test_without_a_time_of_the_call_no_position_is_older(at: float) -> None:
    call, _ = made(at=at)
    assert not call.is_after(opened(0.001))
    assert not call.may_be_after(opened(0.001))


@pytest.mark.parametrize("ahead", [-20.0, 0.0, 20.0])
@pytest.mark.parametrize("before", [True, False])
def test_with_a_wrong_clock_a_flatten_closes_what_was_there_and_nothing_else(
    happen: Happen, *, ahead: float, before: bool
) -> None:
    async def story(world: World, _: okx.Client) -> None:
        world.exchange.inject(path=POSITIONS, body=EMPTY)
        if before:
            world.exchange.open_position("BTC-USDT-SWAP", 3)
            await asyncio.sleep(1.0)
        else:
            world.at(0.05, lambda: world.exchange.open_position("BTC-USDT-SWAP", 3))
        right = world.wall_clock
        world.wall_clock = lambda: right() + ahead  # type: ignore[assignment]
        async with world.client() as client:
            report = await client.flatten(deadline=5.0)
        assert (len(world.closes()), report.flat) == ((1, True) if before else (0, False))

    happen(story)
