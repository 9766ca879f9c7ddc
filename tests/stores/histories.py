"""Random histories of one key, told to the Python rule and to the script on a real server: every reply must be equal.

Moments lie on a grid of 1/64 s, exact in binary and in microseconds, and no duration does: so no two times are equal by
rounding in one and not in the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from hypothesis import strategies as st

from okx_async import Quota
from okx_async.stores._agent.waiters import Note
from okx_async.stores._redis.link import SCRIPT, Call, Link
from okx_async.stores._redis.messages import Frame, Seen, Visit, read_seen, terms_of, write_epoch, write_visit
from okx_async.stores.epoch import Epoch, enter
from okx_async.stores.lease import PPM, SharedBucket, Terms, Token
from okx_async.stores.line import Ask, serve

TERMS = Terms(lease=2.0004, doubt_grace=1.0, guard=0.0030005)
QUOTAS = (Quota(3, 2.0001), Quota(3, 2.0001, 1), Quota(2, 2.0001), Quota(3, 2.5002, 1))
CLOCK = "redis.call('TIME')"
SET_CLOCK = SCRIPT.replace(CLOCK, "{0, (select(7, struct.unpack('<BBBHHHd', ARGV[2])))}")
SET_CLOCK = SET_CLOCK.replace("now > expected", "false").replace("ceil((ends - now) / 1000)", "3600000")
"""The script, with the time that the message expects, and keys that do not expire by the server's clock meanwhile."""
TOLERANCE = 1e-5
KEY = ("history",)


@dataclass(frozen=True)
class Step:
    """What one process says at one moment."""

    pause: int
    """Since the last step, in 64ths of a second."""
    holder: str
    asks: tuple[tuple[bool, bool], ...] = ()
    """Lane and whether it stays, of each new waiter; the ones of before stay named."""
    leaves: bool = False
    """Whether the waiters of before are not named any more."""
    repeats: bool = False
    """Whether the last message is sent once more instead."""
    notes: tuple[tuple[str, int, int], ...] = ()
    """Kind, which token, and age in 64ths."""
    quota: int = 0
    late: int = 64
    """Until when a token may be given, in 64ths from now; negative: it comes too late."""
    world: str = ""
    """"restarted", "flushed", "vouched": what happens before."""
    adopts: int = 0
    """How many tokens of its own it tells of."""
    back: int = 0
    """By how much the clock is set back before, in 64ths."""


steps = st.builds(
    Step,
    pause=st.integers(0, 200) | st.integers(0, 8),
    holder=st.sampled_from("AB"),
    asks=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=3).map(tuple),
    leaves=st.booleans(),
    repeats=st.integers(0, 7).map(lambda n: n == 0),
    notes=st.lists(
        st.tuples(
            st.sampled_from(["settle", "settle", "doubt", "refund", "block", "refuse"]),
            st.integers(0, 5),
            st.integers(0, 200),
        ),
        max_size=2,
    ).map(tuple),
    quota=st.sampled_from([0, 0, 0, 0, 1, 2, 3]),
    late=st.sampled_from([64, 64, 64, -1]),
    world=st.sampled_from(["", "", "", "", "", "", "restarted", "flushed", "vouched"]),
    adopts=st.sampled_from([0, 0, 0, 1]),
    back=st.sampled_from([0] * 12 + [1, 100, 64 * 3600]),
)
histories = st.lists(steps, min_size=1, max_size=30)


@dataclass
class World:
    """The rule and the script, side by side."""

    link: Link
    name: str
    now: int = 10**6 * 64
    run: int = 0
    epoch: Epoch | None = None
    bucket: SharedBucket | None = None
    tokens: list[str] = field(default_factory=list)
    waiting: dict[str, list[Ask]] = field(default_factory=lambda: {"A": [], "B": []})
    last: dict[str, tuple[Visit, float]] = field(default_factory=dict)
    numbers: "count[int]" = field(default_factory=count)

    def play(self, history: Sequence[Step]) -> None:
        """Tell both of each step, and compare."""
        self.vouch()
        for step in history:
            self.now += step.pause - step.back
            if step.world == "restarted":
                self.run += 1
            elif step.world == "flushed":
                self.link.commands([("DEL", f"{self.name}:epoch", f"{self.name}:bucket")])
                self.epoch = self.bucket = None
            elif step.world == "vouched":
                self.vouch()
            visit = self.visit(step)
            now = self.now / 64
            not_after = now + step.late / 64
            theirs = self.script(visit, step.holder, not_after)
            self.compare(self.rule(visit, step.holder, not_after), theirs, step.holder)

    def vouch(self) -> None:
        now = self.now / 64
        self.epoch = replace(enter(self.epoch, str(self.run), now, TERMS), unknown_until=None)
        self.link.script([Call([f"{self.name}:epoch"], write_epoch("vouch", self.frame()))])

    def frame(self) -> Frame:
        return Frame(str(self.run), self.now * 1_000_000 // 64, terms_of(TERMS))

    def visit(self, step: Step) -> Visit:
        if step.repeats and step.holder in self.last:
            return self.last[step.holder][0]
        now = self.now / 64
        asks = [] if step.leaves else [self.again(ask) for ask in self.waiting[step.holder]]
        for panic, stays in step.asks:
            number = next(self.numbers)
            asks.append(Ask(f"{step.holder}{number:04}", f"t{number}", panic, stays=stays))
        notes = []
        for kind, which, age in step.notes:
            token = self.tokens[-1 - which % len(self.tokens)] if self.tokens else "t?"
            seconds = 1.0003 if kind in {"block", "refuse"} else 0.0
            notes.append(Note(kind, "" if seconds else token, now - age / 64 - (0.00037 if age else 0.0), seconds))
        held = {
            f"lost{next(self.numbers)}": Token(step.holder, now - 0.5, now + 1.0007, cooling=False)
            for _ in range(step.adopts)
        }
        limit = QUOTAS[step.quota].limit
        visit = Visit(KEY, QUOTAS[step.quota], notes, asks[:limit], serve=True, held=held)
        self.last[step.holder] = visit, now
        return visit

    def again(self, ask: Ask) -> Ask:
        return ask._replace(token=f"t{next(self.numbers)}")

    def script(self, visit: Visit, holder: str, not_after: float) -> Seen:
        frame = self.frame()._replace(holder=holder, not_after=round(not_after * 1e6))
        now = self.now / 64
        [reply] = self.link.script(
            [Call([f"{self.name}:epoch", f"{self.name}:bucket"], write_visit(visit, now, now, frame))]
        )
        assert reply[0] == b"ok", reply
        return read_seen(reply, now, holder, TERMS)

    def rule(self, visit: Visit, holder: str, not_after: float) -> tuple[SharedBucket, Any, float, bool, bool]:
        now = self.now / 64
        self.epoch = enter(self.epoch, str(self.run), now, TERMS)
        if self.bucket is not None and self.bucket.expires() <= now:
            self.bucket = None
        if self.bucket is None:
            self.bucket = SharedBucket(visit.quota, TERMS)
        bucket = self.bucket
        bucket.set_back(now)
        agreed = bucket.agree(visit.quota)
        for ident, token in visit.held.items():
            if token.free_at > now:
                at, free_at = now - max(0.0, now - token.at) * (1 - PPM), now + (token.free_at - now) * (1 + PPM)
                bucket.adopt(ident, replace(token, at=at, free_at=free_at))
        for note in visit.notes:
            note.apply(bucket, now, holder)
        opens = self.epoch.opens(bucket.quota)
        answers = serve(bucket, now, holder, visit.asks, not_before=opens, not_after=not_after)
        told = any(place.holder == holder for place in bucket.line.values())
        if bucket.expires() <= now:
            self.bucket = None
        return bucket, answers, opens, agreed, told

    def compare(self, mine: tuple[SharedBucket, Any, float, bool, bool], seen: Seen, holder: str) -> None:
        bucket, answers, opens, agreed, told = mine
        assert (seen.agreed, seen.told) == (agreed, told)
        assert seen.bucket.quota == bucket.quota
        same(seen.pause, max(0.0, opens - self.now / 64))
        for name in ("given_up", "refusals", "granted"):
            assert getattr(seen.bucket, name) == getattr(bucket, name), name
        same(seen.bucket.blocked_until, bucket.blocked_until)
        same(seen.bucket.refused_at, bucket.refused_at)
        same(seen.expires, bucket.expires())
        own = seen.bucket.held_by(holder)
        assert own.keys() == bucket.held_by(holder).keys()
        for ident, token in own.items():
            same(token.at, bucket.tokens[ident].at)
            same(token.free_at, bucket.tokens[ident].free_at)
            assert token.cooling == bucket.tokens[ident].cooling
        for one, other in zip(times(seen.bucket), times(bucket), strict=True):
            same(one, other)
        assert len(seen.answers) == len(answers)
        asks = self.last[holder][0].asks
        self.waiting[holder] = []
        for ask, found, wanted in zip(asks, seen.answers, answers, strict=True):
            same(found.at, wanted.at)
            if found.at is None:
                same(found.again, wanted.again)
                same(found.earliest, wanted.earliest)
                if ask.stays:
                    self.waiting[holder].append(ask)
            else:
                self.tokens.append(ask.token)


def times(bucket: SharedBucket) -> list[float]:
    return sorted(token.free_at for token in bucket.tokens.values())


def same(one: float | None, other: float | None) -> None:
    assert (one is None) == (other is None), (one, other)
    assert one is None or other is None or abs(one - other) < TOLERANCE, (one, other)
