"""Helpers of the limiter's tests: a clock that tests set, and the usual steps on a loop in virtual time."""

import asyncio
from typing import cast

from okx_async import Limiter, Priority, Quota, SlotSource
from okx_async.simulator.virtual.jumping_loop import JumpingLoop

NORMAL, PANIC = Priority.NORMAL, Priority.PANIC


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def now() -> float:
    return asyncio.get_running_loop().time()


def timers() -> int:
    """Count the live timers of the loop."""
    return len(cast("JumpingLoop", asyncio.get_running_loop()).timers())


async def steps(count: int = 3) -> None:
    """Let everything that is ready run, without time passing."""
    for _ in range(count):
        await asyncio.sleep(0)


async def use(limiter: SlotSource, key: str = "k", *, rtt: float = 0.1, priority: Priority = NORMAL) -> float:
    async with limiter.slot(key, priority=priority):
        begun = now()
        await asyncio.sleep(rtt)
    return begun


def one(limit: int = 1, per: float = 2.0, reserve: int = 0) -> Limiter:
    return Limiter(Quota(limit, per, reserve), clock=asyncio.get_running_loop().time, guard=0.0)
