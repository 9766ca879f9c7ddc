"""One event loop's waiters for the tokens of one key, and the only place where a waiter is handed a token.

A woken waiter already holds its token: no later task can snatch it, and a waiter that is cancelled between the
hand-over and its next step hands the token on. There are two lanes, first come, first served in each; PANIC goes ahead
of every NORMAL waiter. One timer serves both the next token and the nearest deadline. The timer is a hint only: when
it fires, the clock is read again. Without waiters there is no timer.

A waiter is served when it is handed a token. Once the line is empty and tokens are left, a newcomer takes one at once,
though waiters that were served in the same turn of the loop have yet to run. It takes nothing from them; to run after
them it would have to suspend with a token in hand, one more place at which a task can be cancelled.

A key is used by one loop as a rule, and its queue has the bucket for itself. Once a second loop uses it, both queues
share the bucket and a `SharedKey`, which keeps the order between them. Every method is called under the limiter's
lock. Waiters and timer are touched in the queue's own loop only; from elsewhere, that loop is asked to look.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress
from heapq import heappush
from itertools import count
from math import inf, nextafter
from typing import TYPE_CHECKING, Any, Final

from okx_async._limiter.bucket import Bucket
from okx_async._limiter.shared_key import Rank, SharedKey
from okx_async._limiter.waiters import Lane, Verdict, Waiter, end_waits, expire, first_in_line
from okx_async._quota import Priority

if TYPE_CHECKING:
    from _thread import RLock as Lock


TIMER_FLOOR = 0.001
"""Seconds: some loops fire timers up to a millisecond early; a timer that is late by one beats a spinning loop."""
_NONE: Final[list[Any]] = []
"""The deadlines of a queue that never had one."""


class Queue:
    """One event loop's use of one key: the bucket, and the loop's waiters.

    Args:
        key: What requests are counted by.
        bucket: Its tokens.
        loop: The event loop.
        clock: The limiter's clock.
        lock: The limiter's lock, for what the loop calls by itself.
    """

    __slots__ = (
        "_clock",
        "_deadlines",
        "_timer",
        "bucket",
        "granted",
        "key",
        "lanes",
        "lock",
        "looks_at",
        "loop",
        "lost",
        "quota",
        "refused",
        "shared",
        "tickets",
    )

    def __init__(
        self,
        key: Hashable,
        bucket: Bucket,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        lock: "Lock",
    ) -> None:
        self.key = key
        self.bucket = bucket
        self.loop = loop
        self.lock = lock
        self.quota = bucket.rule.quota
        self.granted = 0
        self.refused = 0
        self.lost = False
        """Whether the loop was silent for too long, so that this is the key's queue no more and has no token of it."""
        self.shared: SharedKey[Queue] | None = None
        """What it has in common with the queues of other loops, if there are any."""
        self.tickets: Iterator[int] | None = None
        """Gives each waiter its place in line, for all queues of the key."""
        self._clock = clock
        self.lanes: tuple[Lane, Lane] | None = None  # made with the first waiter: most keys never have one
        self._deadlines: list[tuple[float, int, Waiter]] = _NONE
        self._timer: asyncio.TimerHandle | None = None
        self.looks_at = inf
        """When its timer fires."""

    def own_waiting(self, priority: Priority = Priority.NORMAL) -> int:
        """Return how many waiters of this loop stand before a newcomer of this priority; for NORMAL these are all."""
        if self.lanes is None:
            return 0
        normal, panic = self.lanes
        return len(panic) + (len(normal) if priority is Priority.NORMAL else 0)

    def waiting(self, priority: Priority = Priority.NORMAL) -> int:
        """Return how many waiters stand before a newcomer of this priority, those of loops that answer counted."""
        own = self.own_waiting(priority)
        return own if self.shared is None else own + self.shared.waiting_elsewhere(self, priority, self._clock())

    def rank(self) -> Rank | None:
        """Return the place in line of the first waiter, None if none waits."""
        return None if self.lanes is None else first_in_line(self.lanes)

    def take(self, priority: Priority) -> bool:
        """Take a token without waiting, if one is free and no waiter stands before this priority."""
        shared = self.shared
        if self.lanes is not None:
            self.grant()  # a late timer must not let a newcomer overtake
            if self.own_waiting(priority):
                return False
        if shared is None:
            return self.bucket.take(self._clock(), panic=priority is Priority.PANIC)
        now, panic = self._clock(), priority is Priority.PANIC
        shared.looked(self)
        if not shared.turn(self, (not panic, inf), now) or not self.bucket.take(now, panic=panic):
            return False
        shared.took(self)
        return True

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
        if self.tickets is None:
            self.tickets = count()
        self.lanes[priority][waiter] = ticket = next(self.tickets)
        if max_wait is not None:
            if self._deadlines is _NONE:
                self._deadlines = []
            heappush(self._deadlines, (self._clock() + max_wait, ticket, waiter))
        self._rearm()
        return waiter

    def leave(self, priority: Priority, waiter: Waiter) -> None:
        """Drop a waiter that was cancelled; a token handed to it before it could run is handed on."""
        if waiter.done() and not waiter.cancelled():
            if waiter.result() is Verdict.GRANTED:
                self.bucket.refund()
                if self.shared is not None:
                    self.shared.gave(self)
        elif self.lanes is not None:
            self.lanes[priority].pop(waiter, None)
        self._attend()

    def settle(self) -> None:
        """Book the end of a request whose answer has arrived."""
        self.bucket.settle(self._clock())
        self._cools()

    def doubt(self) -> None:
        """Book the end of a request whose outcome is unknown."""
        self.bucket.doubt(self._clock())
        self._cools()

    def refund(self) -> None:
        """Book that nothing was sent."""
        self.bucket.refund()
        if self.shared is not None:
            self.shared.gave(self)
            self._attend()
        elif self.lanes is not None:
            self._attend()

    def refuse(self, seconds: float) -> None:
        """Book a refusal for rate, and pause for `seconds`."""
        self.refused += 1
        self.bucket.refuse(self._clock(), seconds)
        self._attend_all()

    def block(self, seconds: float) -> None:
        """Grant nothing for `seconds`, and end the waits whose deadline comes first."""
        self.bucket.block(self._clock() + seconds)
        self._attend_all()

    def grant(self) -> None:
        """Hand the free tokens out, in order; called in its loop after every change that may free a token."""
        shared, now = self.shared, 0.0
        if self.lanes is not None and not self.loop.is_closed():  # the waiters of a closed loop never run again
            now = self._clock()
            normal, panic = self.lanes
            self._expire(self.lanes, now)  # first: after a stall of the loop nothing is sent after its deadline
            while panic or normal:
                lane = panic or normal
                waiter = next(iter(lane))
                if not waiter.done():  # else it was cancelled in line and holds nothing
                    if shared is not None and not shared.turn(self, (lane is normal, lane[waiter]), now):
                        break
                    if not self.bucket.take(now, panic=lane is panic):
                        break
                    if shared is not None:
                        shared.took(self)
                    waiter.set_result(Verdict.GRANTED)
                del lane[waiter]
            self._expire(self.lanes, nextafter(now, inf))
            if not panic and not normal:
                self.lanes = None
        self._rearm()
        if shared is not None:
            shared.looked(self)
            shared.pass_on(self, now or self._clock())

    def close(self) -> None:
        """End every wait; called in its loop, with the lock or without."""
        with self.lock:
            waiters = self._waiters()
            self._rearm()
        end_waits(waiters, Verdict.CLOSED)

    def lose(self, heir: "Queue | None", out: int, now: float) -> None:
        """Lose the key, and what is out in this loop, to the queue of another loop.

        From here on this queue has a bucket of its own, so whatever comes late is booked where it changes nothing.
        """
        old, self.bucket = self.bucket, Bucket(self.bucket.rule)
        self.bucket.free -= out
        self.bucket.in_flight = out
        for _ in range(out):
            old.doubt(now)
        self.lost, self.shared = True, None
        if heir is not None:
            heir.granted += self.granted
            heir.refused += self.refused
        waiters = self._waiters()
        with suppress(RuntimeError):  # that loop is closed by now, its waiters never run again
            self.loop.call_soon_threadsafe(self._ask_anew, waiters)

    def abandon(self) -> None:
        """Lose the key in a forked child: what is out in this loop is the parent's."""
        self.lost, self.shared = True, None
        waiters = self._waiters()
        with suppress(RuntimeError):  # the loop is closed
            # Not threadsafe: that would write to the parent's loop. It is for a child that goes on in its own loop.
            self.loop.call_soon(self._ask_anew, waiters)

    def ask_to_look(self) -> bool:
        """Have the queue's loop look for tokens; return whether it may still do so."""
        try:
            self.loop.call_soon_threadsafe(self._look)
        except RuntimeError:  # it is closed
            return False
        return True

    def _cools(self) -> None:
        """See to it that the waiters look when a token is back that cools from now on."""
        if self.shared is None and self.lanes is not None and asyncio._get_running_loop() is self.loop:  # noqa: SLF001
            self._rearm()  # nothing came free, so nothing is to be handed out
            return
        if self.shared is not None:
            self.shared.gave(self)
        if self.shared is not None or self.lanes is not None:
            self._attend()

    def _attend(self) -> None:
        """Hand out what came free, wherever this is called."""
        if self.lanes is None or asyncio._get_running_loop() is self.loop:  # noqa: SLF001 - get_running_loop raises
            self.grant()
        else:  # a slot may be given back elsewhere: a coroutine is collected in whatever thread
            self.ask_to_look()

    def _attend_all(self) -> None:
        self._attend()
        for other in () if self.shared is None else self.shared.others(self):
            if other.lanes is not None:
                other.ask_to_look()

    def _ask_anew(self, waiters: list[Waiter]) -> None:
        """Have waiters of a queue that lost the key begin anew, once its loop runs again."""
        with self.lock:
            self._rearm()
        end_waits(waiters, Verdict.AGAIN)

    def _look(self) -> None:
        with self.lock:
            self.grant()

    def _earliest(self, priority: Priority, now: float) -> float:
        return self.bucket.earliest(now, ahead=self.waiting(priority), panic=priority is Priority.PANIC)

    def _waiters(self) -> list[Waiter]:
        """Forget the waiters, and return them."""
        waiters = [waiter for lane in self.lanes or () for waiter in lane]
        self.lanes, self._deadlines = None, _NONE
        return waiters

    def _expire(self, lanes: tuple[Lane, Lane], before: float) -> None:
        """End the waits whose deadline lies before `before`, or before the end of the key's block."""
        expire(self._deadlines, lanes, max(before, self.bucket.blocked_until))

    def _rearm(self) -> None:
        """Set the timer to the next moment at which a wait can end."""
        at = inf
        if self.lanes is not None:
            at = self.bucket.next_time(panic=bool(self.lanes[Priority.PANIC]))
            if self.shared is not None:
                at = self.shared.next_look(self, at, self._clock())
            if self._deadlines:
                at = min(at, self._deadlines[0][0])
        else:
            self._deadlines = _NONE
        if at == self.looks_at:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.looks_at = at
        if at != inf and not self.loop.is_closed():
            self._timer = self.loop.call_later(max(at - self._clock(), TIMER_FLOOR), self._on_timer)

    def _on_timer(self) -> None:
        with self.lock:
            self._timer, self.looks_at = None, inf
            if self.shared is not None and self.lanes is not None:
                self.shared.see_to(self, self._clock())
            self.grant()
