import asyncio
import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from okx_async.simulator import DeadlockError
from okx_async.simulator.virtual.jumping_loop import JumpingLoop


@pytest.fixture
def loop() -> Iterator[JumpingLoop]:
    loop = JumpingLoop()
    yield loop
    loop.close()


def test_an_hour_passes_at_once_and_to_the_last_bit(loop: JumpingLoop) -> None:
    loop.run_until_complete(asyncio.sleep(3600.1))
    assert loop.clock() == loop.time() == 1000.0 + 3600.1


def test_callbacks_of_one_time_run_in_the_order_in_which_they_were_asked_for(loop: JumpingLoop) -> None:
    ran: list[int] = []
    for number in range(100):
        loop.call_at(1001.0, ran.append, number)
    loop.run_until_complete(asyncio.sleep(2))
    assert ran == list(range(100))


def test_a_cancelled_timer_does_not_run_and_is_not_shown(loop: JumpingLoop) -> None:
    ran: list[int] = []
    timers = [loop.call_later(1.0, ran.append, number) for number in range(200)]
    for timer in timers[:199]:
        timer.cancel()
    assert loop.timers() == [timers[199]]
    loop.run_until_complete(asyncio.sleep(0.5))
    assert len(loop._timers) == 1  # the cancelled ones are cleared away once they are the most
    loop.run_until_complete(asyncio.sleep(1))
    assert ran == [199]
    assert loop.timers() == []


def test_what_is_due_while_the_machine_stands_still_comes_late_and_in_order(loop: JumpingLoop) -> None:
    came: list[tuple[str, float]] = []

    def note(name: str) -> None:
        came.append((name, loop.clock()))

    loop.call_later(1.0, loop.freeze, 5.0)
    loop.call_later(3.0, note, "second")
    loop.call_later(2.0, note, "first")
    loop.run_until_complete(asyncio.sleep(4))
    assert came == [("first", 1006.0), ("second", 1006.0)]


def test_a_coarse_loop_fires_up_to_a_millisecond_early_and_never_before_its_own_time() -> None:
    loop = JumpingLoop(coarse=True)
    early: list[float] = []

    def note(when: float) -> None:
        assert loop.time() >= when
        early.append(when - loop.clock())

    for number in range(500):
        when = loop.time() + number * 0.00137
        loop.call_at(when, note, when)
    loop.run_until_complete(asyncio.sleep(1))
    loop.close()
    assert max(early) > 0.0005
    assert max(early) <= 0.001 + 1e-9


def test_a_lagging_loop_is_late_by_what_it_is_told() -> None:
    loop = JumpingLoop(lag=lambda: 0.25)
    loop.run_until_complete(asyncio.sleep(1))
    loop.close()
    assert loop.clock() == 1001.25


def test_waiting_for_ever_is_an_error(loop: JumpingLoop) -> None:
    future = loop.create_future()
    with pytest.raises(DeadlockError, match="take real time"):
        loop.run_until_complete(future)


def test_what_a_callback_raises_goes_to_the_handler_and_stops_nothing(loop: JumpingLoop) -> None:
    told: list[object] = []
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    loop.call_soon(int, "x")
    ran: list[int] = []
    loop.call_soon(ran.append, 1)
    loop.run_until_complete(asyncio.sleep(0))
    assert isinstance(told[0], ValueError)
    assert ran == [1]


@pytest.mark.parametrize("wanted", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_is_not_kept(loop: JumpingLoop, wanted: type[BaseException]) -> None:
    def stop() -> None:
        raise wanted

    loop.call_soon(stop)
    with pytest.raises(wanted):
        loop.run_forever()
    gc.collect()


def test_a_task_that_never_waits_is_an_error(loop: JumpingLoop) -> None:
    async def restless() -> None:
        while True:  # noqa: ASYNC110 - that is the fault
            await asyncio.sleep(0)

    with pytest.raises(DeadlockError, match="no time has passed"):
        loop.run_until_complete(restless())


def test_debug_mode_is_off_whatever_the_interpreter_says(loop: JumpingLoop) -> None:
    assert not loop.get_debug()


def test_a_callback_runs_in_the_context_it_was_asked_for_in(loop: JumpingLoop) -> None:
    from contextvars import ContextVar, copy_context  # noqa: PLC0415 - of this test alone

    name: ContextVar[str] = ContextVar("name", default="none")
    other = copy_context()
    other.run(name.set, "other")
    seen: list[str] = []
    look: Callable[[], None] = lambda: seen.append(name.get())  # noqa: E731 - three uses
    loop.call_soon(look)
    loop.call_soon(look, context=other)
    loop.call_later(0.1, look, context=other)
    loop.run_until_complete(asyncio.sleep(1))
    assert seen == ["none", "other", "other"]


def test_its_tasks_are_made_by_a_task_factory() -> None:
    made: list[str] = []

    def factory(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, **options)
        made.append(coro.__name__)
        return task

    async def work() -> str:
        task = asyncio.current_task()
        return "" if task is None else task.get_name()

    async def main() -> None:
        assert await asyncio.get_running_loop().create_task(work(), name="named") == "named"

    loop = JumpingLoop()
    loop.set_task_factory(factory)
    loop.run_until_complete(main())
    loop.close()
    assert made == ["main", "work"]
