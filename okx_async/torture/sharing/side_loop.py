"""An event loop of one program, in the virtual time of another loop: it can be stopped, go on, and be killed.

A virtual world has one clock and one queue of events. Each program of it needs a loop of its own: whatever the program
has scheduled rests while the program is stopped, and is gone with the program once that is killed. The kernel goes on
meanwhile: bytes that were written arrive, and those that come wait in their sockets.
"""
# ruff: noqa: SLF001 - a loop and its handles are one machine, as in asyncio itself

import asyncio
from asyncio import events
from collections.abc import Callable
from contextvars import Context
from enum import Enum
from typing import Any, TypeVarTuple
from weakref import WeakKeyDictionary

from okx_async.simulator import VirtualLoop
from okx_async.simulator.virtual.transport import MemoryTransport

_Ts = TypeVarTuple("_Ts")


class State(Enum):
    """What a program does."""

    RUNNING = "running"
    STOPPED = "stopped"
    """Nothing runs, and it may go on: SIGSTOP, or a callback that keeps the loop."""
    LEFT = "left"
    """As stopped, and the loop says that it does not run: `run_until_complete` has returned."""
    DEAD = "dead"


class _Timer(asyncio.TimerHandle):
    """A timer that knows its timer of the world's loop."""

    __slots__ = ("inner",)
    inner: asyncio.TimerHandle


class SideLoop(asyncio.BaseEventLoop):
    """A loop whose callbacks the loop `main` runs."""

    def __init__(self, main: VirtualLoop) -> None:
        self.state = State.LEFT
        super().__init__()
        self.main = main
        self.state = State.RUNNING
        self.runs_since = main.time()
        """When it began, or last went on."""
        self._resting: list[asyncio.Handle] = []
        # In the order in which they were opened, since a seed decides everything.
        self._ends: WeakKeyDictionary[MemoryTransport, None] = WeakKeyDictionary()

    @property
    def runs(self) -> bool:
        """Whether its program runs now."""
        return self.state is State.RUNNING

    # --- what becomes of the program ---

    def stop_program(self, state: State = State.STOPPED) -> None:
        """Let nothing run until `go_on`."""
        if self.state is State.RUNNING:
            self.state = state
            for end in list(self._ends):
                end.hold("the program is stopped")

    def go_on(self) -> None:
        """Run what was due meanwhile."""
        if self.state in {State.STOPPED, State.LEFT}:
            self.state = State.RUNNING
            self.runs_since = self.main.time()
            for end in list(self._ends):
                self.inside(end.release, "the program is stopped")
            resting, self._resting = self._resting, []
            for handle in resting:
                self.main.call_soon(self._step, handle)

    def kill(self) -> None:
        """Run nothing any more; the kernel closes the connections."""
        self.state = State.DEAD
        for end in list(self._ends):
            end.close()

    def bury(self) -> None:
        """Let a dead program's tasks end, when the world is over: an event loop leaves none behind."""
        self.set_exception_handler(lambda *_: None)
        self.state = State.STOPPED
        self.go_on()
        for task in asyncio.all_tasks(self):
            task.cancel()

    def inside(self, act: Callable[..., object], *args: object) -> None:
        """Call a function as a callback of this loop."""
        outer = events._get_running_loop()
        events._set_running_loop(self)
        try:
            act(*args)
        finally:
            events._set_running_loop(outer)

    # --- asyncio's interface ---

    def time(self) -> float:
        """Return the time of the world's timers."""
        return self.main.time()

    def is_running(self) -> bool:
        """Whether a program runs it, stopped or not."""
        return self.state in {State.RUNNING, State.STOPPED}

    def call_soon(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Run `callback` in the next turn."""
        handle = asyncio.Handle(callback, args, self, context)
        self.main.call_soon(self._step, handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Run `callback` in the next turn, from wherever it is called."""
        if self.state is State.DEAD:
            raise RuntimeError("Event loop is closed")
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self, delay: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run `callback` in `delay` seconds."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run `callback` at the time `when`."""
        timer = _Timer(when, callback, args, self, context)
        timer.inner = self.main.call_at(when, self._step, timer)
        return timer

    def _timer_handle_cancelled(self, handle: Any) -> None:
        handle.inner.cancel()

    def _step(self, handle: asyncio.Handle) -> None:
        if self.state is not State.RUNNING:
            self._resting.append(handle)
        elif not handle.cancelled():
            self.inside(handle._run)

    async def sock_connect(self, sock: Any, address: Any) -> None:
        """Connect over the network of the world."""
        await self.main.sock_connect(sock, address)

    async def create_connection(self, *args: Any, **options: Any) -> Any:
        """Connect over the network of the world."""
        transport, protocol = await self.main.create_connection(*args, **options)
        transport._loop = self  # type: ignore[assignment]  # what it calls of it is here
        self._ends[transport] = None
        return transport, protocol

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> list[Any]:
        """Look a name up on the network of the world."""
        return await self.main.getaddrinfo(host, port, **options)

    def end(self) -> None:
        """Close it at the end of the world."""
        self.state = State.LEFT
        self.close()
