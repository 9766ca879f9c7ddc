"""The limiter of one process and its slots.

A free slot is given without suspending. Each slot's token is booked exactly once, by a mark or at the end of the block:
settled, refunded or in doubt. A second mark is an error that changes nothing.
"""

import sys
import threading
import time
from asyncio import get_running_loop
from collections.abc import Callable, Hashable
from contextlib import suppress
from functools import lru_cache
from math import inf
from types import TracebackType
from typing import Self

from okx_async._errors import InvalidRequestError, NotSentError, SlotTimeoutError
from okx_async._limiter.bucket import Bucket, Rule
from okx_async._limiter.queue import Queue, Verdict
from okx_async._limiter.registry import KeyRegistry
from okx_async._limiter.slots import Statistics
from okx_async._quota import Priority, Quota
from okx_async._validation import check_pause, check_priority, check_wait


class Limiter:
    """At most ``quota.limit`` requests in any ``quota.per`` seconds, for each key, by the exchange's own count.

    Args:
        quota: The quota of every key that is not given another one.
        rtt_floor: Seconds, a lower bound that you vouch for on the least time from a write to its being counted plus
            the least time from there to the answer. Never a measured round trip; 0 is always right.
        doubt_grace: Seconds within which a request whose outcome is unknown is counted, if ever.
        guard: Seconds against clocks that differ by 500 ppm and times cut to milliseconds. 0.003 is right for every
            quota, since what a window longer than 2 s needs more is added to it.
        clock: Returns monotonic seconds.

    Raises:
        InvalidRequestError: A value cannot work.
    """

    def __init__(
        self,
        quota: Quota = Quota(),  # noqa: B008 - frozen
        *,
        rtt_floor: float = 0.0,
        doubt_grace: float = 5.0,
        guard: float = 0.003,
        clock: Callable[[], float] = time.perf_counter if sys.platform == "win32" else time.monotonic,
    ) -> None:
        self._rule = Rule(quota, rtt_floor, doubt_grace, guard)
        self._quota = quota
        self._clock = clock
        self._registry = KeyRegistry(self._rule, clock)

    @property
    def quota(self) -> Quota:
        """The quota of every key that is not given another one."""
        return self._quota

    @property
    def linger(self) -> float:
        """Seconds after the end of a request with unknown outcome until it cannot matter any more."""
        return self._rule.doubt

    def slot(
        self,
        key: Hashable,
        *,
        priority: Priority = Priority.NORMAL,
        max_wait: float | None = None,
        quota: Quota | None = None,
    ) -> "LimiterSlot":
        """Return a context manager that waits for a slot of `key` and gives it back: see Slot.

        Args:
            key: What requests are counted by.
            priority: PANIC goes ahead of every NORMAL waiter of the key.
            max_wait: Seconds to wait at most; 0 takes a slot only if one is free now, None waits without limit.
            quota: Another quota for this key, None for the limiter's. An idle key may be given yet another one, whose
                windows hold the requests made under it: an idle key's past is always forgotten.

        Raises:
            SlotTimeoutError: At once if no answer and no end of a window can bring a slot within `max_wait`. (A refund
                or a waiter that gives up could, and is not waited for.)
            ValueError: The key is in use with another quota.
            RuntimeError: Another running loop uses the key, or it was in use when this process was forked.
        """
        if max_wait is not None:
            check_wait(max_wait)
        check_priority(priority)
        if quota is not None and not isinstance(quota, Quota):
            raise InvalidRequestError(f"quota must be a Quota or None, got {quota!r}")
        return LimiterSlot(self._registry, key, priority, max_wait, self._quota if quota is None else quota)

    async def block(self, key: Hashable, seconds: float, *, refused: bool = True) -> None:
        """Grant nothing for `key` in the next `seconds`, see SlotSource; a block only moves later."""
        check_pause(seconds)
        queue = self._registry.queue(key)
        if refused:
            queue.refuse(seconds)
        else:
            queue.block(seconds)

    async def aclose(self) -> None:
        """End every waiter in NotSentError; later requests for a slot raise RuntimeError."""
        here = get_running_loop()
        for queue in self._registry.close():
            if queue.loop is here:
                queue.close()
                continue
            with suppress(RuntimeError):  # that loop is closed by now, its waiters never run again
                queue.loop.call_soon_threadsafe(queue.close)

    def statistics(self, key: Hashable) -> Statistics:
        """Return the state of `key`, from any thread; of an unknown or idle key, a full bucket and zeros."""
        queue = self._registry.known(key)
        bucket = Bucket(self._rule) if queue is None else queue.bucket
        now = self._clock()
        free, in_flight, cooling = bucket.snapshot(now)
        return Statistics(
            limit=bucket.rule.quota.limit,
            usable=bucket.usable(now),
            free=free,
            in_flight=in_flight,
            cooling=cooling,
            waiting=0 if queue is None else queue.waiting(),
            granted=0 if queue is None else queue.granted,
            refused=0 if queue is None else queue.refused,
            blocked_until=0.0 if bucket.blocked_until == -inf else bucket.blocked_until,
        )

    def __repr__(self) -> str:
        queues = list(self._registry)
        return (
            f"<Limiter {self.quota.limit} per {self.quota.per:g} s: {len(queues)} keys, "
            f"{sum(queue.bucket.in_flight for queue in queues)} in flight, "
            f"{sum(queue.waiting() for queue in queues)} waiting>"
        )


class LimiterSlot:
    """One slot of a Limiter, for a single use: see Slot."""

    __slots__ = ("_entered", "_key", "_max_wait", "_priority", "_queue", "_quota", "_registry")

    def __init__(
        self, registry: KeyRegistry, key: Hashable, priority: Priority, max_wait: float | None, quota: Quota
    ) -> None:
        self._registry = registry
        self._key = key
        self._priority = priority
        self._max_wait = max_wait
        self._quota = quota
        self._entered = False
        self._queue: Queue | None = None
        """Where the token is to be given back; None before it is taken and after it was given back."""

    # One coroutine for both paths: each further one costs memory where many tasks wait.
    async def __aenter__(self) -> Self:
        if self._entered:
            raise RuntimeError("a slot is for a single use")
        self._entered = True
        queue = self._registry.queue(self._key, self._quota)
        priority, max_wait = self._priority, self._max_wait
        if not queue.take(priority):
            if max_wait is not None and not queue.possible(priority, max_wait):
                raise self._too_late(queue)
            waiter = queue.join(priority, max_wait)
            try:
                await waiter
            except BaseException:
                queue.leave(priority, waiter)
                self._registry.forget(queue)
                raise
            if waiter.result() is Verdict.EXPIRED:
                raise self._too_late(queue)
            if waiter.result() is Verdict.CLOSED:
                raise NotSentError(f"{self._key!r}: the limiter was closed, nothing was sent", key=self._key)
        queue.granted += 1
        self._queue = queue
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._queue is not None:
            queue = self._give_back()
            if exc_type is None:
                queue.settle()
            else:
                queue.doubt()

    def check(self) -> None:
        """Do nothing: a slot of this process's own limiter cannot be lost."""

    def settle(self) -> None:
        """Mark that the answer has arrived, now. Raises RuntimeError if a mark was made before."""
        self._give_back().settle()

    def refund(self) -> None:
        """Mark that nothing was sent. Raises RuntimeError if a mark was made before."""
        queue = self._give_back()
        queue.refund()
        self._registry.forget(queue)

    def _give_back(self) -> Queue:
        """Return the queue to book the token at, once."""
        queue = self._queue
        if queue is None:
            raise RuntimeError("the slot is not held, or was marked before")
        self._queue = None
        return queue

    def _too_late(self, queue: Queue) -> SlotTimeoutError:
        wait = queue.earliest(self._priority)
        return SlotTimeoutError(
            f"{self._key!r}: no slot within max_wait={self._max_wait:g} s, the earliest possible one is "
            f"{wait:.3f} s away; nothing was sent",
            wait=wait,
            key=self._key,
        )


@lru_cache(maxsize=1)
def _default_limiter() -> Limiter:
    return Limiter()


_MAKING_DEFAULT = threading.Lock()


def default_limiter() -> Limiter:
    """Return the limiter that all clients of this process share unless they are given another."""
    with _MAKING_DEFAULT:  # threads may ask for it at the same moment
        return _default_limiter()
