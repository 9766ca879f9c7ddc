"""A store, its holders and an exchange that counts, with every message in the hands of the test.

True time runs; the store and each holder have clocks of their own that run faster or slower by some ppm. The judge is a
list of the moments at which the exchange counted.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import count
from math import floor, inf

from okx_async import Quota
from okx_async.stores.epoch import Epoch, enter
from okx_async.stores.lease import Lease, SharedBucket, Terms
from okx_async.stores.line import Ask, serve

PER = 2.0
TERMS = Terms(lease=2.0, doubt_grace=1.0, guard=0.003)
TIMEOUT = 0.5
"""Seconds from the write to the answer, else the request is given up."""
RETRY = 0.5
"""Seconds after which a holder that got nothing asks again."""


def worst(counted: list[float], per: float = PER) -> int:
    """Count the most arrivals in any closed window, in milliseconds cut off."""
    at = sorted(floor(time * 1000) for time in counted)
    return max((sum(start <= other <= start + per * 1000 for other in at) for start in at), default=0)


@dataclass(frozen=True)
class Story:
    """What happens to one request; all times are seconds."""

    ask: str = "prompt"
    """Its ask: "prompt", "late", "repeated" (the first answer is lost), "doubled" (a copy arrives 3 s later)."""
    fate: str = "settled"
    """"settled", "doubt", "crash" (after the write), "refund", "stopped" (before the check: it is never sent then)."""
    write: float = 0.0
    """The part of the time it may take from the grant to the write: 1.0 is the last moment of its lease."""
    counted: float = 0.0
    """The part of the time within which the exchange may count it: 1.0 is the last moment."""
    news: float | None = 0.0
    """How late the message about its end arrives; None: never."""
    twice: bool = False
    """Whether that message arrives once more, 2 s later."""
    answer: float = 0.5
    """The part of the time-out that its answer takes."""


class Holder:
    def __init__(self, world: "World", name: str, rate: float = 1.0, *, new: bool = False) -> None:
        self.world, self.name, self.rate = world, name, rate
        self.seen: tuple[float, float] | None = None if new else (world.store_time(), self.clock())
        self.run = world.run
        self.met = world.store_time()
        self.numbers = count()

    def clock(self) -> float:
        return self.world.now * self.rate

    def estimate(self) -> float | None:
        return None if self.seen is None else self.seen[0] + (self.clock() - self.seen[1]) * (1 + 0.0005)

    def hears(self) -> None:
        self.seen = (self.world.store_time(), self.clock())

    def meets(self, run: str) -> None:
        """Connect anew: a connection ends with its server."""
        if run != self.run:
            self.run, self.met, self.seen = run, self.world.store_time(), None


class World:
    def __init__(self, limit: int = 2, terms: Terms = TERMS, rate: float = 1.0) -> None:
        self.now = 100.0
        self.rate, self.shift, self.run = rate, 0.0, "1"
        self.terms, self.quota = terms, Quota(limit, PER)
        self.bucket = SharedBucket(self.quota, terms)
        self.epoch: Epoch | None = Epoch("1", 0.0, terms)
        self.counted: list[float] = []
        self.granted = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def store_time(self) -> float:
        return self.now * self.rate + self.shift

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        heappush(self._events, (self.now + seconds, next(self._order), act))

    def play(self, until: float = inf) -> None:
        while self._events and self._events[0][0] <= until:
            self.now, _, act = heappop(self._events)
            act()

    def loses(
        self, *, shift: float = 0.0, keeps: bool = False, forgets_epoch: bool = False, steps: bool = False
    ) -> None:
        """Lose the memory of everything: restarted empty, flushed, restored, or a replica that took over."""
        self.shift += shift
        if steps:  # nothing but the clock
            return
        self.run = f"{int(self.run) + 1}"
        if not keeps:
            self.bucket = SharedBucket(self.quota, self.terms)
        if forgets_epoch:
            self.epoch = None

    def start(self, holder: Holder, story: Story, *, tries: int = 12) -> None:
        """Let a request ask for its token until it has one."""
        token = f"{holder.name}{next(holder.numbers)}"
        lease = Lease(holder.clock(), holder.clock(), self.terms.lease)
        sent = self.now

        def arrives(*, answered: bool) -> None:
            at = self._ask(holder, token, age=(self.now - sent) * holder.rate)
            if not answered:
                return
            holder.hears()
            if at is not None:
                self.granted += 1
                self._sends(holder, token, lease, story)
            elif tries:
                self.after(RETRY, lambda: self.start(holder, story, tries=tries - 1))

        def begin(delay: float, *, answered: bool = True) -> None:
            self.after(delay, lambda: arrives(answered=answered))

        begin(1.0 if story.ask == "late" else 0.0, answered=story.ask != "repeated")
        if story.ask == "repeated":
            begin(1.0)
        if story.ask == "doubled":
            begin(3.0, answered=False)

    def _ask(self, holder: Holder, token: str, age: float) -> float | None:
        at = self.store_time()
        holder.meets(self.run)
        found = enter(self.epoch, self.run, at, self.terms, estimate=holder.estimate(), slack=0.02)
        if found is not self.epoch:
            self.epoch, self.bucket = found, SharedBucket(self.quota, self.terms)
        not_before = found.opens(self.quota)
        if holder.seen is None:
            not_before = max(not_before, holder.met + self.bucket.rule.cool)
        ask = Ask(token, token, age=age, stays=False)
        [answer] = serve(self.bucket, at, holder.name, [ask], not_before=not_before, not_after=at - age + 2.0)
        return answer.at

    def _sends(self, holder: Holder, token: str, lease: Lease, story: Story) -> None:
        room = lease.left(holder.clock(), holder.clock()) - TIMEOUT
        wait = max(0.0, room) * story.write / holder.rate

        def write() -> None:
            if story.fate in ("refund", "stopped") or lease.left(holder.clock(), holder.clock()) < TIMEOUT - 1e-9:
                if story.fate != "stopped":
                    self._news(story, lambda: self.bucket.refund(token))
                return
            ends = (TIMEOUT if story.fate != "settled" else TIMEOUT * story.answer) / holder.rate
            grace = 0.0 if story.fate == "settled" else self.terms.doubt_grace / holder.rate
            self.counted.append(self.now + (ends + grace) * story.counted)
            if story.fate != "crash":
                self.after(ends, lambda: self._ended(holder, token, story))

        self.after(wait, write)

    def _ended(self, holder: Holder, token: str, story: Story) -> None:
        begun = holder.clock()

        def news() -> None:
            age = holder.clock() - begun
            self.bucket.settle(self.store_time(), token, holder.name, age, doubt=story.fate == "doubt")

        self._news(story, news)

    def _news(self, story: Story, act: Callable[[], None]) -> None:
        if story.news is not None:
            self.after(story.news, act)
            if story.twice:
                self.after(story.news + 2.0, act)

    def quiet(self) -> bool:
        """Whether, long after everything, the whole quota can be taken."""
        self.play()
        self.now += 100.0
        holder = Holder(self, "last", new=True)
        self.now += 100.0
        return all(self._ask(holder, f"last{n}", 0.0) is not None for n in range(self.quota.limit))


def story(text: str, **fields: object) -> Story:
    return replace(Story(*text.split()), **fields)  # type: ignore[arg-type]
