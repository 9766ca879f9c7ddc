"""The limiter of one process, for all its event loops and threads, and its slots.

A free slot is given without suspending. Each slot's token is booked exactly once, by a mark or at the end of the block:
settled, refunded or in doubt. A second mark is an error that changes nothing.
"""

import sys
import time
from asyncio import get_running_loop
from collections.abc import Callable, Hashable
from contextlib import suppress
from math import inf
from types import TracebackType
from typing import Final, NoReturn, Self

from okx_async._errors import NotSentError, SlotTimeoutError
from okx_async._limiter.bucket import Bucket, Rule
from okx_async._limiter.queue import Queue
from okx_async._limiter.registry import KeyRegistry, every
from okx_async._limiter.slots import Statistics, no_slot, subject
from okx_async._limiter.waiters import Verdict
from okx_async._quota import Priority, Quota
from okx_async._validation import check_clock, check_pause, check_slot

PANIC: Final = Priority.PANIC

FINE_CLOCK: Final = time.perf_counter if sys.platform == "win32" else time.monotonic
"""A monotonic clock, in seconds; on Windows `time.monotonic` moves in steps of 16 ms."""


class Limiter:
    """At most ``quota.limit`` requests in any ``quota.per`` seconds, for each key, by the exchange's own count.

    Args:
        quota: The quota of every key that is not given another one.
        rtt_floor: Seconds from 0 to below ``quota.per + guard``, a lower bound that you vouch for on the least time
            from a write to its being counted plus the least time from there to the answer. Never a measured round trip;
            0 is always right.
        doubt_grace: Seconds within which a request whose outcome is unknown is counted, if ever; at least 0.
        guard: Seconds, at least 0, against clocks that differ by 500 ppm and times cut to milliseconds. 0.003 is right
            for every quota, since what a window longer than 2 s needs more is added to it.
        clock: Returns monotonic seconds; by default `time.monotonic`, on Windows `time.perf_counter`.

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
        clock: Callable[[], float] = FINE_CLOCK,
    ) -> None:
        self._rule = Rule(quota, rtt_floor, doubt_grace, guard)
        check_clock(clock)
        self._quota = quota
        self._clock = clock
        self._registry = KeyRegistry(self._rule, clock)

    @property
    def quota(self) -> Quota:
        """The quota of every key that is not given another one."""
        return self._quota

    @property
    def closed(self) -> bool:
        """Whether the limiter was closed, so that it grants nothing more."""
        return self._registry.closed

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
            RuntimeError: The limiter is closed.
        """
        check_slot(priority, max_wait, quota)
        return LimiterSlot(self._registry, key, priority, max_wait, self._quota if quota is None else quota)

    async def block(self, key: Hashable, seconds: float, *, refused: bool = True) -> None:
        """Grant nothing for `key` in the next `seconds`; a block only moves later.

        Args:
            key: What requests are counted by.
            seconds: Seconds of the block, at least 0.
            refused: Whether the exchange refused a request for rate. False for a pause without a refusal.
        """
        check_pause(seconds)
        with self._registry.lock:
            queue = self._registry.queue(key)
            if refused:
                queue.refuse(seconds)
            else:
                queue.block(seconds)

    async def aclose(self) -> None:
        """End every waiter in NotSentError; later requests for a slot raise RuntimeError."""
        here = get_running_loop()
        with self._registry.lock:
            for queue in self._registry.close():
                if queue.loop is here:
                    queue.close()
                    continue
                with suppress(RuntimeError):  # that loop is closed by now, its waiters never run again
                    queue.loop.call_soon_threadsafe(queue.close)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Limiter cannot be pickled or copied, its counts are this process's: make one in each process, or let "
            "them share one limit: a limiter of okx_async.stores, or OKX_LIMITS=sqlite: in the environment of each"
        )

    def keys(self) -> list[Hashable]:
        """Return the keys in use, from any thread."""
        with self._registry.lock:
            return [queue.key for queue in self._registry]

    def statistics(self, key: Hashable) -> Statistics:
        """Return the state of `key`, over all loops and from any thread; of an idle key, a full bucket and zeros.

        Args:
            key: What requests are counted by.
        """
        with self._registry.lock:
            queue = self._registry.known(key)
            queues = [] if queue is None else every(queue)
            bucket = Bucket(self._rule) if queue is None else queue.bucket
            now = self._clock()
            free, in_flight, cooling = bucket.snapshot(now)
            return Statistics(
                limit=bucket.rule.quota.limit,
                usable=bucket.usable(now),
                free=free,
                in_flight=in_flight,
                cooling=cooling,
                waiting=sum(each.own_waiting() for each in queues),
                granted=sum(each.granted for each in queues),
                refused=sum(each.refused for each in queues),
                blocked_until=0.0 if bucket.blocked_until == -inf else bucket.blocked_until,
                blocked=max(0.0, bucket.blocked_until - now),
            )

    def __repr__(self) -> str:
        with self._registry.lock:
            queues = list(self._registry)
            in_flight = sum(queue.bucket.in_flight for queue in queues)
            waiting = sum(each.own_waiting() for queue in queues for each in every(queue))
        return (
            f"<Limiter {self.quota.limit} per {self.quota.per:g} s: {len(queues)} keys, {in_flight} in flight, "
            f"{waiting} waiting>"
        )


class LimiterSlot:
    """One slot of a Limiter, for a single use: see Slot."""

    __slots__ = ("_entered", "_key", "_max_wait", "_priority", "_queue", "_quota", "_registry")

    keeps_time = True
    """Its wait ends by `max_wait`, and leaving its block waits for nothing."""

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
        registry, key, priority, max_wait = self._registry, self._key, self._priority, self._max_wait
        deadline = None
        while True:
            registry.acquire()
            try:
                queue = registry.queues.get(key)
                if queue is None or queue.quota is not self._quota or queue.loop is not get_running_loop():
                    queue = registry.queue(key, self._quota)
                if (
                    queue.bucket.take(registry.clock(), panic=priority is PANIC)
                    if queue.lanes is None and queue.shared is None
                    else queue.take(priority)
                ):
                    queue.granted += 1
                    self._queue = queue
                    return self
                if max_wait is not None:
                    if not queue.possible(priority, max_wait):
                        raise self._too_late(queue)
                    deadline = registry.clock() + max_wait
                waiter = queue.join(priority, max_wait)
            finally:
                registry.release()
            try:
                await waiter
            except BaseException:
                with registry.lock:
                    queue.leave(priority, waiter)
                    registry.forget(queue)
                raise
            if self._served(queue, waiter.result()):
                return self
            # This loop was silent for too long, and lost its place in line or the token that it was handed.
            if deadline is not None:
                max_wait = max(0.0, deadline - registry.clock())

    def _served(self, queue: Queue, verdict: Verdict) -> bool:
        """Return whether a wait ended with a token; raise unless it ended so, or is to begin anew."""
        with queue.lock:
            if verdict is Verdict.EXPIRED:
                raise self._too_late(queue)
            if verdict is Verdict.CLOSED:
                raise NotSentError(f"{subject(self._key)}: the limiter was closed, nothing was sent", key=self._key)
            if verdict is Verdict.AGAIN or queue.lost:
                return False
            queue.granted += 1
            self._queue = queue
            return True

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        queue = self._queue
        if queue is not None:
            self._queue = None
            registry = self._registry
            registry.acquire()
            try:
                if exc_type is None:
                    if queue.lanes is None and queue.shared is None:
                        queue.bucket.settle(registry.clock())
                    else:
                        queue.settle()
                else:
                    queue.doubt()
            finally:
                registry.release()

    def check(self, seconds: float | None = None) -> None:  # noqa: ARG002 - kept until it is given back, if not lost
        """Raise NotSentError if the slot was lost; call it right before the write, with nothing awaited in between.

        A slot is lost if its loop was stopped, or hung for seconds, while another loop needed the key, and in a
        forked child if it is the parent's.

        Args:
            seconds: From now to the latest moment at which the request is given up. A slot that is not lost is kept
                for any time.
        """
        queue = self._queue
        if queue is None:
            raise RuntimeError("the slot is not held, or was marked before")
        if queue.lost:
            raise NotSentError(
                f"{subject(self._key)}: the slot was lost while its loop did not run; nothing was sent", key=self._key
            )

    def settle(self) -> None:
        """Mark that the answer has arrived, now. Raises RuntimeError if a mark was made before."""
        registry = self._registry
        registry.acquire()
        try:
            self._give_back().settle()
        finally:
            registry.release()

    def refund(self) -> None:
        """Mark that nothing was sent. Raises RuntimeError if a mark was made before."""
        with self._registry.lock:
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
        return SlotTimeoutError(f"{subject(self._key)}: {no_slot(wait, self._max_wait)}", wait=wait, key=self._key)
