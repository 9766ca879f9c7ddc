"""What limiters whose limits stand in a store have in common: slots, blocks and what is known of keys."""

import asyncio
import weakref
from collections.abc import Callable, Hashable
from contextlib import suppress
from functools import partial
from math import inf
from types import TracebackType
from typing import Any, Final, Self

from okx_async._errors import InvalidRequestError, NotSentError, OkxError
from okx_async._limiter.slots import Statistics, subject
from okx_async._quota import Priority, Quota
from okx_async._threads import in_own_thread
from okx_async._validation import check_pause, check_slot, short_repr
from okx_async.stores._agent.agent import Agent
from okx_async.stores._agent.forks import FLUSH
from okx_async.stores._agent.waiters import Key, Note, Waiter, deliver, unanswered
from okx_async.stores._agent.worker import Worker
from okx_async.stores.lease import Terms

SHARE: Final = 7 / 8
"""The part of its lease that a slot must have left if `check` is not told how much: 7 s of the default 8."""
SLOW: Final = 0.25
"""Seconds beyond `max_wait` after which a wait ends without an answer of the store."""

RESCUE: Final = 0.1
"""Seconds after which a waiter in the lane PANIC looks whether the store is silent."""


class SharedLimiter:
    """A limiter of this process at a store; a base class of `SqliteLimiter` and `RedisLimiter`.

    Args:
        agent: Asks the store.
        quota: The quota of every key that is not given another one.
        terms: What all programs that use the store must agree upon.
    """

    def __init__(self, agent: Agent, quota: Quota, terms: Terms) -> None:
        self._quota = quota
        self._terms = terms
        self._agent = agent
        weakref.finalize(self, agent.close, 0.0).atexit = False  # at the end of the process the agent flushes

    @property
    def quota(self) -> Quota:
        """The quota of every key that is not given another one."""
        return self._quota

    @property
    def lease(self) -> float:
        """Seconds for which a slot may be used."""
        return self._terms.lease

    @property
    def linger(self) -> float:
        """Seconds after the end of a request with unknown outcome until it cannot matter any more."""
        return self._terms.doubt(self._quota)

    @property
    def goes_on_alone(self) -> bool:
        """Whether PANIC gets slots while the store is out of reach."""
        return self._agent.worker.rescues

    @property
    def closed(self) -> bool:
        """Whether the limiter was closed, so that it grants nothing more."""
        return self._agent.closed

    def slot(
        self,
        key: Hashable,
        *,
        priority: Priority = Priority.NORMAL,
        max_wait: float | None = None,
        quota: Quota | None = None,
    ) -> "SharedSlot":
        """Return a context manager that waits for a slot of `key` and gives it back: see Slot.

        Args:
            key: What requests are counted by, a tuple of texts.
            priority: PANIC goes ahead of every NORMAL waiter of the key, in all programs.
            max_wait: Seconds to wait at most; 0 takes a slot only if one is free now, None waits without limit.
            quota: Another quota for this key, None for the limiter's. While a key is in use in several programs with
                different ones, the stricter holds, and a WARNING says so.

        Raises:
            SlotTimeoutError: No slot within `max_wait`; at once if that is certain.
            NotSentError: The store cannot be used at this moment.
            InvalidRequestError: The store must not be used.
        """
        check_slot(priority, max_wait, quota)
        agreed = self._quota if quota is None else quota
        return SharedSlot(self, self._agent, _key(key), priority, max_wait, agreed)

    async def block(self, key: Hashable, seconds: float, *, refused: bool = True) -> None:
        """Grant nothing for `key` in the next `seconds`, in no program; a block only moves later.

        It holds for this process at once, and does not wait for the store.

        Args:
            key: What requests are counted by.
            seconds: Seconds of the block, at least 0.
            refused: Whether the exchange refused a request for rate. False for a pause without a refusal.
        """
        check_pause(seconds)
        self._open()
        kind = "refuse" if refused else "block"
        self._agent.tell(_key(key), Note(kind, "", self._agent.clock(), float(seconds)))

    def statistics(self, key: Hashable) -> Statistics:
        """Return the state of `key` as this process last saw it, from any thread.

        Args:
            key: What requests are counted by.
        """
        return self._agent.statistics(key)

    def keys(self) -> list[Key]:
        """Return the keys that this process has seen in use."""
        return self._agent.keys()

    async def vouch(self) -> None:
        """Say that no other program has used the limits lately: ends the pause after a loss of the store's contents."""
        self._open()
        await self._asked(lambda transaction: transaction.vouch())

    def clocks(self) -> tuple[float, float]:
        """Return the host's clock, which goes on while the host sleeps, and the wall clock, in seconds."""
        return self._agent.clock(), self._agent.wall()

    async def recall(self, name: str) -> str | None:
        """Return what a program that shares the limits has told under this name, None if none has.

        Clients ask for their user id, so that of many that start at once one question to the exchange is enough.

        Args:
            name: What it was told under.

        Raises:
            NotSentError: The store cannot be asked.
        """
        found = await self._asked(lambda transaction: transaction.recall(name))
        return found if isinstance(found, str) else None

    def remember(self, name: str, value: str) -> None:
        """Tell all programs that share the limits, in the background, what does not change; it may get lost.

        Args:
            name: What it is told under.
            value: A short text, no secret.
        """
        self._agent.call(lambda transaction: transaction.remember(name, value), lambda _: None)

    async def _asked(self, work: Callable[[Any], object]) -> object:
        """Return the result of a transaction."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[object] = loop.create_future()

        def book(result: object) -> None:
            with suppress(RuntimeError):  # the loop was closed: nothing waits for it
                loop.call_soon_threadsafe(_finish, done, result)

        self._agent.call(work, book)
        result = await done
        if isinstance(result, InvalidRequestError):
            raise result
        if isinstance(result, Exception):
            raise NotSentError(f"the limits cannot be kept: {result}")
        return result

    async def aclose(self) -> None:
        """End every waiter in NotSentError; later requests for a slot raise RuntimeError.

        What became of the last requests is told the store within 0.2 s; what is not costs others time.
        """
        await in_own_thread(partial(self._agent.close, FLUSH))

    def _open(self) -> None:
        if self._agent.closed:
            raise RuntimeError("this limiter is closed")


class SharedSlot:
    """One slot of a SharedLimiter, for a single use: see Slot."""

    __slots__ = ("_agent", "_entered", "_key", "_limiter", "_max_wait", "_priority", "_quota", "_waiter", "_worker")

    keeps_time = True
    """Its wait ends by `max_wait`, and leaving its block waits for nothing."""

    def __init__(  # noqa: PLR0917 - they are those of `SharedLimiter.slot`
        self,
        limiter: SharedLimiter,
        agent: Agent,
        key: Key,
        priority: Priority,
        max_wait: float | None,
        quota: Quota,
    ) -> None:
        self._limiter = limiter  # whose end closes the agent: not before the slot's
        self._agent = agent
        self._key = key
        self._priority = priority
        self._max_wait = max_wait
        self._quota = quota
        self._entered = False
        self._worker: object = None
        self._waiter: Waiter | None = None
        """What holds the token; None before it is taken and after it was given back."""

    async def __aenter__(self) -> Self:
        if self._entered:
            raise RuntimeError("a slot is for a single use")
        self._entered = True
        agent = self._agent
        if agent.closed:
            raise RuntimeError("this limiter is closed")
        worker = agent.worker
        waiter = await self._waited(self._max_wait)
        while waiter.forked:
            worker, left = agent.worker, waiter.deadline - agent.clock()
            waiter = await self._waited(None if self._max_wait is None else max(0.0, left))
        self._waiter, self._worker = waiter, worker
        return self

    async def _waited(self, max_wait: float | None) -> Waiter:
        """Return a waiter whose wait has ended without an error: with a token, or by a fork."""
        agent, loop = self._agent, asyncio.get_running_loop()
        panic, worker = self._priority is Priority.PANIC, agent.worker
        waiter = agent.ask(self._key, self._quota, loop, panic=panic, max_wait=max_wait)
        late = None
        if panic and worker.rescues:
            waiter.timer = loop.call_later(RESCUE, _rescue, worker, waiter)
        if max_wait is not None and max_wait < inf:
            # The agent ends a wait in time unless it hangs at the store.
            late = loop.call_later(max_wait + SLOW, _give_up, agent, waiter)
        try:
            error: OkxError | None = await waiter.future
        except BaseException:
            agent.leave(waiter)
            raise
        finally:
            agent.waiters.discard(waiter)
            for timer in (late, waiter.timer):
                if timer is not None:
                    timer.cancel()
        if error is not None:
            raise error
        return waiter

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._waiter is not None:
            self._end("settle" if exc_type is None else "doubt")

    def check(self, seconds: float | None = None) -> None:
        """Raise NotSentError unless the slot is kept for `seconds` more; call it right before the write.

        Args:
            seconds: From now to the latest moment at which the request is given up; None: seven eighths of the lease.
        """
        waiter, agent = self._waiter, self._agent
        if waiter is None or waiter.lease is None:
            raise RuntimeError("the slot is not held, or was marked before")
        if self._worker is not agent.worker:
            raise NotSentError(
                f"{subject(self._key)}: the slot is that of a parent process; nothing was sent", key=self._key
            )
        wanted = waiter.lease.length * SHARE if seconds is None else seconds
        left = waiter.lease.left(agent.clock(), agent.wall())
        if left < wanted:
            raise NotSentError(
                f"{subject(self._key)}: the slot was lost: {max(0.0, left):.3f} s of its lease are left, {wanted:g} s "
                "may be needed; nothing was sent",
                key=self._key,
            )

    def settle(self) -> None:
        """Mark that the answer has arrived, now. Raises RuntimeError if a mark was made before."""
        self._end("settle")

    def refund(self) -> None:
        """Mark that nothing was sent. Raises RuntimeError if a mark was made before."""
        self._end("refund")

    def _end(self, kind: str) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is None:
            raise RuntimeError("the slot is not held, or was marked before")
        if self._worker is self._agent.worker:  # else it is for the parent to say
            self._agent.tell(self._key, Note(kind, waiter.token, self._agent.clock()))


def _rescue(worker: Worker, waiter: Waiter) -> None:
    if waiter.future.done():
        return
    if worker.rescue(waiter):
        deliver([(waiter, None)])
    else:
        waiter.timer = waiter.loop.call_later(RESCUE, _rescue, worker, waiter)


def _give_up(agent: Agent, waiter: Waiter) -> None:
    if not waiter.future.done():
        agent.leave(waiter)
        deliver([(waiter, unanswered(waiter))])


def _finish(done: "asyncio.Future[object]", result: object) -> None:
    if not done.done():
        done.set_result(result)


def _key(key: Hashable) -> Key:
    if not isinstance(key, tuple) or not all(isinstance(part, str) for part in key):
        raise InvalidRequestError(f"a key of a shared limiter must be a tuple of texts, got {short_repr(key)}")
    try:
        "".join(key).encode()
    except UnicodeEncodeError:  # half of a character, as in a name that is no UTF-8
        raise InvalidRequestError(f"no store can hold a key that UTF-8 cannot: {short_repr(key)}") from None
    return key
