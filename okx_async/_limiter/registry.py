"""Which keys there are, and which event loop uses each.

A key's state is made when the key is first asked for and forgotten once forgetting it changes nothing, without a
timer: each new key looks at two others, and whoever looks at the whole state looks at all.

A key that a closed loop left behind goes to the next loop that asks, and what was in flight is then in doubt. A key
that another running loop uses, or that was in use when this process was forked, is refused: two users that do not see
each other's requests cannot keep one window.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from functools import lru_cache
from weakref import WeakSet

from okx_async._limiter.bucket import Bucket, Rule
from okx_async._limiter.queue import Queue
from okx_async._quota import Quota

REMEDY = "give each its own Limiter with a share of the quota, limiter=okx.Limiter(okx.Quota(limit=…))"


class Table:
    """The queues of one limiter, by key. A queue is touched by its own loop's thread only, the table by any."""

    def __init__(self, rule: Rule, clock: Callable[[], float]) -> None:
        self._rule = rule
        # The same rule object for the same quota: a key holds no more than its own state.
        self._rule_of = lru_cache(maxsize=64)(rule.of)
        self.clock = clock
        self.queues: dict[Hashable, Queue] = {}
        self._round: deque[Queue] = deque()  # every queue once: whom to look at next for being idle
        self._parents_keys: frozenset[Hashable] = frozenset()
        self._lock = threading.Lock()
        self.closed = False
        _TABLES.add(self)

    @property
    def quota(self) -> Quota:
        """The quota of a key that is not given another one."""
        return self._rule.quota

    def queue(self, key: Hashable, quota: Quota | None = None) -> Queue:
        """Return the queue of `key` for the running loop; `quota`: None if any will do.

        Raises ValueError if the key is in use with another quota, RuntimeError if it is in use elsewhere.
        """
        queue = self.queues.get(key)
        if queue is None or queue.loop is not asyncio.get_running_loop():
            queue = self._claim(key, quota)
        if quota is not None and queue.quota is not quota and queue.quota != quota:
            queue.bucket.reclaim(self.clock())
            if queue.waiting() or not queue.bucket.change(self._rule_of(quota)):
                raise ValueError(f"{key!r} is in use with {queue.quota}, not {quota}")
            queue.quota = quota
        return queue

    def known(self, key: Hashable) -> Queue | None:
        """Return the queue of `key` if it has one that is not idle."""
        queue = self.queues.get(key)
        return None if queue is None or _unused(queue, self.clock()) else queue

    def forget(self, queue: Queue) -> None:
        """Drop the queue of a key that is idle again."""
        if _unused(queue, self.clock()):
            with self._lock:
                if self.queues.get(queue.key) is queue:
                    del self.queues[queue.key]

    def sweep(self, count: int) -> None:
        """Look at the next `count` keys and forget those that are idle."""
        with self._lock:
            self._look_at(count, _running_loop())

    def __iter__(self) -> Iterator[Queue]:
        self.sweep(len(self._round))
        with self._lock:
            return iter(list(self.queues.values()))

    def close(self) -> list[Queue]:
        """Refuse every key from now on, and return the queues that were in use."""
        with self._lock:
            self.closed = True
            queues, self.queues = list(self.queues.values()), {}
            self._round.clear()
        return queues

    def forked(self) -> None:
        """In a forked child: the parent goes on with what it had, and the lock may have been anybody's."""
        self._lock = threading.Lock()
        now = self.clock()
        # What the parent does later cannot be seen from here, whether a key was idle or unknown until now.
        self._parents_keys |= {key for key, queue in self.queues.items() if not _unused(queue, now)}
        self.queues = {}
        self._round = deque()

    def _claim(self, key: Hashable, quota: Quota | None) -> Queue:
        if self.closed:
            raise RuntimeError("this limiter is closed")
        here = asyncio.get_running_loop()
        with self._lock:
            self._look_at(2, here)
            if key in self._parents_keys:
                raise RuntimeError(f"{key!r} was in use when this process was forked: {REMEDY}")
            old = self.queues.get(key)
            if old is None:
                bucket = Bucket(self._rule if quota is None or quota is self._rule.quota else self._rule_of(quota))
            elif old.loop.is_closed():
                bucket = old.bucket.adopted(self.clock())
            elif old.loop.is_running() or old.waiting() or old.bucket.in_flight:
                raise RuntimeError(f"{key!r} is in use by another event loop: {REMEDY}")
            else:
                bucket = old.bucket
            queue = Queue(key, bucket, here, self.clock)
            if old is not None:
                queue.granted, queue.refused = old.granted, old.refused
            self.queues[key] = queue
            self._round.append(queue)
        return queue

    def _look_at(self, count: int, here: asyncio.AbstractEventLoop | None) -> None:
        now, queues, turn = self.clock(), self.queues, self._round
        for _ in range(min(count, len(turn))):
            queue = turn.popleft()
            if queues.get(queue.key) is not queue:
                continue
            ours = queue.loop is here or not queue.loop.is_running()
            if ours and _unused(queue, now):
                del queues[queue.key]
            else:
                turn.append(queue)


def _unused(queue: Queue, now: float) -> bool:
    """Whether the key may be forgotten; who waited in a loop that is closed will never run."""
    return (queue.lanes is None or queue.loop.is_closed()) and queue.bucket.idle(now)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:  # the state may be looked at from outside
        return None


_TABLES: WeakSet[Table] = WeakSet()


def _after_fork() -> None:
    for table in _TABLES:
        table.forked()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork)
