"""The keys of one limiter, in use in any number of event loops and threads, and what a fork makes of them.

A key's state is made when the key is first used and forgotten once that changes nothing. No timer is needed: each new
key checks two others, and iterating over the registry checks all.

One lock guards all that a limiter knows; it is held for some microseconds and never while anything is awaited. What is
guarded is read and changed under the lock only, so nothing here relies on a GIL. It is an RLock: a coroutine that holds
a slot may be collected in the midst of any allocation, and then gives its slot back in the same thread.

A forked child has a quota of its own, since it cannot see what its parent does. What the parent had out at the fork is
in doubt for the child, and one warning names the remedy.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from functools import lru_cache
from typing import Final
from weakref import WeakSet

from okx_async._limiter.bucket import Bucket, Rule
from okx_async._limiter.queue import Queue
from okx_async._limiter.shared_key import SharedKey
from okx_async._limiter.slots import subject
from okx_async._log import logger
from okx_async._quota import Quota
from okx_async._threads import at_forks

FORKED: Final = (
    "this process was forked, and its limiter does not see what other processes send: each has the whole quota. Set "
    "OKX_LIMITS=sqlite: to share one limit among all processes of this host"
)


class KeyRegistry:
    """The queues of one limiter, by key. Whatever is called here or on a queue is called under `lock`.

    Args:
        rule: The times of keys that are given no quota of their own.
        clock: The limiter's clock.
    """

    def __init__(self, rule: Rule, clock: Callable[[], float]) -> None:
        self._rule = rule
        # One rule object for each quota: a key holds no more than its own state.
        self._rule_of = lru_cache(maxsize=64)(rule.of)
        self.clock = clock
        self.lock: Final = threading.RLock()
        # Bound once: a `with` statement takes three times as long as the two calls, on every slot.
        self.acquire: Final = self.lock.acquire
        self.release: Final = self.lock.release
        self.queues: dict[Hashable, Queue] = {}
        """By key; of several loops, the queue of the one that used the key last."""
        self._sweep_order: deque[tuple[Hashable, Bucket]] = deque()  # every key once, the next to be checked first
        self._inherited: dict[Hashable, Bucket] = {}  # what the parent, or the limiter before, had out
        self.closed = False
        with _REGISTRIES_LOCK:
            _REGISTRIES.add(self)

    @property
    def quota(self) -> Quota:
        """The quota of a key that is not given another one."""
        return self._rule.quota

    def queue(self, key: Hashable, quota: Quota | None = None) -> Queue:
        """Return the queue of `key` for the running loop, with `quota`, or with any if that is None.

        Raises ValueError if the key is in use with another quota, RuntimeError if the limiter is closed.
        """
        queue = self.queues.get(key)
        if queue is None or queue.loop is not asyncio.get_running_loop():
            queue = self._claim(key, quota)
        if quota is not None and queue.quota is not quota and queue.quota != quota:
            queue.bucket.reclaim(self.clock())
            if _waiting(queue) or not queue.bucket.change(self._rule_of(quota)):
                raise ValueError(f"{subject(key)} is in use with {queue.quota}, not {quota}")
            for each in every(queue):
                each.quota = quota
        return queue

    def known(self, key: Hashable) -> Queue | None:
        """Return a queue of `key`, None if it is idle or has none."""
        queue = self.queues.get(key)
        return None if queue is None or _idle(queue, self.clock()) else queue

    def forget(self, queue: Queue) -> None:
        """Drop the key of a queue if it is idle."""
        current = self.queues.get(queue.key)
        if current is not None and current.bucket is queue.bucket and _idle(current, self.clock()):
            del self.queues[queue.key]

    def sweep(self, count: int) -> None:
        """Forget those of the next `count` keys that are idle."""
        now, order = self.clock(), self._sweep_order
        for _ in range(min(count, len(order))):
            key, bucket = entry = order.popleft()
            queue = self.queues.get(key)
            if queue is None or queue.bucket is not bucket:
                continue
            if _idle(queue, now):
                del self.queues[key]
            else:
                order.append(entry)

    def __iter__(self) -> Iterator[Queue]:
        """Return a queue of each key in use."""
        self.sweep(len(self._sweep_order))
        return iter(list(self.queues.values()))

    def close(self) -> list[Queue]:
        """Refuse every key from now on, and return the queues that were in use."""
        self.closed = True
        self._inherit()
        queues, self.queues = [each for queue in self.queues.values() for each in every(queue)], {}
        self._sweep_order.clear()
        return queues

    def succeed(self, closed: "KeyRegistry") -> None:
        """Count what a registry before this one, which was closed, had out."""
        self._inherited.update(closed._inherited)  # noqa: SLF001 - of this class

    def begin_in_child(self) -> None:
        """Begin anew in a forked child."""
        self._inherited.clear()
        self._inherit()
        for queue in self.queues.values():
            for each in every(queue):
                each.abandon()
        self.queues = {}
        self._sweep_order.clear()

    def _inherit(self) -> None:
        """Note what is out, for what counts it from here on."""
        now = self.clock()
        for key, queue in self.queues.items():
            if not queue.bucket.idle(now):
                self._inherited[key] = queue.bucket.adopted(now)

    def _claim(self, key: Hashable, quota: Quota | None) -> Queue:
        """Return the queue of `key` for the running loop, which is new unless the loop shares the key with others."""
        if self.closed:
            raise RuntimeError("this limiter is closed")
        here = asyncio.get_running_loop()
        old = self.queues.get(key)
        if old is not None and old.shared is not None and (queue := old.shared.queues.get(here)) is not None:
            self.queues[key] = queue
            return queue
        if _Fork.to_be_told:
            _Fork.tell(here)
        self.sweep(2)
        old = self.queues.get(key)
        if old is None:
            bucket = self._inherited.pop(key, None) if self._inherited else None
            if bucket is None:
                bucket = Bucket(self._rule if quota is None or quota is self._rule.quota else self._rule_of(quota))
            self._sweep_order.append((key, bucket))
            queue = Queue(key, bucket, here, self.clock, self.lock)
        else:
            queue = Queue(key, old.bucket, here, self.clock, self.lock)
            if old.shared is not None or old.loop.is_running():
                (old.shared or SharedKey(old, self.queues)).add(queue)
            else:
                old.lose(queue, old.bucket.in_flight, self.clock())
        self.queues[key] = queue
        return queue


def every(queue: Queue) -> list[Queue]:
    """Return the queues of a key, of all loops."""
    return [queue] if queue.shared is None else list(queue.shared.queues.values())


def _waiting(queue: Queue) -> int:
    return sum(each.own_waiting() for each in every(queue))


def _idle(queue: Queue, now: float) -> bool:
    """Return whether the key may be forgotten; the waiters of a closed loop never run again and do not count."""
    if not queue.bucket.idle(now):
        return False
    return all(each.lanes is None or each.loop.is_closed() for each in every(queue))


class _Fork:
    """What a fork leaves to be told, once for each process, whatever number of limiters it has."""

    to_be_told = False

    @classmethod
    def tell(cls, loop: asyncio.AbstractEventLoop) -> None:
        """Tell it soon: a log's handler may wait for another thread, which must not wait for a limiter's lock."""
        cls.to_be_told = False
        loop.call_soon(logger.warning, FORKED)


_REGISTRIES: Final[WeakSet[KeyRegistry]] = WeakSet()
_REGISTRIES_LOCK: Final = threading.RLock()


def _take(_: list[KeyRegistry]) -> Iterator[KeyRegistry]:
    """Wait until no other thread changes what the child will find."""
    for registry in list(_REGISTRIES):
        registry.lock.acquire()
        yield registry


def _give(registry: KeyRegistry) -> None:
    registry.lock.release()


def _begin_in_child(held: list[KeyRegistry]) -> None:
    for registry in list(_REGISTRIES):
        registry.begin_in_child()
    _Fork.to_be_told = True
    for registry in held:
        registry.lock.release()


_FORK: Final = at_forks(_REGISTRIES_LOCK, _take, _give, _begin_in_child)
