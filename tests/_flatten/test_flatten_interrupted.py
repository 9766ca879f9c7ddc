"""A flatten that is cancelled at any step of the loop, after which the next one finishes, and two at once."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from okx_async import FlattenState, Outcome
from tests.conftest import World

POSITIONS = "/api/v5/account/positions"
BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
Happen: TypeAlias = Callable[..., Any]
SENT, TAKEN = "already sent, outcome unknown", "already sent, not proven closed"


async def cancelled_at(step: int, loop: Any, task: asyncio.Task[Any]) -> bool:
    """Cancel a task after so many callbacks of the loop; return whether that ended it."""
    call_soon, left = loop.call_soon, step

    def counted(callback: Callable[..., object], *args: Any, context: Any = None) -> asyncio.Handle:
        nonlocal left
        handle: asyncio.Handle = call_soon(callback, *args, context=context)
        if not left and not task.done():
            call_soon(task.cancel)
        left -= 1
        return handle

    loop.call_soon = counted
    try:
        await asyncio.wait({task})
    finally:
        del loop.call_soon
    return task.cancelled()


def doubtful(world: World) -> set[str]:
    """Return the instruments whose closes were taken, or may have been."""
    return {
        attempt.request.inst_id
        for attempt in world.attempts
        if attempt.outcome in {Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.WAIT}
    }


@pytest.mark.parametrize("stride", [3, pytest.param(1, marks=pytest.mark.long)])
def test_cancelled_at_any_step_it_loses_nothing_and_the_next_one_finishes(
    happen: Happen, caplog: pytest.LogCaptureFixture, stride: int
) -> None:
    met: set[str] = set()
    step = 0

    async def story(world: World, client: okx.Client) -> bool:
        exchange = world.exchange
        exchange.open_position(BTC, 3)
        exchange.open_position(ETH, 3)
        exchange.inject(code="50011", inst_id=ETH)
        caplog.clear()
        task = asyncio.create_task(client.flatten())
        cancelled = await cancelled_at(step, world.loop, task)
        limiter = client.limiter
        assert isinstance(limiter, okx.Limiter)
        # No request is on its way, no task in line, and every slot is accounted for.
        assert "0 in flight, 0 waiting" in repr(limiter)
        tokens = [attempt.token for attempt in world.attempts if attempt.outcome is Outcome.UNKNOWN]
        assert set(tokens) <= {"in doubt"}
        if not cancelled:
            assert task.result().flat
            return True
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        notes = list(getattr(caught.value, "__notes__", ()))
        noted = {note.partition(": ")[0] for note in notes}
        met.update(note.partition(": ")[2] for note in notes)
        # A note stands for each close that may have been executed and was not proven gone, and for no other.
        assert noted <= doubtful(world)
        for inst_id in doubtful(world) - noted:
            [filled] = [
                trade.at for trade in exchange.trades if trade.cause == "close" and trade.before.inst_id == inst_id
            ]
            assert sum(row.path.startswith(POSITIONS) and row.at >= filled for row in exchange.journal) > 1
        on_the_wire = sum(attempt.outcome is Outcome.UNKNOWN for attempt in world.attempts)
        assert on_the_wire == sum(note.endswith(SENT) for note in notes)
        warned = [record for record in caplog.records if "cancelled" in record.getMessage()]
        assert len(warned) == len(notes)
        report = await client.flatten()
        assert report.flat
        assert not exchange.positions
        executed = [row for row in world.closes() if row.executed]
        assert len(executed) == 2  # each once
        return False

    while not happen(story, fill_delay=0.25):
        step += stride
    assert met == {SENT, TAKEN}
    assert step > 50


@pytest.mark.parametrize("fill_delay", [0.0, 0.3, 2.5])
@pytest.mark.parametrize("own", [True, False], ids=["one client", "two clients"])
def test_two_at_once_both_end_flat(happen: Happen, fill_delay: float, own: bool) -> None:  # noqa: FBT001 - both
    async def story(world: World, client: okx.Client) -> list[okx.FlattenReport]:
        for number in range(5):
            world.exchange.open_position(f"S{number}-USDT-SWAP", 3)
        async with world.client() as other:
            reports = await asyncio.gather(client.flatten(), (client if own else other).flatten())
        assert not world.exchange.positions
        assert sum(row.executed for row in world.closes()) == 5
        return list(reports)

    for report in happen(story, fill_delay=fill_delay):
        assert report.flat
        assert {row.state for row in report.rows} <= {FlattenState.CLOSED, FlattenState.ALREADY_FLAT}


def test_cancelled_by_its_last_call_of_on_progress_it_has_the_notes(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        def cancel(row: okx.FlattenRow) -> None:
            if row.state is not FlattenState.IN_PROGRESS or world.loop.clock() > begun + 1.9:
                task.cancel()

        world.exchange.open_position(BTC, 3)
        begun = world.loop.clock()
        task = asyncio.ensure_future(client.flatten(deadline=2.0, on_progress=cancel))
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.__notes__ == [f"{BTC}: {TAKEN}"]

    happen(story, fill_delay=60.0)


@pytest.mark.parametrize("orders", [None, "entries"])
@pytest.mark.parametrize("at", ["on the wire", "reading"])
def test_a_second_cancellation_keeps_the_notes_and_leaves_nothing_running(happen: Happen, orders: Any, at: str) -> None:
    async def story(world: World, client: okx.Client, turns: int) -> None:
        for inst_id in (BTC, ETH):
            world.exchange.open_position(inst_id, 3)
        world.exchange.inject(delay=1.0, inst_id=BTC, times=9)
        before = asyncio.all_tasks()
        task = asyncio.create_task(client.flatten(cancel_orders=orders))
        while len(world.closes()) < 2:  # noqa: ASYNC110 - turns of virtual time
            await asyncio.sleep(0.001)
        if at == "reading":  # for the close that was answered
            while sum(row.path.startswith(POSITIONS) for row in world.exchange.journal) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        task.cancel()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert f"{BTC}: {SENT}" in caught.value.__notes__
        assert asyncio.all_tasks() == before

    for turns in range(9):
        happen(lambda world, client: story(world, client, turns), fill_delay=5.0)  # noqa: B023 - called here
