"""The keys of one limiter, and the event loop that uses each.

A key's state is made when the key is first used and forgotten once that changes nothing. No timer is needed: each new
key checks two others, and iterating over the registry checks all.

A key that a closed loop left behind goes to the next loop that uses it, with the requests in flight in doubt. A key
that another running loop uses, or that was in use when this process was forked, is refused: two users that do not see
each other's requests cannot keep one window.
"""

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


class KeyRegistry:
    """The queues of one limiter, by key. Only its own loop's thread uses a queue; any thread may use the registry."""

    def __init__(self, rule: Rule, clock: Callable[[], float]) -> None:
        self._rule = rule
        # One rule object for each quota: a key holds no more than its own state.
        self._rule_of = lru_cache(maxsize=64)(rule.of)
        self.clock = clock
        self.queues: dict[Hashable, Queue] = {}
        self._sweep_order: deque[Queue] = deque()  # every queue once, the next to be checked for being idle first
        self._parent_keys: frozenset[Hashable] = frozenset()  # in use in the parent when this process was forked
        self._lock = threading.Lock()
        self.closed = False
        _REGISTRIES.add(self)

    @property
    def quota(self) -> Quota:
        """The quota of a key that is not given another one."""
        return self._rule.quota

    def queue(self, key: Hashable, quota: Quota | None = None) -> Queue:
        """Return the queue of `key` for the running loop, with `quota`, or with any if that is None.

        Raises ValueError if the key is in use with another quota, RuntimeError if another loop uses it, if it was in
        use when this process was forked, or if the limiter is closed.
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
        """Return the queue of `key`, None if it is idle or has none."""
        queue = self.queues.get(key)
        return None if queue is None or _idle(queue, self.clock()) else queue

    def forget(self, queue: Queue) -> None:
        """Drop a queue if it is idle."""
        if _idle(queue, self.clock()):
            with self._lock:
                if self.queues.get(queue.key) is queue:
                    del self.queues[queue.key]

    def sweep(self, count: int) -> None:
        """Forget those of the next `count` keys that are idle."""
        with self._lock:
            self._forget_idle(count, _running_loop())

    def __iter__(self) -> Iterator[Queue]:
        self.sweep(len(self._sweep_order))
        with self._lock:
            return iter(list(self.queues.values()))

    def close(self) -> list[Queue]:
        """Refuse every key from now on, and return the queues that were in use."""
        with self._lock:
            self.closed = True
            queues, self.queues = list(self.queues.values()), {}
            self._sweep_order.clear()
        return queues

    def after_fork(self) -> None:
        """Start empty in a forked child, and refuse the keys that the parent uses from now on."""
        self._lock = threading.Lock()  # another thread of the parent may have held the old one
        now = self.clock()
        # Keys that were idle or unknown are not refused: what the parent does with them later cannot be seen here.
        self._parent_keys |= {key for key, queue in self.queues.items() if not _idle(queue, now)}
        self.queues = {}
        self._sweep_order = deque()

    def _claim(self, key: Hashable, quota: Quota | None) -> Queue:
        """Return a new queue of `key` for the running loop, with the bucket that the key has, if any."""
        if self.closed:
            raise RuntimeError("this limiter is closed")
        here = asyncio.get_running_loop()
        with self._lock:
            self._forget_idle(2, here)
            if key in self._parent_keys:
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
            self._sweep_order.append(queue)
        return queue

    def _forget_idle(self, count: int, here: asyncio.AbstractEventLoop | None) -> None:
        """Check the next `count` queues; the one of another running loop stays, as its thread may be using it."""
        now, order = self.clock(), self._sweep_order
        for _ in range(min(count, len(order))):
            queue = order.popleft()
            if self.queues.get(queue.key) is not queue:
                continue
            ours = queue.loop is here or not queue.loop.is_running()
            if ours and _idle(queue, now):
                del self.queues[queue.key]
            else:
                order.append(queue)


def _idle(queue: Queue, now: float) -> bool:
    """Return whether the key may be forgotten; the waiters of a closed loop never run again and do not count."""
    return (queue.lanes is None or queue.loop.is_closed()) and queue.bucket.idle(now)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:  # a repr may be asked for outside of any loop
        return None


_REGISTRIES: WeakSet[KeyRegistry] = WeakSet()


def _after_fork() -> None:
    for registry in _REGISTRIES:
        registry.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork)
