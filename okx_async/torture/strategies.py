"""The strategies of callers, as a table. A new one is a function and a row."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import TypeAlias

import aiohttp

from okx_async import OkxError, Priority
from okx_async.torture.another_program import close_as_another
from okx_async.torture.rivals import RIVALS
from okx_async.torture.scenes import SCENES, cancel_hard
from okx_async.torture.stage import Desk, Stage

Strategy: TypeAlias = Callable[[Stage, Desk, Random], Awaitable[None]]
NORMAL, PANIC = Priority.NORMAL, Priority.PANIC


async def steady(stage: Stage, desk: Desk, rng: Random) -> None:
    """Close one after another."""
    pause = rng.choice((0.0, 0.2, 1.0))
    for _ in range(rng.randint(3, 30)):
        await stage.close(desk, stage.order(desk, rng), NORMAL, None)
        await asyncio.sleep(rng.uniform(0.0, 2 * pause))


async def crowd(stage: Stage, desk: Desk, rng: Random) -> None:
    """Close many at once, on one instrument."""
    inst_id = stage.inst_id(rng)
    async with asyncio.TaskGroup() as group:
        for _ in range(rng.randint(15, 70)):
            group.create_task(stage.close(desk, stage.order(desk, rng, inst_id), NORMAL, None))


async def waves(stage: Stage, desk: Desk, rng: Random) -> None:
    """Close twenty at once, again and again, just when the window seems to be over."""
    inst_id = stage.inst_id(rng)
    async with asyncio.TaskGroup() as group:
        for _ in range(rng.randint(2, 4)):
            for _ in range(20):
                group.create_task(stage.close(desk, stage.order(desk, rng, inst_id), NORMAL, rng.choice((None, 4.0))))
            await asyncio.sleep(rng.uniform(1.7, 2.3))


async def batch(stage: Stage, desk: Desk, rng: Random) -> None:
    """Close a batch; perhaps cancel it in the middle."""
    priority, max_wait = rng.choice((NORMAL, PANIC)), rng.choice((None, None, 1.0, 6.0))
    calls = [stage.begin(desk, stage.order(desk, rng), priority, max_wait) for _ in range(rng.randint(1, 40))]
    with suppress(TimeoutError):
        async with asyncio.timeout(rng.choice((None, None, rng.uniform(0.0, 3.0)))):
            await stage.calls.close_all(desk.client, calls)


async def hasty(stage: Stage, desk: Desk, rng: Random) -> None:
    """Cancel every close after a moment."""
    inst_id = rng.choice((None, stage.inst_id(rng)))
    longest = rng.choice((0.01, 0.1, 0.1, 0.5, 3.0))

    async def one() -> None:
        task = asyncio.ensure_future(stage.close(desk, stage.order(desk, rng, inst_id), NORMAL, None))
        if rng.random() < 0.3:  # moments too short for the clock
            for _ in range(rng.randrange(30)):
                await asyncio.sleep(0)
        else:
            await asyncio.sleep(rng.uniform(0.0, longest))
        cancel_hard(task, rng)
        with suppress(asyncio.CancelledError):
            await task

    async with asyncio.TaskGroup() as group:
        for _ in range(rng.randint(3, 40)):
            group.create_task(one())
            await asyncio.sleep(rng.choice((0.0, rng.uniform(0.0, 0.3))))


async def impatient(stage: Stage, desk: Desk, rng: Random) -> None:
    """Close with little time (`max_wait`)."""
    inst_id = stage.inst_id(rng)
    async with asyncio.TaskGroup() as group:
        for _ in range(rng.randint(5, 40)):
            max_wait = rng.choice((0.0, 0.05, 0.5, 2.0, 2.1, 5.0))
            group.create_task(stage.close(desk, stage.order(desk, rng, inst_id), NORMAL, max_wait))
            await asyncio.sleep(rng.uniform(0.0, 0.1))


async def panic(stage: Stage, desk: Desk, rng: Random) -> None:
    """Close with mixed priorities."""
    inst_id = stage.inst_id(rng)
    async with asyncio.TaskGroup() as group:
        for _ in range(rng.randint(5, 30)):
            priority = rng.choice((NORMAL, PANIC))
            group.create_task(stage.close(desk, stage.order(desk, rng, inst_id), priority, rng.choice((None, 3.0))))
            await asyncio.sleep(rng.choice((0.0, rng.uniform(0.0, 0.5))))


async def siege(stage: Stage, desk: Desk, rng: Random) -> None:
    """Keep one instrument under pressure, so that every window of it is full."""
    inst_id = stage.inst_id(rng)
    end = stage.loop.clock() + rng.uniform(6.0, 20.0)

    async def one() -> None:
        while stage.loop.clock() < end:
            await stage.close(desk, stage.order(desk, rng, inst_id), NORMAL, None)
            await asyncio.sleep(0.05)  # a client that is closed answers at once

    async with asyncio.TaskGroup() as group:
        for _ in range(rng.choice((21, 30))):
            group.create_task(one())


async def spite(stage: Stage, desk: Desk, rng: Random) -> None:
    """Cancel closes in the step in which another gets its slot or ends, so that hand-overs are hit."""
    inst_id = stage.inst_id(rng)
    often = rng.choice((0.05, 0.3))
    tasks: list[asyncio.Task[None]] = []

    limiter = stage.limiters[desk.seat.limiter]

    def notify() -> None:
        if rng.random() < often:
            # A task that has just been handed a slot still counts as the first waiter: it has not run yet.
            first = next((wait.task for wait in limiter.standing.values() if wait.task in tasks), None)
            target = rng.choice((first, rng.choice(tasks))) if tasks else None
            if target is not None:
                target.cancel()

    limiter.listeners.append(notify)
    stage.listeners.append(notify)
    for _ in range(rng.randint(10, 60)):
        tasks.append(asyncio.ensure_future(stage.close(desk, stage.order(desk, rng, inst_id), NORMAL, None)))
        if rng.random() < 0.3:
            await asyncio.sleep(rng.uniform(0.0, 0.1))
    await asyncio.wait(tasks)
    limiter.listeners.remove(notify)
    stage.listeners.remove(notify)


async def idle(stage: Stage, desk: Desk, rng: Random) -> None:
    """Close after pauses in which connections grow old."""
    for _ in range(rng.randint(2, 5)):
        await asyncio.gather(*(stage.close(desk, stage.order(desk, rng), NORMAL, None) for _ in range(3)))
        await asyncio.sleep(desk.seat.keepalive * rng.choice((0.9, 1.0, 1.1, 2.5)))


async def reader(_stage: Stage, desk: Desk, rng: Random) -> None:
    """Read positions, faster than is allowed."""
    for _ in range(rng.randint(1, 15)):
        with suppress(OkxError, RuntimeError):
            await desk.client.positions()
        await asyncio.sleep(rng.choice((0.0, rng.uniform(0.0, 0.3))))


async def warmer(stage: Stage, desk: Desk, rng: Random) -> None:
    """Open connections in advance."""
    with suppress(OkxError, RuntimeError):
        async with asyncio.timeout(30):
            count = await desk.client.warm_up(rng.randint(0, 12))
        stage.note(f"seat {desk.number} warmed up {count} connections")


async def restart(_stage: Stage, desk: Desk, rng: Random) -> None:
    """Close the client in the middle of its calls; another takes its place."""
    for _ in range(rng.randint(1, 2)):
        await asyncio.sleep(rng.uniform(0.0, 5.0))
        await desk.close_client()


async def foreign(stage: Stage, desk: Desk, rng: Random) -> None:
    """Send bursts as another program of the same user, with its own key and no limiter, where the plan has one."""
    if not stage.plan.accounts[desk.seat.account].foreign:
        return
    async with aiohttp.ClientSession(stage.exchange.base_url) as session:
        for _ in range(rng.randint(1, 4)):
            inst_id = stage.inst_id(rng)
            for _ in range(rng.randint(3, 25)):
                await close_as_another(stage, desk, session, inst_id)
            await asyncio.sleep(rng.uniform(0.0, 4.0))


# A strategy and its weight among the others.
STRATEGIES: dict[str, tuple[int, Strategy]] = {
    "steady": (5, steady),
    "crowd": (5, crowd),
    "waves": (5, waves),
    "batch": (3, batch),
    "hasty": (4, hasty),
    "impatient": (3, impatient),
    "panic": (3, panic),
    "siege": (5, siege),
    "spite": (4, spite),
    "idle": (2, idle),
    "reader": (1, reader),
    "warmer": (1, warmer),
    "restart": (2, restart),
    "foreign": (3, foreign),
}


async def run_strategy(kind: str, stage: Stage, desk: Desk, rng: Random) -> None:
    """Run the strategy, scene or rival of this name to its end."""
    await (STRATEGIES.get(kind) or SCENES.get(kind) or RIVALS[kind])[1](stage, desk, rng)
