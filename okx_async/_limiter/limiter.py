"""The limiter of one process, and its slot.

A free slot is given without suspending. The slot's fate is booked when it is marked or left, on every path: a token
that was taken is settled, refunded or in doubt, and done twice is an error that changes nothing.
"""

from __future__ import annotations

import sys
import time
from asyncio import get_running_loop
from collections.abc import Callable, Hashable
from contextlib import suppress
from functools import lru_cache
from threading import get_ident
from types import TracebackType
from typing import Self

from okx_async._errors import InvalidRequestError, NotSentError, SlotTimeoutError
from okx_async._limiter.bucket import Bucket, Rule
from okx_async._limiter.queue import Queue, Verdict
from okx_async._limiter.registry import Table
from okx_async._limiter.slots import Statistics
from okx_async._quota import Priority, Quota
from okx_async._validation import check_pause, check_wait

_new = object.__new__
_NORMAL, _PANIC = Priority.NORMAL, Priority.PANIC  # looking a member up through its class costs 50 ns


class Limiter:
    """At most ``quota.limit`` requests in any ``quota.per`` seconds where they are counted, for each key.

    `rtt_floor`: seconds, a lower bound that you vouch for on the least time from a write to its being counted plus
    the least time from there to the answer (never a measured round trip; 0 is always right). `doubt_grace`: seconds
    within which a request whose outcome nobody saw is counted, if ever. `guard`: seconds against clocks that differ by
    500 ppm and times cut to milliseconds; 0.003 is right for every quota, since what a window longer than 2 s needs
    more is added to it. `clock`: monotonic seconds. Raises InvalidRequestError for values that cannot work.
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
        self._table = Table(self._rule, clock)

    @property
    def quota(self) -> Quota:
        """The quota of every key that is not given another one."""
        return self._quota

    @property
    def linger(self) -> float:
        """Seconds after the loss of a request until it cannot matter any more."""
        return self._rule.doubt

    def slot(
        self,
        key: Hashable,
        *,
        priority: Priority = Priority.NORMAL,
        max_wait: float | None = None,
        quota: Quota | None = None,
    ) -> LimiterSlot:
        """Return a context manager that waits for a slot of `key` and gives it back: see Slot.

        `max_wait`: seconds, 0 means only if one is free now. `quota`: another one for this key. Once the key is idle
        it may be given yet another, whose window holds the requests made under it: the key's past is forgotten with
        the old one, as that of every idle key is.

        Raises SlotTimeoutError, at once where no answer and no end of a window can bring a slot within `max_wait`
        (that a request before it is refunded or gives up can, and is not waited for); ValueError if `key` is in use
        with another quota; RuntimeError if another running loop uses it, or if it was in use when this process was
        forked.
        """
        if max_wait is not None:
            check_wait(max_wait)
        if priority is not _NORMAL and priority is not _PANIC:
            raise InvalidRequestError(f"priority must be Priority.NORMAL or Priority.PANIC, got {priority!r}")
        if quota is not None and not isinstance(quota, Quota):
            raise InvalidRequestError(f"quota must be a Quota or None, got {quota!r}")
        slot = _new(LimiterSlot)  # filled in here: an __init__ would cost a free slot a twentieth more
        slot.table = self._table
        slot.key = key
        slot.priority = priority
        slot.max_wait = max_wait
        slot.quota = self._quota if quota is None else quota
        slot.queue = None
        return slot

    async def block(self, key: Hashable, seconds: float, *, refused: bool = True) -> None:
        """Grant nothing for `key` in the next `seconds`; a block only moves later."""
        check_pause(seconds)
        queue = self._table.queue(key)
        if refused:
            queue.refuse(seconds)
        else:
            queue.block(seconds)

    async def aclose(self) -> None:
        """End every waiter in NotSentError; later requests for a slot raise RuntimeError."""
        here = get_running_loop()
        for queue in self._table.close():
            if queue.loop is here:
                queue.close()
                continue
            with suppress(RuntimeError):  # that loop is closed by now, and nobody waits in it any more
                queue.loop.call_soon_threadsafe(queue.close)

    def statistics(self, key: Hashable) -> Statistics:
        """Return the state of `key`, from any thread; an unknown or idle key is a full, zero record."""
        queue = self._table.known(key)
        bucket = Bucket(self._rule) if queue is None else queue.bucket
        now = self._clock()
        free, in_flight, cooling = bucket.seen(now)
        return Statistics(
            limit=bucket.rule.quota.limit,
            usable=bucket.usable(now),
            free=free,
            in_flight=in_flight,
            cooling=cooling,
            waiting=0 if queue is None else queue.waiting(),
            granted=0 if queue is None else queue.granted,
            refused=0 if queue is None else queue.refused,
            blocked_until=bucket.blocked_until,
        )

    def __repr__(self) -> str:
        queues = list(self._table)
        return (
            f"<Limiter {self.quota.limit} per {self.quota.per:g} s: {len(queues)} keys, "
            f"{sum(queue.bucket.in_flight for queue in queues)} in flight, "
            f"{sum(queue.waiting() for queue in queues)} waiting>"
        )


class LimiterSlot:
    """One slot of a Limiter: see Slot. For a single use; the limiter fills it in, and what it holds is its own."""

    __slots__ = ("key", "max_wait", "priority", "queue", "quota", "table")

    table: Table
    key: Hashable
    priority: Priority | None
    """None: entered already."""
    max_wait: float | None
    quota: Quota
    queue: Queue | None
    """Where the token is to be given back; None: not taken yet, or given back already."""

    # One coroutine for both paths: each further one costs time where a slot is free, and memory where many wait.
    async def __aenter__(self) -> Self:
        table, priority = self.table, self.priority
        if priority is None:
            raise RuntimeError("a slot is for a single use")
        self.priority = None
        queue = table.queues.get(self.key)
        # The thread that a loop runs in, None at rest: the loop of ours is the running one. (get_running_loop costs
        # 200 ns more until Python 3.12. Loops that do not tell, as uvloop's, go by way of the table, which asks it.)
        if (
            queue is None
            or queue.lanes is not None
            or queue.quota is not self.quota
            or getattr(queue.loop, "_thread_id", None) != get_ident()
            # What `queue.take` comes to where nobody waits:
            or not (queue.bucket.take_free(priority) or queue.bucket.take(table.clock(), priority))
        ):
            queue = table.queue(self.key, self.quota)
            if not queue.take(priority):
                if self.max_wait is not None and not queue.possible(priority, self.max_wait):
                    raise self._too_late(queue, priority)
                waiter = queue.join(priority, self.max_wait)
                try:
                    await waiter
                except BaseException:
                    queue.leave(priority, waiter)
                    table.forget(queue)
                    raise
                if waiter.result() is not Verdict.GRANTED:
                    raise self._not_granted(queue, priority, waiter.result())
        queue.granted += 1
        self.queue = queue
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        queue = self.queue
        if queue is not None:
            self.queue = None
            if exc_type is not None:
                queue.doubt()
            elif queue.lanes is not None:
                queue.settle()
            else:  # what `queue.settle` comes to where nobody waits
                queue.bucket.settle(self.table.clock())

    def check(self) -> None:
        """Do nothing: a slot of this process's own limiter cannot be lost."""

    def settle(self) -> None:
        """Mark that the answer has arrived, now. Raises RuntimeError if a mark was made before."""
        queue = self._give_back()
        if queue.lanes is not None:
            queue.settle()
        else:  # as above
            queue.bucket.settle(self.table.clock())

    def refund(self) -> None:
        """Mark that nothing was sent. Raises RuntimeError if a mark was made before."""
        queue = self._give_back()
        queue.refund()
        self.table.forget(queue)

    def _give_back(self) -> Queue:
        queue = self.queue
        if queue is None:
            raise RuntimeError("the slot is not held, or was marked before")
        self.queue = None
        return queue

    def _not_granted(self, queue: Queue, priority: Priority, verdict: Verdict) -> NotSentError:
        if verdict is Verdict.EXPIRED:
            return self._too_late(queue, priority)
        return NotSentError(f"{self.key!r}: the limiter was closed, nothing was sent", key=self.key)

    def _too_late(self, queue: Queue, priority: Priority) -> SlotTimeoutError:
        wait = queue.earliest(priority)
        return SlotTimeoutError(
            f"{self.key!r}: no slot within max_wait={self.max_wait:g} s, the earliest possible one is "
            f"{wait:.3f} s away; nothing was sent",
            wait=wait,
            key=self.key,
        )


@lru_cache(maxsize=1)
def default_limiter() -> Limiter:
    """Return the limiter that all clients of this process share unless they are given another."""
    return Limiter()
