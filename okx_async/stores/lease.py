"""The tokens of one key that many holders share: which are out, and until when at the latest.

The rule of `_limiter.bucket` (a token comes back ``per`` after its request settled) needs a limiter that lives as long
as its requests. A store outlives its holders, which crash, stop and lose messages. So a token that is taken comes back
by itself, as if its holder died at the last moment at which it may write:

    free_at = t + (lease + doubt_grace) · (1 + 500 ppm) + per + guard

where t is the store's time of the take. The holder keeps its side with a `Lease`, which counts from a moment before the
ask for that token was first sent: it ends before the store thinks so, and nothing is written after that. Later messages
only bring the return of the token forward. *Settled* and *doubt* carry their age (the time since the event, by the
holder's clock), so they are true whenever they are delivered, in any order, twice or never; a lost one costs time and
never the limit.

All times are seconds of the store's clock, passed in as arguments. Two clocks differ by at most 500 ppm.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from math import inf

from okx_async._limiter.bucket import Rule
from okx_async._quota import Quota

PPM = 0.0005
"""How much two clocks may differ, as a share."""
MARGIN = 1.0
"""Seconds for which a key is remembered after nothing of it matters any more."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What all holders of one store must agree upon; the fields are arguments of the limiters."""

    lease: float = 8.0
    doubt_grace: float = 5.0
    guard: float = 0.003
    rtt_floor: float = 0.0

    def checked(self, quota: Quota) -> "Terms":
        """Return the same terms in numbers of Python's own, as records hold them: numpy's may have been given.

        Raises InvalidRequestError if a value, or the quota, cannot work.
        """
        Rule(quota, self.rtt_floor, self.doubt_grace, self.guard)  # `rule` takes True for 1.0, and no list
        return Terms(*(float(each) for each in (self.lease, self.doubt_grace, self.guard, self.rtt_floor)))

    def rule(self, quota: Quota) -> Rule:
        """Return the times of a quota."""
        return _rule(self, quota)

    def doubt(self, quota: Quota) -> float:
        """Return the seconds from the last moment at which a request may have been given up to the token's return."""
        return _rule(self, quota).doubt + self.doubt_grace * PPM

    def hold(self, quota: Quota) -> float:
        """Return the seconds from a take to the token's return if nothing more is heard of its holder."""
        return self.lease * (1 + PPM) + self.doubt(quota)


@lru_cache(maxsize=256)
def _rule(terms: Terms, quota: Quota) -> Rule:
    return Rule(quota, terms.rtt_floor, terms.doubt_grace, terms.guard)


@dataclass(frozen=True, slots=True)
class Lease:
    """The holder's side of a token: until when it may write, by its own clocks."""

    asked: float
    """When the ask for this token was first sent; a repeated ask keeps it."""
    wall: float
    """The wall clock at that moment, in seconds."""
    length: float

    def left(self, now: float, wall: float) -> float:
        """Return the seconds that are left; none if the wall clock moved by more than the lease meanwhile.

        A machine that was asleep, or a virtual one that was paused, may have clocks that did not notice; the wall clock
        is set right soon after.
        """
        if abs(wall - self.wall) > self.length:
            return 0.0
        return self.asked + self.length - now


@dataclass(slots=True)
class Token:
    """A token that is out."""

    holder: str
    at: float
    """When it was taken."""
    free_at: float
    cooling: bool = False
    """Whether its request has ended; else it is in flight."""


@dataclass(slots=True)
class Place:
    """The place of one waiter in the line of a key."""

    holder: str
    panic: bool
    since: float
    """When it first asked; the earlier goes first."""
    until: float
    """Until when it keeps its place if it is not heard of."""


@dataclass(slots=True)
class SharedBucket:
    """The tokens of one key, and its line of waiters (`line.serve`)."""

    quota: Quota
    terms: Terms
    tokens: dict[str, Token] = field(default_factory=dict)
    line: dict[str, Place] = field(default_factory=dict)
    blocked_until: float = 0.0
    refused_at: float | None = None
    given_up: int = 0
    """Tokens left unused because of refusals, as of `refused_at`."""
    refusals: int = 0
    granted: int = 0

    @property
    def rule(self) -> Rule:
        """The times of this key."""
        return self.terms.rule(self.quota)

    def agree(self, quota: Quota) -> bool:
        """Make room for a program with another quota, and return whether it was another one.

        The stricter of both holds in each respect while the key is in use: no program's windows hold more than it was
        told. Tokens that are out come back later by what the longer ``per`` adds.
        """
        mine = self.quota
        if quota == mine:
            return False
        limit = min(mine.limit, quota.limit)
        reserve = min(max(mine.reserve, quota.reserve), limit - 1)
        agreed = Quota(limit, max(mine.per, quota.per), reserve)
        longer = self.terms.rule(agreed).cool - self.rule.cool
        for token in self.tokens.values():
            token.free_at += longer
        self.quota = agreed
        self.given_up = min(self.given_up, limit - 1)
        return True

    def set_back(self, now: float) -> None:
        """Move all times by as much as the clock was set back since, as far as that shows.

        No token was taken later than now, and no refusal met, so the clock was set back by what the latest is ahead of
        it, or by more: none comes back too early. Else all would be out until the clock has caught up.
        """
        if (back := self.latest() - now) <= 0:
            return
        for token in self.tokens.values():
            token.at -= back
            token.free_at -= back
        for place in self.line.values():
            place.since -= back
            place.until -= back
        self.blocked_until = max(0.0, self.blocked_until - back)
        if self.refused_at is not None:
            self.refused_at -= back

    def latest(self) -> float:
        """Return the last moment at which a token was taken or a refusal met; none: long ago."""
        return max([-inf if self.refused_at is None else self.refused_at, *(t.at for t in self.tokens.values())])

    def held_by(self, holder: str) -> dict[str, Token]:
        """Return the tokens of a holder."""
        return {ident: token for ident, token in self.tokens.items() if token.holder == holder}

    def drop(self, now: float) -> None:
        """Take back the tokens whose time has come."""
        for ident in [ident for ident, token in self.tokens.items() if token.free_at <= now]:
            del self.tokens[ident]

    def take(self, now: float, ident: str, holder: str, *, not_after: float = inf) -> float | None:
        """Give the token `ident`, and return when it was taken; `line.serve` decides who may have it.

        A repeated take gets the answer of the first one and changes nothing. One that is carried out after `not_after`
        gets nothing: its holder is not waiting any more, and the token would be out until its time has come.
        """
        if (token := self.tokens.get(ident)) is not None:
            return token.at
        if now > not_after:
            return None
        self.tokens[ident] = Token(holder, now, now + self.terms.hold(self.quota))
        self.granted += 1
        return now

    def settle(self, now: float, ident: str, holder: str, age: float, *, doubt: bool = False) -> None:
        """Book that a request ended `age` seconds ago: answered, or given up in doubt.

        A token that the store has forgotten is written anew. A repeat may only bring it back earlier: each message is
        true, so the one that says most counts.
        """
        ended = now - age * (1 - PPM)
        free_at = ended + (self.terms.doubt(self.quota) if doubt else self.rule.cool)
        token = self.tokens.get(ident)
        if token is None:
            if free_at > now:
                self.tokens[ident] = Token(holder, min(now, ended), free_at, cooling=True)
        elif token.cooling:
            token.free_at = min(token.free_at, free_at)
        else:
            token.free_at, token.cooling = free_at, True

    def refund(self, ident: str) -> None:
        """Book that nothing was sent; once a request has ended there is nothing to give back."""
        token = self.tokens.get(ident)
        if token is not None and not token.cooling:
            del self.tokens[ident]

    def adopt(self, ident: str, token: Token) -> None:
        """Enter a token that its holder knows of and the store does not."""
        self.tokens.setdefault(ident, token)

    def block(self, now: float, seconds: float, age: float = 0.0) -> None:
        """Grant nothing until `seconds` after an event that was `age` seconds ago; a block only moves later."""
        self.blocked_until = max(self.blocked_until, now - age * (1 - PPM) + seconds)

    def refuse(self, now: float, seconds: float, age: float = 0.0) -> None:
        """Book a refusal for rate `age` seconds ago: pause, and use less of the limit if that keeps happening.

        Refusals within ``per`` of the last one that counted are the same burst, or the same message once more.
        """
        at = now - age * (1 - PPM)
        if self.refused_at is None or at >= self.refused_at + self.quota.per:
            given_up = self.unused(at)
            if self.refused_at is not None and not self._clean(at):
                usable = self.quota.limit - given_up
                given_up += usable - max(1, usable // 2)
            self.given_up, self.refused_at = given_up, at
        self.refusals += 1
        self.block(now, seconds, age)

    def unused(self, now: float) -> int:
        """Return how many tokens stay unused because of refusals: each clean window gives one back."""
        return max(0, self.given_up - self._clean(now))

    def free(self, now: float, *, panic: bool) -> int:
        """Return how many tokens a lane could take now if the line were empty; may be negative."""
        usable = self.quota.limit - self.unused(now)
        spare = 0 if panic else min(self.quota.reserve, usable - 1)
        return usable - spare - len(self.tokens)

    def earliest(self, now: float, ahead: int, *, panic: bool, not_before: float = -inf) -> float:
        """Return when a waiter with `ahead` others before it can have its token at the earliest.

        A token in flight is taken to be answered at this moment, and a token given up because of refusals to be given
        back with the next window; a refund is not counted.
        """
        cool = self.rule.cool
        start = max(now, self.blocked_until, not_before)
        unused = self.unused(now)
        usable = self.quota.limit - unused
        spare = 0 if panic else min(self.quota.reserve, usable - 1)
        times = [max(start, t.free_at if t.cooling else min(t.free_at, now + cool)) for t in self.tokens.values()]
        times.sort()
        free = usable - len(times)
        times = [start] * free + times if free >= 0 else times[-free:]
        del times[:spare]
        rounds, place = divmod(ahead, len(times))
        at = times[place] + rounds * cool
        if unused and self.refused_at is not None:
            back = max(self.refused_at, self.blocked_until) + (self._clean(now) + 1) * self.quota.per
            at = min(at, max(start, back))
        return at

    def expires(self) -> float:
        """Return from when on forgetting this key changes nothing."""
        ends = [self.blocked_until]
        ends += [token.free_at for token in self.tokens.values()]
        ends += [place.until for place in self.line.values()]
        if self.refused_at is not None:
            ends.append(max(self.refused_at, self.blocked_until) + max(1, self.given_up) * self.quota.per)
        return max(ends) + MARGIN

    def _clean(self, now: float) -> int:
        """Return how many windows have passed without a refusal since the last one and its block."""
        if self.refused_at is None:
            return 0
        passed = now - max(self.refused_at, self.blocked_until)
        return 0 if passed < 0 else int(min(passed / self.quota.per, self.quota.limit))
