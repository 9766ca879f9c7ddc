"""An event loop in virtual time: when nothing is ready, its clock jumps to the next timer.

The overridden methods do the same as asyncio's, without checks for debug mode, other threads and a selector at every
step, on which a simulation would spend a third of its time. Callbacks of one time run in the order in which they were
scheduled; asyncio leaves that to its heap.
"""
# ruff: noqa: SLF001 - a loop and its handles are one machine, as in asyncio itself

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from heapq import heapify, heappop, heappush
from math import ceil, floor
from typing import Any, TypeVar, TypeVarTuple

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
_MS = 1000
_MOST_CANCELLED = 50
"""Cancelled timers that are kept before the heap is cleared of them."""
_MOST_TURNS = 100_000
"""Turns at one moment, after which the loop counts as endless."""


class DeadlockError(RuntimeError):
    """Virtual time cannot pass: every task waits for ever, or a task never waits."""


class _Handle(asyncio.Handle):
    """A handle without fields for debug mode, set up where it is made; saves 10 to 20 % of a simulation."""

    __slots__ = ()
    _repr = _source_traceback = None

    def cancel(self) -> None:
        """Cancel as asyncio does, without a check for debug mode."""
        self._cancelled = True
        self._callback = self._args = None  # type: ignore[assignment]  # as asyncio's does


class _Timer(asyncio.TimerHandle):
    """The same for a timer."""

    __slots__ = ()
    _loop: Any
    _scheduled: bool
    _repr = _source_traceback = None

    def cancel(self) -> None:
        """Cancel as asyncio does, in one step."""
        if not self._cancelled:
            self._cancelled = True
            self._callback = self._args = None  # type: ignore[assignment]  # as asyncio's does
            if self._scheduled:
                self._loop._timer_cancelled_count += 1


_blank: Callable[[type[Any]], Any] = object.__new__  # a handle as it is before its __init__


class JumpingLoop(asyncio.BaseEventLoop):
    """A loop without files; `clock()` is the exact time, `time()` the time of its timers.

    The arguments are those of `VirtualLoop`.
    """

    _ready: deque[Any]
    _stopping: bool
    _task_factory: Callable[..., Any] | None
    _timer_cancelled_count: int

    def __init__(self, *, start: float = 1000.0, coarse: bool = False, lag: Callable[[], float] | None = None) -> None:
        super().__init__()
        self.set_debug(False)  # it costs up to 17 times the CPU
        self._now = self._time = start
        self._coarse = coarse
        self._lag = lag
        self._timers: list[tuple[float, int, Any]] = []
        self._count = 0
        self.freeze(0.0)

    def clock(self) -> float:
        """Return the exact time, in seconds."""
        return self._now

    def time(self) -> float:
        """Return the time of the timers, in seconds."""
        return self._time

    def freeze(self, seconds: float) -> None:
        """Let `seconds` pass while nothing runs, as on a busy machine; timers due meanwhile fire late, together."""
        self._now += seconds
        self._time = floor(self._now * _MS + 1) / _MS if self._coarse else self._now

    def timers(self) -> list[asyncio.TimerHandle]:
        """Return the timers that are scheduled, in order."""
        return [timer for _, _, timer in sorted(self._timers) if not timer.cancelled()]

    def call_soon(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Run `callback` in the next turn."""
        handle = _blank(_Handle)
        handle._context = copy_context() if context is None else context
        handle._loop = self
        handle._callback = callback
        handle._args = args
        handle._cancelled = False
        self._ready.append(handle)
        return handle  # type: ignore[no-any-return]

    def call_later(
        self, delay: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run `callback` in `delay` seconds."""
        return self.call_at(self._time + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run `callback` at the time `when`."""
        timer = _blank(_Timer)
        timer._context = copy_context() if context is None else context
        timer._loop = self
        timer._callback = callback
        timer._args = args
        timer._cancelled = False
        timer._when = when
        timer._scheduled = True
        self._count = count = self._count + 1
        heappush(self._timers, (when, count, timer))
        return timer  # type: ignore[no-any-return]

    def create_task(
        self,
        coro: Generator[Any, None, _T] | Coroutine[Any, Any, _T],
        *,
        name: object = None,
        context: Context | None = None,
    ) -> asyncio.Task[_T]:
        """Return a task that runs `coro`, made by the loop's task factory if it has one."""
        if self._task_factory is not None:
            return super().create_task(coro, name=name, context=context)
        return asyncio.Task(coro, loop=self, name=None if name is None else str(name), context=context)

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future of this loop."""
        return asyncio.Future(loop=self)

    def _jump(self) -> None:
        """Set the clock to the next timer."""
        timers = self._timers
        if self._timer_cancelled_count > _MOST_CANCELLED and self._timer_cancelled_count > len(timers) // 2:
            timers[:] = [entry for entry in timers if not entry[2]._cancelled]
            heapify(timers)
            self._timer_cancelled_count = 0
        while timers and timers[0][2]._cancelled:
            heappop(timers)[2]._scheduled = False
            self._timer_cancelled_count -= 1
        if not timers:
            raise DeadlockError(
                "every task waits and no timer is set: nothing can happen any more; threads and processes, such as the "
                "one of a SqliteLimiter, take real time, and no answer of theirs is awaited"
            )
        when = timers[0][0]
        if not self._coarse:
            if when > self._now:
                self._now = self._time = when
            if self._lag is not None:
                self._now = self._time = self._now + self._lag()
            return
        self._now = max(self._now, (ceil(when * _MS) - 1) / _MS)
        if self._lag is not None:
            self._now += self._lag()
        now, time = self._now, floor(self._now * _MS + 1) / _MS
        while time < when:  # off by a rounding error
            now += 1e-6
            time = floor(now * _MS + 1) / _MS
        self._now, self._time = now, time

    def _run_once(self) -> None:  # noqa: C901 - a call for each step would cost more than the step
        """Run turns until stopped: the ready callbacks, or a jump to the next timer where none is ready.

        asyncio calls this once for each turn; here one call runs all turns.
        """
        ready, timers = self._ready, self._timers
        take = ready.popleft
        turns = 0
        while True:
            turns += 1
            if not ready and not self._stopping:
                self._jump()
                turns = 0
            elif turns > _MOST_TURNS:
                raise DeadlockError(f"{turns} turns of the loop, and no time has passed: somebody never waits")
            while timers and timers[0][0] <= self._time:
                timer = heappop(timers)[2]
                timer._scheduled = False
                if timer._cancelled:
                    self._timer_cancelled_count -= 1
                else:
                    ready.append(timer)
            for _ in range(len(ready)):
                handle = take()
                if not handle._cancelled:
                    try:
                        handle._context.run(handle._callback, *handle._args)
                    except (SystemExit, KeyboardInterrupt):
                        raise
                    except BaseException as error:  # noqa: BLE001 - as in asyncio's handles
                        context = {"message": f"Exception in callback {handle!r}", "exception": error, "handle": handle}
                        self.call_exception_handler(context)
            if self._stopping:
                return

    def _process_events(self, events: list[Any]) -> None:
        """Do nothing: there are no files."""

    def _write_to_self(self) -> None:
        """Do nothing: there is no other thread to wake the loop from."""
