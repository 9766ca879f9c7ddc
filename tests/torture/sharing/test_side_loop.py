"""A loop inside another one: what runs while its program is stopped, and what is left when it is killed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from okx_async.simulator import Network, VirtualLoop, run
from okx_async.torture.sharing.side_loop import SideLoop, State


def in_a_world(scene: Callable[[VirtualLoop, SideLoop], Awaitable[None]]) -> None:
    async def main(loop: VirtualLoop) -> None:
        side = SideLoop(loop)
        await scene(loop, side)
        side.bury()
        await asyncio.sleep(1.0)
        side.end()

    run(main, VirtualLoop(Network()))


async def ticks(told: list[float]) -> None:
    while True:
        told.append(asyncio.get_running_loop().time())
        await asyncio.sleep(1.0)


@pytest.mark.parametrize("state", [State.STOPPED, State.LEFT])
def test_what_was_due_while_a_program_was_stopped_runs_when_it_goes_on(state: State) -> None:
    async def scene(_loop: VirtualLoop, side: SideLoop) -> None:
        told: list[float] = []
        task = side.create_task(ticks(told))
        await asyncio.sleep(1.5)
        side.stop_program(state)
        assert side.is_running() is (state is State.STOPPED)
        await asyncio.sleep(3.0)
        assert told == [1000.0, 1001.0]
        side.go_on()
        await asyncio.sleep(1.2)
        assert told == [1000.0, 1001.0, 1004.5, 1005.5]
        assert not task.done()

    in_a_world(scene)


def test_a_killed_program_does_nothing_any_more() -> None:
    async def scene(_loop: VirtualLoop, side: SideLoop) -> None:
        told: list[float] = []
        task = side.create_task(ticks(told))
        await asyncio.sleep(0.5)
        side.kill()
        side.go_on()
        await asyncio.sleep(5.0)
        assert told == [1000.0]
        assert not task.done()
        with pytest.raises(RuntimeError):
            side.call_soon_threadsafe(print)

    in_a_world(scene)


def test_its_callbacks_know_their_loop_and_a_cancelled_timer_is_gone_from_the_world() -> None:
    async def scene(loop: VirtualLoop, side: SideLoop) -> None:
        told: list[Any] = []
        side.call_later(1.0, lambda: told.append(asyncio.get_running_loop()))
        before = len(loop.timers())
        side.call_later(500.0, print).cancel()
        assert len(loop.timers()) == before
        await asyncio.sleep(2.0)
        assert told == [side]
        assert asyncio.get_running_loop() is loop

    in_a_world(scene)
