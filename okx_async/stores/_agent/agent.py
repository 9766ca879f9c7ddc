"""The agent of one process at a store: what its event loops and threads say, and its thread through forks.

The event loops never touch the store. They put messages into the inbox of the agent's thread (`worker`), which answers
in the loop of each waiter.
"""

import time
from asyncio import AbstractEventLoop
from collections.abc import Callable, Hashable
from contextlib import suppress
from itertools import count
from math import inf
from typing import Any, Final
from weakref import WeakSet

from okx_async._limiter.slots import Statistics
from okx_async._quota import Quota
from okx_async.stores._agent import forks
from okx_async.stores._agent.waiters import Key, Note, Waiter, closed, deliver, refusal
from okx_async.stores._agent.worker import Worker
from okx_async.stores.lease import SharedBucket
from okx_async.stores.store import Store, StoreError

NO_THREAD: Final = "no thread can begin in this process, or it ends"


class Agent:
    """Asks a store for tokens, for all loops and threads of this process.

    Args:
        database: The store.
        quota: The quota of keys that are given no other.
        clock: The host's clock.
        wall: Unix seconds.
        begin: Makes the thread of a process.
    """

    def __init__(
        self,
        database: Store,
        quota: Quota,
        clock: Callable[[], float],
        wall: Callable[[], float] = time.time,
        begin: Callable[[], Worker] | None = None,
    ) -> None:
        self.clock = clock
        self.wall = wall
        self.closed = False
        self.waiters: WeakSet[Waiter] = WeakSet()
        """Those whose wait has not ended; a loop that was closed in the midst of it must not live on for them."""
        self._database = database
        self._quota = quota
        self._numbers = count()
        self._prepared = False
        self._begin = begin or (lambda: Worker(database, quota, clock, wall))
        self.worker = self._begin()
        """Of this process: a slot that another one granted is that of a parent."""
        forks.watch(self)

    def ask(self, key: Key, quota: Quota, loop: AbstractEventLoop, *, panic: bool, max_wait: float | None) -> Waiter:
        """Return a new waiter; its future gets None with a token, else the error that ended the wait."""
        worker = self.worker
        deadline = inf if max_wait is None else self.clock() + max_wait
        ident = f"{worker.holder}.{next(self._numbers):012}"
        waiter = Waiter(ident, key, quota, panic, deadline, max_wait != 0, loop, loop.create_future())
        self.waiters.add(waiter)
        if not worker.begin(waiter):
            waiter.left = True
            deliver([(waiter, refusal(waiter, StoreError(NO_THREAD)))])
        if self.closed:  # the thread may have ended before it saw this
            waiter.left = True
            deliver([(waiter, closed(waiter))])
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Give up a wait, or the token that it brought and that is not used."""
        worker = self.worker
        if waiter.ident.startswith(worker.holder):  # else it is for the parent to say
            worker.post(lambda: worker.leave(waiter))

    def tell(self, key: Key, note: Note) -> None:
        """Have a note delivered."""
        self.worker.tell(key, note)

    def call(self, work: Callable[[Any], object], done: Callable[[object], object]) -> None:
        """Have a transaction made after all that was asked and told so far.

        `done` is called with its result or the error, in the agent's thread or here; of several times the first counts.
        """
        worker = self.worker
        if not worker.post(lambda: worker.at_last(lambda: done(worker.attempt(work)))):
            done(StoreError(NO_THREAD))
        if self.closed:  # the thread may have ended before it saw this
            done(StoreError("the limiter was closed"))

    def statistics(self, key: Hashable) -> Statistics:
        """Return the state of a key as this process last saw it."""
        local = self.worker.keys.get(key) if isinstance(key, tuple) else None
        bucket = None if local is None or local.seen is None else local.seen()
        if bucket is None:
            bucket = SharedBucket(self._quota if local is None else local.quota, self._database.terms)
        now, limit = self.clock(), bucket.quota.limit
        tokens = [token for token in list(bucket.tokens.values()) if token.free_at > now]
        cooling = min(limit, sum(token.cooling for token in tokens))
        in_flight = min(limit - cooling, sum(not token.cooling for token in tokens))
        return Statistics(
            limit=limit,
            usable=limit - bucket.unused(now),
            free=limit - in_flight - cooling,
            in_flight=in_flight,
            cooling=cooling,
            waiting=0 if local is None else local.waiting(),
            granted=bucket.granted,
            refused=bucket.refusals,
            blocked_until=bucket.blocked_until,
            blocked=max(0.0, bucket.blocked_until - now),
        )

    def keys(self) -> list[Key]:
        """Return the keys that this process has seen in use."""
        now = self.clock()
        return [local.key for local in list(self.worker.keys.values()) if not local.idle(now)]

    def close(self, flush: float) -> None:
        """End every wait, deliver what is to be told within `flush` seconds, and end the thread."""
        self.closed = True
        self.worker.keeps = self  # until its thread has ended, forks and the end of the process must know of it
        self.worker.stop(flush)

    def flush(self, seconds: float) -> None:
        """End every wait and deliver what is to be told within so many seconds: the process ends."""
        self.worker.flush(seconds)

    def before_fork(self) -> None:
        """Close the connection: it would be of no use to either side."""
        self._database.yields = True
        self.worker.before_fork()
        self._prepared = self.worker.lock.acquire(timeout=self._database.fork_waits)
        if self._prepared:
            self._database.close()

    def after_fork(self) -> None:
        """Go on in the parent."""
        self._database.yields = False
        if self._prepared:
            self.worker.lock.release()

    def begin_in_child(self, *, prepared: bool) -> None:
        """Begin anew, with no token of the parent's."""
        self._database.yields = False
        if not prepared or not self._prepared:
            self._database.abandon()
        self.worker.abandon()
        waiters = list(self.waiters)  # what else holds them goes with the worker
        self.worker = self._begin()
        for waiter in waiters:
            with suppress(RuntimeError):  # its loop is closed
                # Not threadsafe: that would write to the parent's loop. It is for a child that goes on in its own loop.
                waiter.loop.call_soon(_ask_anew, waiter)


def _ask_anew(waiter: Waiter) -> None:
    """End a wait in a forked child, which does not have the thread that would."""
    if not waiter.future.done():
        waiter.forked = True
        waiter.future.set_result(None)
