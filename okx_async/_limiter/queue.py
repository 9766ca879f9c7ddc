"""The waiters for the tokens of one key, and the only place where a waiter is handed a token.

A woken waiter already holds its token: no later task can snatch it, and a waiter that is cancelled between the
hand-over and its next step hands the token on. There are two lanes, first come, first served in each; PANIC goes ahead
of every NORMAL waiter. One timer serves both the next token and the nearest deadline. The timer is a hint only: when
it fires, the clock is read again. Without waiters there is no timer.

A waiter is served when it is handed a token. Once the line is empty and tokens are left, a newcomer takes one at once,
though waiters that were served in the same turn of the loop have yet to run. It takes nothing from them; to run after
them it would have to suspend with a token in hand, one more place at which a task can be cancelled.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from enum import Enum
from heapq import heapify, heappop, heappush
from math import inf, nextafter
from typing import TypeAlias

from okx_async._limiter.bucket import Bucket
from okx_async._quota import Priority


class Verdict(Enum):
    """How a wait ended."""

    GRANTED = 1
    EXPIRED = 2
    CLOSED = 3


Waiter: TypeAlias = asyncio.Future[Verdict]
# An ordered dict finds, drops and pops any waiter in constant time; a deque would keep the cancelled ones.
Lane: TypeAlias = OrderedDict[Waiter, None]

TIMER_FLOOR = 0.001
"""Seconds: some loops fire timers up to a millisecond early; a timer that is late by one beats a spinning loop."""


class Queue:
    """The bucket of one key and its waiters, which all belong to one event loop."""

    __slots__ = (
        "_clock",
        "_deadlines",
        "_joined",
        "_timer",
        "_timer_at",
        "bucket",
        "granted",
        "key",
        "lanes",
        "loop",
        "quota",
        "refused",
    )

    def __init__(
        self,
        key: Hashable,
        bucket: Bucket,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
    ) -> None:
        self.key = key
        self.bucket = bucket
        self.loop = loop
        self.quota = bucket.rule.quota
        self.granted = 0
        self.refused = 0
        self._clock = clock
        self.lanes: tuple[Lane, Lane] | None = None  # made with the first waiter: most keys never have one
        self._deadlines: list[tuple[float, int, Waiter]] = []
        self._joined = 0  # breaks ties between deadlines in order of arrival
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf

    def waiting(self, priority: Priority = Priority.NORMAL) -> int:
        """Return how many waiters stand before a newcomer of this priority; for NORMAL these are all."""
        if self.lanes is None:
            return 0
        normal, panic = self.lanes
        return len(panic) + (len(normal) if priority is Priority.NORMAL else 0)

    def take(self, priority: Priority) -> bool:
        """Take a token without waiting, if one is free and no waiter stands before this priority."""
        if self.lanes is not None:
            self.grant()  # a late timer must not let a newcomer overtake
            if self.waiting(priority):
                return False
        return self.bucket.take(self._clock(), panic=priority is Priority.PANIC)

    def possible(self, priority: Priority, max_wait: float) -> bool:
        """Return whether a newcomer could have its token within `max_wait` seconds."""
        now = self._clock()
        return self._earliest(priority, now) <= now + max_wait

    def earliest(self, priority: Priority) -> float:
        """Return the least seconds until a newcomer could have its token."""
        now = self._clock()
        return self._earliest(priority, now) - now

    def join(self, priority: Priority, max_wait: float | None) -> Waiter:
        """Return a new waiter in line; its result tells how the wait ended."""
        waiter: Waiter = self.loop.create_future()
        if self.lanes is None:
            self.lanes = (OrderedDict(), OrderedDict())
        self.lanes[priority][waiter] = None
        if max_wait is not None:
            self._joined += 1
            heappush(self._deadlines, (self._clock() + max_wait, self._joined, waiter))
        self._rearm()
        return waiter

    def leave(self, priority: Priority, waiter: Waiter) -> None:
        """Drop a waiter that was cancelled; a token handed to it before it could run is handed on."""
        if waiter.done() and not waiter.cancelled():
            if waiter.result() is Verdict.GRANTED:
                self.bucket.refund()
        elif self.lanes is not None:
            self.lanes[priority].pop(waiter, None)
        self.grant()

    def settle(self) -> None:
        """Book the end of a request whose answer has arrived."""
        self.bucket.settle(self._clock())
        if self.lanes is not None:
            self._rearm()

    def doubt(self) -> None:
        """Book the end of a request whose outcome is unknown."""
        self.bucket.doubt(self._clock())
        if self.lanes is not None:
            self._rearm()

    def refund(self) -> None:
        """Book that nothing was sent."""
        self.bucket.refund()
        if self.lanes is not None:
            self.grant()

    def refuse(self, seconds: float) -> None:
        """Book a refusal for rate, and pause for `seconds`."""
        self.refused += 1
        self.bucket.refuse(self._clock(), seconds)
        if self.lanes is not None:
            self.grant()

    def block(self, seconds: float) -> None:
        """Grant nothing for `seconds`, and end the waits whose deadline comes first."""
        self.bucket.block(self._clock() + seconds)
        if self.lanes is not None:
            self.grant()

    def grant(self) -> None:
        """Hand the free tokens out, in order; called after every change that may free a token."""
        if self.lanes is not None and not self.loop.is_closed():  # the waiters of a closed loop never run again
            now = self._clock()
            normal, panic = self.lanes
            self._expire(self.lanes, now)  # first: after a stall of the loop nothing is sent after its deadline
            while panic or normal:
                lane = panic or normal
                waiter = next(iter(lane))
                if not waiter.done():  # else it was cancelled in line and holds nothing
                    if not self.bucket.take(now, panic=lane is panic):
                        break
                    waiter.set_result(Verdict.GRANTED)
                del lane[waiter]
            self._expire(self.lanes, nextafter(now, inf))
            if not panic and not normal:
                self.lanes = None
        self._rearm()

    def _earliest(self, priority: Priority, now: float) -> float:
        return self.bucket.earliest(now, ahead=self.waiting(priority), panic=priority is Priority.PANIC)

    def close(self) -> None:
        """End every wait."""
        for lane in self.lanes or ():
            for waiter in lane:
                if not waiter.done():
                    waiter.set_result(Verdict.CLOSED)
        self.lanes = None
        self._deadlines.clear()
        self._rearm()

    def _expire(self, lanes: tuple[Lane, Lane], before: float) -> None:
        """End the waits whose deadline lies before `before`, or before the end of the key's block."""
        deadlines = self._deadlines
        while deadlines:
            deadline, _, waiter = deadlines[0]
            if not waiter.done():
                if deadline >= max(before, self.bucket.blocked_until):
                    break
                waiter.set_result(Verdict.EXPIRED)
                for lane in lanes:
                    lane.pop(waiter, None)
            heappop(deadlines)
        if len(deadlines) > 2 * self.waiting() + 16:  # mostly of waiters already served
            deadlines[:] = [entry for entry in deadlines if not entry[2].done()]
            heapify(deadlines)

    def _rearm(self) -> None:
        """Set the timer to the next moment at which a wait can end."""
        at = inf
        if self.lanes is not None:
            at = self.bucket.next_time(panic=bool(self.lanes[Priority.PANIC]))
            if self._deadlines:
                at = min(at, self._deadlines[0][0])
        else:
            self._deadlines.clear()
        if at == self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = at
        if at != inf and not self.loop.is_closed():
            self._timer = self.loop.call_later(max(at - self._clock(), TIMER_FLOOR), self._on_timer)

    def _on_timer(self) -> None:
        self._timer, self._timer_at = None, inf
        self.grant()
