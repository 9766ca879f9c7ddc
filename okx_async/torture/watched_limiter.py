"""A limiter that records its waits, and whether a call waits while a token is free."""

import asyncio
from collections.abc import Callable, Hashable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Self

from okx_async import Limiter, Priority, Quota, SlotSource, Statistics

CURRENT_CALL: ContextVar[str] = ContextVar("okx_async_torture_call", default="")
"""The name of the call that runs in this context."""


@dataclass(slots=True)
class Wait:
    """One wait for a slot; times are the loop's clock. `served` is None until the slot is granted."""

    key: Hashable
    priority: Priority
    joined: float
    served: float | None = None
    left: float | None = None
    """When it gave up waiting."""
    ended: float | None = None
    """When the slot was given back."""
    call: str = ""
    """The name of the call that waits, where known."""
    task: asyncio.Task[Any] | None = None
    fate: str = ""
    """How the slot ended: settled, refunded or in doubt."""
    spare: int = 0
    """The tokens of its key that it must leave to others."""


class _WatchedSlot:
    """A slot whose use is recorded."""

    __slots__ = ("_inner", "_watch", "wait")

    keeps_time = True
    """Its wait ends by `max_wait`, and leaving its block waits for nothing."""

    def __init__(self, watch: "WatchedLimiter", slot: Any, wait: Wait) -> None:
        self._watch = watch
        self._inner = slot
        self.wait = wait

    async def __aenter__(self) -> Self:
        watch, wait = self._watch, self.wait
        wait.joined, wait.call, wait.task = watch.now(), CURRENT_CALL.get(), asyncio.current_task()
        watch.waits.append(wait)
        watch.standing[id(wait)] = wait
        try:
            await self._inner.__aenter__()
        except BaseException:
            wait.left = watch.now()
            raise
        finally:
            del watch.standing[id(wait)]
            wait.task = None
        wait.served = watch.now()
        for notify in tuple(watch.listeners):
            notify()
        return self

    async def __aexit__(self, exc_type: type[BaseException] | None, *exc: object) -> None:
        if not self.wait.fate:
            self.wait.fate = "settled" if exc_type is None else "in doubt"
        self.wait.ended = self._watch.now()
        await self._inner.__aexit__(exc_type, *exc)

    def check(self, seconds: float | None = None) -> None:
        self._inner.check(seconds)

    def settle(self) -> None:
        self._inner.settle()
        self.wait.fate = "settled"

    def refund(self) -> None:
        self._inner.refund()
        self.wait.fate = "refunded"


class WatchedLimiter:
    """A SlotSource that passes everything on to a Limiter."""

    def __init__(self, limiter: Limiter, now: Callable[[], float]) -> None:
        self.limiter = limiter
        self.now = now
        self.waits: list[Wait] = []
        self.standing: dict[int, Wait] = {}
        self.listeners: list[Callable[[], None]] = []
        """Called when a slot is granted, in the same step of the loop."""
        self.idle: list[str] = []
        """A line for each wait that was found beside a free token."""
        self.blocked: set[Hashable] = set()
        """The keys that were ever blocked."""
        self._idle_check: asyncio.TimerHandle | None = None

    @property
    def linger(self) -> float:
        """Pass on."""
        return self.limiter.linger

    def slot(
        self,
        key: Hashable,
        *,
        priority: Priority = Priority.NORMAL,
        max_wait: float | None = None,
        quota: Quota | None = None,
    ) -> Any:
        """Pass on, and record the wait."""
        slot = self.limiter.slot(key, priority=priority, max_wait=max_wait, quota=quota)
        spare = 0 if priority is Priority.PANIC else (quota or self.limiter.quota).reserve
        return _WatchedSlot(self, slot, Wait(key, priority, 0.0, spare=spare))

    async def block(self, key: Hashable, seconds: float, *, refused: bool = True) -> None:
        """Pass on, and record the key."""
        self.blocked.add(key)
        await self.limiter.block(key, seconds, refused=refused)

    def statistics(self, key: Hashable) -> Statistics:
        """Pass on."""
        return self.limiter.statistics(key)

    def keys(self) -> list[Hashable]:
        """Pass on."""
        return self.limiter.keys()

    async def aclose(self) -> None:
        """Pass on."""
        await self.limiter.aclose()

    def start_idle_checks(self, every: float, patience: float) -> None:
        """Check every `every` seconds whether a call waits beside a free token for `patience` seconds or longer."""
        loop = asyncio.get_running_loop()

        def again() -> None:
            suspects = self._suspects() if self.standing else {}
            if suspects:
                self._idle_check = loop.call_later(patience, still, suspects)
            else:
                self._idle_check = loop.call_later(every, again)

        def still(suspects: dict[Hashable, int]) -> None:
            for key, granted in self._suspects().items():
                if suspects.get(key) == granted:
                    self.idle.append(f"{key!r}: {self.limiter.statistics(key)} at {self.now():.3f}")
            self._idle_check = loop.call_later(every, again)

        self._idle_check = loop.call_later(every, again)

    def stop_idle_checks(self) -> None:
        """Stop the checks."""
        if self._idle_check is not None:
            self._idle_check.cancel()
            self._idle_check = None

    def _suspects(self) -> dict[Hashable, int]:
        found = {}
        spare: dict[Hashable, int] = {}
        for wait in self.standing.values():
            spare[wait.key] = min(wait.spare, spare.get(wait.key, wait.spare))
        for key, reserve in spare.items():
            state = self.limiter.statistics(key)
            left_alone = state.limit - state.usable + min(reserve, state.usable - 1)
            if state.waiting and state.free > left_alone and self._unblocked(state.blocked_until):
                found[key] = state.granted
        return found

    def _unblocked(self, until: float) -> bool:
        return self.limiter._clock() >= until  # noqa: SLF001 - blocked_until is a time of this clock


def _conforms(limiter: WatchedLimiter) -> SlotSource:  # read by mypy only
    return limiter
