"""A store of limits in memory, by the pure rule: a server whose clock, memory and messages may fail."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf

from okx_async import Quota
from okx_async.stores._agent.waiters import Key, Note
from okx_async.stores.epoch import Epoch, check_terms, enter
from okx_async.stores.lease import SharedBucket, Terms, Token
from okx_async.stores.line import Answer, Ask, serve
from okx_async.stores.records import read_bucket, write_bucket
from okx_async.stores.store import StoreError

SLACK = 0.02
"""Seconds by which the store's clock may be ahead of what a program expects."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What a program tells and asks of one key, as it stands in a message."""

    key: Key
    quota: Quota
    notes: tuple[tuple[Note, float], ...]
    """Each with its age when the message was sent."""
    asks: tuple[Ask, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a program."""

    holder: str
    terms: Terms
    visits: tuple[Visit, ...]
    estimate: float | None
    """The store's time as the program expects it; None: it has not heard from this incarnation yet."""
    met: float
    """The store's time when the program met this incarnation."""
    not_after: float = inf
    """The store's time after which nothing is granted."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the store says of one key."""

    now: float
    since: float
    bucket: SharedBucket
    answers: tuple[Answer, ...]


class MemoryStore:
    """The limits of all programs of a world.

    Args:
        clock: Its clock.
        terms: What its programs agree upon.
    """

    def __init__(self, clock: Callable[[], float], terms: Terms) -> None:
        self.run = 1
        """The number of its incarnation; a program's connection ends with it."""
        self.shift = 0.0
        self._terms = terms
        self._stepped = False  # and not noticed yet
        self.records: dict[Key, tuple[float, bytes]] = {}
        self.names: dict[str, str] = {}
        """What programs told each other."""
        self.epoch: Epoch | None = Epoch("1", clock(), terms)
        self.wrong: list[str] = []
        """What it did against its rule: tokens that come back later than an earlier message said, and late grants."""
        self._clock = clock

    def clock(self) -> float:
        """Return its time."""
        return self._clock() + self.shift

    def fail(self, *, forgets: bool = True, flushes: bool = False, step: float = 0.0, ends: bool = True) -> None:
        """Restart, or lose more than that.

        Args:
            forgets: Whether the keys are gone.
            flushes: Whether the epoch is gone too.
            step: Seconds by which its clock is ahead from now on.
            ends: Whether it is another incarnation from now on; else only what was said above happens.
        """
        self.run += ends
        self.shift += step
        self._stepped = bool(step) and not ends
        if forgets:
            self.records.clear()
            self.names.clear()
        if flushes:
            self.epoch = None

    def recall(self, name: str) -> str | None:
        """Return what was told under a name."""
        return self.names.get(name)

    def remember(self, name: str, value: str) -> None:
        """Write what all are to know."""
        self.names[name] = value

    def take(self, message: Message) -> list[Seen]:
        """Carry a message out, whatever became of its sender meanwhile."""
        if self._stepped:
            # A newcomer could not know: that no clock is set while only newcomers are about is assumed.
            if message.estimate is None:
                raise StoreError("it has no time for newcomers")
            self._stepped = False
        now = self.clock()
        estimate, met = message.estimate, message.met
        epoch = enter(self.epoch, str(self.run), now, message.terms, estimate=estimate, slack=SLACK)
        if epoch is not self.epoch:
            self.epoch = epoch
            self.records.clear()
        check_terms(epoch, message.terms)
        return [
            self._visit(visit, message, now, epoch, -inf if estimate is not None else met) for visit in message.visits
        ]

    def _visit(self, visit: Visit, message: Message, now: float, epoch: Epoch, met: float) -> Seen:
        bucket = self.bucket(visit.key, visit.quota, message.terms)
        bucket.agree(visit.quota)
        ends = {ident: token.free_at for ident, token in bucket.tokens.items() if token.cooling}
        for note, age in visit.notes:
            note._replace(at=now - age).apply(bucket, now, message.holder)
        opens = max(epoch.opens(bucket.quota), met + bucket.rule.cool)
        answers = serve(bucket, now, message.holder, visit.asks, not_before=opens, not_after=message.not_after)
        self.records[visit.key] = bucket.expires(), write_bucket(bucket)
        self.wrong += [
            f"{ident} of {visit.key!r} came back at {ends[ident]:.3f}, then at {token.free_at:.3f}"
            for ident, token in bucket.tokens.items()
            if token.free_at > ends.get(ident, inf)
        ]
        if now > message.not_after and any(answer.at == now for answer in answers):
            self.wrong.append(
                f"{visit.key!r} granted at {now:.3f} what is not waited for since {message.not_after:.3f}"
            )
        return Seen(now, epoch.since, bucket, tuple(answers))

    def in_flight(self, before: float) -> Iterator[tuple[Key, str, Token]]:
        """Yield the tokens that were taken before then and are in flight."""
        for key, (_, record) in self.records.items():
            for ident, token in read_bucket(record, self._terms).tokens.items():
                if not token.cooling and token.at < before and token.free_at > self.clock():
                    yield key, ident, token

    def bucket(self, key: Key, quota: Quota, terms: Terms) -> SharedBucket:
        """Return the bucket of a key, a new one if it is idle."""
        expires, record = self.records.get(key, (-inf, b""))
        if expires <= self.clock():
            return SharedBucket(quota, terms)
        return read_bucket(record, terms)
