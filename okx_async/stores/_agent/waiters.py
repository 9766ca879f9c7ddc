"""What one process knows of a key: its waiters, what is to be told the store, and what it has out."""

from asyncio import AbstractEventLoop, Future, TimerHandle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from math import inf
from typing import NamedTuple, TypeAlias

from okx_async._errors import InvalidRequestError, NotSentError, OkxError, SlotTimeoutError
from okx_async._limiter.slots import no_slot, subject
from okx_async._quota import Quota
from okx_async.stores.lease import Lease, SharedBucket, Token

Key: TypeAlias = tuple[str, ...]


class Note(NamedTuple):
    """What is to be told the store: the end of a token, or a block."""

    kind: str
    """"settle", "doubt", "refund", "block" or "refuse"."""
    token: str
    at: float
    """The time of the event; its age is counted anew whenever the note is delivered."""
    seconds: float = 0.0

    def apply(self, bucket: SharedBucket, now: float, holder: str) -> None:
        """Book it."""
        age = max(0.0, now - self.at)
        match self.kind:
            case "refund":
                bucket.refund(self.token)
            case "block":
                bucket.block(now, self.seconds, age)
            case "refuse":
                bucket.refuse(now, self.seconds, age)
            case kind:
                bucket.settle(now, self.token, holder, age, doubt=kind == "doubt")


@dataclass(eq=False, slots=True, weakref_slot=True)
class Waiter:
    """One wish for a slot."""

    ident: str
    key: Key
    quota: Quota
    panic: bool
    deadline: float
    stays: bool
    """Whether it waits at all, and not only asks."""
    loop: AbstractEventLoop
    future: "Future[OkxError | None]"
    """None: it has a token; else the error that ended the wait."""
    token: str = ""
    lease: Lease | None = None
    """Of its token, once it has one."""
    left: bool = False
    judged: bool = False
    """Whether it was found to have a chance though it is far back in line."""
    lost: bool = False
    """Whether a token was taken back that its loop had not taken in."""
    forked: bool = False
    """Whether it was a parent's thread that would have ended it, so that the child is to ask anew."""
    timer: TimerHandle | None = None
    """When its loop looks whether the store is silent."""


@dataclass(eq=False, slots=True)
class LocalKey:
    """A key, as this process sees it."""

    key: Key
    quota: Quota
    waiters: tuple[dict[str, Waiter], dict[str, Waiter]] = field(default_factory=lambda: ({}, {}))
    """By lane, in order."""
    notes: list[Note] = field(default_factory=list)
    due: float = inf
    """When it is to be looked at again."""
    seen: Callable[[], SharedBucket] | None = None
    """Returns the bucket as it was when this process last looked; not changed any more."""
    seen_at: tuple[int, float] = (-1, -inf)
    """When that was: the epoch, and the time of the store."""
    expires: float = -inf
    """From when on nothing is lost by forgetting what was seen."""
    lost: dict[str, Token] = field(default_factory=dict)
    """This process's tokens that the store was found to have forgotten then."""
    told: bool = False
    """Whether the line in the store may hold waiters of this process."""

    def out(self, holder: str) -> dict[str, Token]:
        """Return the tokens of this process, by its name, for a store that has lost them."""
        return self.lost if self.seen is None else self.lost | self.seen().held_by(holder)

    def look(self, at: tuple[int, float], seen: Callable[[], SharedBucket], expires: float) -> None:
        """Keep what the store said of it, unless it has said something later over another connection."""
        (epoch, now), (known, then) = at, self.seen_at
        if epoch != known or now >= then:
            self.seen, self.seen_at, self.expires = seen, at, expires

    def in_order(self) -> Iterator[Waiter]:
        """Return the waiters, PANIC before NORMAL."""
        normal, panic = self.waiters
        return chain(panic.values(), normal.values())

    def named(self) -> list[Waiter]:
        """Return the waiters that are named to the store: the first ones, as many as the key has tokens."""
        return list(islice(self.in_order(), self.quota.limit))

    def waiting(self) -> int:
        """Return the number of waiters."""
        return len(self.waiters[0]) + len(self.waiters[1])

    def hopeless(self, now: float) -> list[tuple[Waiter, float]]:
        """Remove the waiters behind the named ones whose wait cannot end in time, or did not; with their times."""
        ended = []
        for place, waiter in enumerate(islice(self.in_order(), self.quota.limit, None), self.quota.limit):
            if waiter.deadline < inf and self.seen is not None and (waiter.deadline < now or not waiter.judged):
                waiter.judged = True
                earliest = self.seen().earliest(now, place, panic=waiter.panic)
                if waiter.deadline < now or earliest > waiter.deadline:
                    ended.append((waiter, earliest))
        for waiter, _ in ended:
            del self.waiters[waiter.panic][waiter.ident]
        return ended

    def next_deadline(self) -> float:
        """Return the first deadline of those behind the named waiters."""
        return min((waiter.deadline for waiter in islice(self.in_order(), self.quota.limit, None)), default=inf)

    def idle(self, now: float) -> bool:
        """Return whether nothing is lost by forgetting it."""
        return not self.waiting() and not self.notes and self.expires <= now


def too_late(waiter: Waiter, wait: float) -> SlotTimeoutError:
    """Return the error of a wait that cannot end in time, or did not."""
    return SlotTimeoutError(f"{subject(waiter.key)}: {no_slot(wait)}", wait=wait, key=waiter.key)


def unanswered(waiter: Waiter) -> SlotTimeoutError:
    """Return the error of a wait whose time ran out while the store was silent."""
    return SlotTimeoutError(
        f"{subject(waiter.key)}: the store did not answer within max_wait; nothing was sent", key=waiter.key
    )


def closed(waiter: Waiter) -> NotSentError:
    """Return the error of a wait that the end of the limiter ended."""
    return NotSentError(f"{subject(waiter.key)}: the limiter was closed, nothing was sent", key=waiter.key)


def refusal(waiter: Waiter, error: Exception) -> OkxError:
    """Return the error of a wait that a failure of the store ended; one for each, as a traceback belongs to one."""
    if isinstance(error, InvalidRequestError):
        return InvalidRequestError(f"{error}; nothing was sent", key=waiter.key)
    return NotSentError(f"{subject(waiter.key)}: the limits cannot be kept, nothing was sent: {error}", key=waiter.key)


def deliver(ended: list[tuple[Waiter, OkxError | None]]) -> None:
    """End waits, in their loop."""
    for waiter, error in ended:
        if not waiter.future.done():  # else it was cancelled, and leaves by itself
            waiter.future.set_result(error)
