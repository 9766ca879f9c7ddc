"""Helpers of the limiter's tests: a clock that tests set, and the usual steps on a loop in virtual time."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from typing import Any, Self, TypeVar, cast

from okx_async import Limiter, Priority, Quota, SlotSource
from okx_async.simulator.virtual.jumping_loop import JumpingLoop

T = TypeVar("T")
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


class SteppedLoop:
    """The part of an event loop that queues use; it runs when a test says so, and answers when a test lets it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.running = True
        self.closed = False
        self.soon: list[Callable[[], object]] = []
        """What other loops have asked it for."""
        self.timers: list[tuple[float, asyncio.TimerHandle]] = []

    def is_running(self) -> bool:
        return self.running

    def is_closed(self) -> bool:
        return self.closed

    def get_debug(self) -> bool:
        return False

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()

    def call_soon_threadsafe(self, function: Callable[..., object], *arguments: object) -> None:
        if self.closed:
            raise RuntimeError("Event loop is closed")
        self.soon.append(partial(function, *arguments))

    call_soon = call_soon_threadsafe

    def call_later(self, seconds: float, function: Callable[[], object]) -> asyncio.TimerHandle:
        at = self._clock.now + seconds
        handle = asyncio.TimerHandle(at, function, (), cast("asyncio.AbstractEventLoop", self))
        self.timers.append((at, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self.timers = [timer for timer in self.timers if timer[1] is not handle]

    def step(self) -> None:
        """Do what was asked for, and what is due."""
        asked, self.soon = self.soon, []
        for each in asked:
            each()
        due = [timer for timer in self.timers if timer[0] <= self._clock.now]
        self.timers = [timer for timer in self.timers if timer not in due]
        for _, handle in due:
            handle._run()


class Elsewhere:
    """A thread with an event loop that runs, hangs and stops when a test says so."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def run(self, job: Coroutine[Any, Any, T]) -> T:
        return self.begin(job).result(10)

    def begin(self, job: Coroutine[Any, Any, T]) -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(job, self.loop)

    def hang(self) -> threading.Event:
        """Have strategy code hold the loop up until the event that is returned is set."""
        hanging, goes_on = threading.Event(), threading.Event()

        def hang() -> None:
            hanging.set()
            goes_on.wait(10)

        self.loop.call_soon_threadsafe(hang)
        assert hanging.wait(10)
        return goes_on

    def stop(self) -> None:
        """Stop the loop, and do not close it."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        assert not self.loop.is_running()

    def go_on(self, job: Coroutine[Any, Any, T]) -> T:
        """Run the loop again after it was stopped, in this thread."""
        return self.loop.run_until_complete(job)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.loop.is_running():
            self.stop()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0.01))
        self.loop.close()


def in_a_new_loop(job: Coroutine[Any, Any, T]) -> T:
    """Run a job in an event loop of its own, which is closed then."""
    with asyncio.Runner() as runner:
        return runner.run(job)


async def hold(limiter: Limiter, key: str = "k") -> None:
    await limiter.slot(key).__aenter__()


async def take(limiter: Limiter, key: str = "k", max_wait: float | None = 0) -> None:
    async with limiter.slot(key, max_wait=max_wait):
        pass
