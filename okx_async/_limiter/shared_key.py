"""A key that several event loops use: one bucket, a queue for each loop, and one line through all of them.

A waiter's future belongs to its loop, so only that loop's own queue hands it a token. Which queue may do so is decided
by the line: PANIC before NORMAL, first come first served in each, whatever loop a waiter is of. A queue whose turn has
come is asked, by `call_soon_threadsafe`, to look at its bucket.

A loop may be silent. If it is stopped or closed, or has not answered for `HUNG` seconds, it has lost what it had out:
those tokens are in doubt, `check` of its slots says so should the loop ever go on, and its waiters ask anew. A loop
that strategy code holds up for a moment only loses its place: after `PATIENCE` seconds the next waiter is served.

All of this runs under the limiter's lock.
"""

from asyncio import AbstractEventLoop
from collections.abc import Hashable, Iterator
from itertools import count
from typing import Any, Final, Generic, Protocol, Self, TypeAlias, TypeVar

from okx_async._limiter.bucket import Bucket
from okx_async._quota import Priority

PATIENCE: Final = 0.25
"""Seconds for which a queue whose turn has come is waited for; also the time between two looks at silent loops."""
HUNG: Final = 2.0
"""Seconds without an answer after which a running loop counts as stopped."""

Rank: TypeAlias = tuple[bool, float]
"""The place of a waiter in line: whether it is NORMAL, and its ticket."""


class LoopQueue(Protocol):
    """The queue of one loop: see Queue."""

    key: Hashable
    loop: AbstractEventLoop
    bucket: Bucket
    tickets: Iterator[int] | None
    looks_at: float
    shared: Any

    def own_waiting(self, priority: Priority) -> int: ...

    def rank(self) -> Rank | None: ...

    def ask_to_look(self) -> bool: ...

    def lose(self, heir: Self | None, out: int, now: float) -> None: ...


Q = TypeVar("Q", bound=LoopQueue)


class SharedKey(Generic[Q]):
    """The queues of one key, by event loop.

    Args:
        first: The queue of the loop that used the key so far.
        keys: The limiter's queues, one for each key: it must not be one that has lost the key.
    """

    __slots__ = ("_asked", "_keys", "_out", "queues")

    def __init__(self, first: Q, keys: dict[Hashable, Q]) -> None:
        self._keys = keys
        self.queues: dict[AbstractEventLoop, Q] = {first.loop: first}
        self._out: dict[Q, int] = {first: first.bucket.in_flight}
        self._asked: dict[Q, float] = {}
        """When a queue was asked to look, until it does."""

    def add(self, queue: Q) -> None:
        """Take in the queue of another loop."""
        tickets = next(iter(self.queues.values())).tickets or count()
        self.queues[queue.loop] = queue
        self._out[queue] = 0
        for each in self.queues.values():
            each.shared, each.tickets = self, tickets

    def took(self, queue: Q) -> None:
        """Note that a token was handed out in a queue's loop."""
        self._out[queue] += 1

    def gave(self, queue: Q) -> None:
        """Note that it was given back."""
        self._out[queue] -= 1

    def looked(self, queue: Q) -> None:
        """Note that a queue's loop is alive."""
        self._asked.pop(queue, None)

    def waiting_elsewhere(self, queue: Q, priority: Priority, now: float) -> int:
        """Return how many waiters of other loops stand before a newcomer of this priority."""
        awake = [other for other in self.others(queue) if not self._asleep(other, now)]
        return sum(other.own_waiting(priority) for other in awake)

    def turn(self, queue: Q, rank: Rank, now: float) -> bool:
        """Return whether the waiter of this rank is the next one; if not, see to it that the next one is served."""
        first = True
        for other in self._others(queue, now):
            before = other.rank()
            if before is not None and before < rank and not self._asleep(other, now):
                first = False
                if other.bucket.next_time(panic=not before[0]) <= now:
                    self._ask(other, queue, now)
        return first

    def pass_on(self, queue: Q, now: float) -> None:
        """Ask the queue of the next waiter to look if it would look too late, after a change in another queue."""
        ranks = [
            (rank, each)
            for each in self.queues.values()
            if (rank := each.rank()) is not None and not self._asleep(each, now)
        ]
        if not ranks:
            return
        rank, first = min(ranks, key=lambda ranked: ranked[0])
        if first is not queue and first.bucket.next_time(panic=not rank[0]) < first.looks_at:
            self._ask(first, queue, now)

    def see_to(self, queue: Q, now: float) -> None:
        """Find loops that went silent with tokens out, for a queue that waits for tokens."""
        for other in self._others(queue, now):
            if self._out[other]:
                if now >= self._asked.get(other, now) + HUNG:
                    self.lose(other, queue, now)
                else:
                    self._ask(other, queue, now)

    def next_look(self, queue: Q, at: float, now: float) -> float:
        """Return when a queue with waiters looks again, if its bucket has the next token `at`."""
        if at > now and not any(self._out[other] for other in self.others(queue)):
            return at
        look = queue.looks_at if now < queue.looks_at <= now + PATIENCE else now + PATIENCE
        return min(look, at) if at > now else look

    def others(self, queue: Q) -> list[Q]:
        """Return the queues of the other loops."""
        return [other for other in self.queues.values() if other is not queue]

    def lose(self, queue: Q, heir: Q, now: float) -> None:
        """Take the key from a loop that is stopped, closed or hangs."""
        del self.queues[queue.loop]
        if self._keys.get(queue.key) is queue:
            self._keys[queue.key] = heir
        self._asked.pop(queue, None)
        queue.lose(heir, self._out.pop(queue), now)
        if len(self.queues) == 1:
            heir.shared = None

    def _others(self, queue: Q, now: float) -> list[Q]:
        """Return the queues of the other loops that run; those that do not lose the key."""
        for other in self.others(queue):
            if not other.loop.is_running():
                self.lose(other, queue, now)
        return self.others(queue)

    def _asleep(self, queue: Q, now: float) -> bool:
        return now >= self._asked.get(queue, now) + PATIENCE

    def _ask(self, queue: Q, asker: Q, now: float) -> None:
        if queue not in self._asked:
            self._asked[queue] = now
            if not queue.ask_to_look():
                self.lose(queue, asker, now)
