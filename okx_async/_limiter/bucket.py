"""The tokens of one key, lent out so that no window can hold too many requests by the exchange's own count.

The exchange allows ``limit`` requests in any ``per`` seconds and counts them on its own clock, at a moment that
lies anywhere between a request's write and its complete answer. Refilling on the client's clock, or counting
from the writes, therefore lets windows through that hold more than ``limit`` arrivals whenever latency varies.

The rule here: a token comes back ``per`` seconds after its request *settled*. Say two requests used the same
token, the first written at a and settled at b, the second written at c ≥ b + per. The exchange counted the first
at or before b, the second at or after c: at least ``per`` apart. Of any ``limit`` + 1 requests two used the same
token, so no window of ``per`` ever holds more than ``limit``, whatever the network did.

``guard`` lengthens the wait for what the plain argument leaves out: a window closed at both ends, arrivals cut to
milliseconds, and clocks that run 500 ppm apart: (per + 0.001) / 0.9995 = 2.0020011 s for ``per`` = 2, and what a longer
window needs above that is added to it. ``rtt_floor`` shortens the wait by a bound that the user vouches for: least way
out plus least way back, over all requests. A request whose outcome is unknown may be counted up to ``doubt_grace``
later, so its token waits that much longer.

If the exchange refuses in spite of all that, another program uses the limit too. The bucket is blocked for a while, and
refusals in consecutive windows halve what it uses of its limit; every ``per`` seconds without a refusal give one back.

A token is always in one of three places, and their sum is the limit: free, in flight, or cooling (which has a time
to come back, kept in a heap of at most ``limit`` entries). Nothing here grows with the number of requests made.
All times are seconds of one monotonic clock, always passed in. An operation that raises changes nothing.
"""

from bisect import insort
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf
from sys import float_info

from okx_async._errors import InvalidRequestError, safe_repr
from okx_async._quota import Quota

NOTHING_IN_FLIGHT = "no token of this bucket is in flight"
DRIFT = 1 / 0.9995 - 1
"""What a clock 500 ppm slow adds to each second of a window."""
GUARDED = 2.0
"""Seconds: the longest window for which ``guard`` is used as it is."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The times of all buckets of one quota: made once, so that a key costs no more than its own state.

    Raises InvalidRequestError for values that cannot work.
    """

    quota: Quota
    rtt_floor: float = 0.0
    """Seconds, see Limiter; so are `doubt_grace` and `guard`."""
    doubt_grace: float = 5.0
    guard: float = 0.003
    cool: float = 0.0
    """Seconds from the settling of a request to the return of its token."""
    doubt: float = 0.0
    """Seconds from the loss of a request to the return of its token."""

    def __post_init__(self) -> None:
        quota: object = self.quota  # annotations do not bind callers without a type checker
        if not isinstance(quota, Quota):
            raise InvalidRequestError(f"quota must be a Quota, got {safe_repr(quota)}")
        for name in ("rtt_floor", "doubt_grace", "guard"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= float_info.max:
                raise InvalidRequestError(f"{name} must be a number of seconds ≥ 0, got {safe_repr(value)}")
        guard = self.guard + DRIFT * max(0.0, self.quota.per - GUARDED)
        cool = self.quota.per + guard - self.rtt_floor
        if cool <= 0:
            raise InvalidRequestError(f"rtt_floor must be below per + guard, got {self.rtt_floor!r}")
        object.__setattr__(self, "cool", cool)
        object.__setattr__(self, "doubt", self.quota.per + guard + self.doubt_grace)

    def of(self, quota: Quota) -> "Rule":
        """Return the same rule for another quota."""
        return Rule(quota, self.rtt_floor, self.doubt_grace, self.guard)


class Bucket:
    """The tokens of one key."""

    __slots__ = (
        "_cooling",
        "_given_up",
        "_refused_at",
        "blocked_until",
        "free",
        "in_flight",
        "rule",
    )

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.free = rule.quota.limit
        self.in_flight = 0
        self.blocked_until = -inf
        self._cooling: list[float] = []
        self._given_up = 0  # tokens left unused because of refusals, as of `_refused_at`
        self._refused_at = -inf

    @property
    def cooling(self) -> int:
        """The number of tokens that have a time to come back, doubtful ones included."""
        return len(self._cooling)

    def take(self, now: float, *, panic: bool = False) -> bool:
        """Take a token if one may be used at `now`; only with `panic` may it be one of the reserve."""
        if self._cooling and self._cooling[0] <= now:
            self.reclaim(now)
        if now < self.blocked_until or not self.free:
            return False
        if self._given_up or self.rule.quota.reserve:  # else there is nothing to spare
            spare = self._spare(self._unused(now), panic=panic)
            if self.free <= spare:
                return False
        self.free -= 1
        self.in_flight += 1
        return True

    def settle(self, now: float) -> None:
        """Book that a complete answer arrived at `now` and decided the request."""
        if not self.in_flight:
            raise RuntimeError(NOTHING_IN_FLIGHT)
        heappush(self._cooling, now + self.rule.cool)  # first: another thread counts it twice rather than not at all
        self.in_flight -= 1

    def doubt(self, now: float) -> None:
        """Book that the request was given up at `now` and may yet be counted."""
        if not self.in_flight:
            raise RuntimeError(NOTHING_IN_FLIGHT)
        heappush(self._cooling, now + self.rule.doubt)
        self.in_flight -= 1

    def refund(self) -> None:
        """Book that nothing was sent."""
        if not self.in_flight:
            raise RuntimeError(NOTHING_IN_FLIGHT)
        self.in_flight -= 1
        self.free += 1

    def block(self, until: float) -> None:
        """Grant nothing before `until`. A block only moves later: no answer of one request lifts that of another."""
        self.blocked_until = max(self.blocked_until, until)

    def refuse(self, now: float, seconds: float) -> None:
        """Book that the exchange refused a request for rate: pause `seconds`, and use less if that keeps happening."""
        if now >= self._refused_at + self.rule.quota.per:  # many refusals of one burst count once
            given_up = self._unused(now)
            if self._refused_at > -inf and not self._clean(now):
                usable = self.rule.quota.limit - given_up
                given_up += usable - max(1, usable // 2)
            self._given_up, self._refused_at = given_up, now
        self.block(now + seconds)

    def usable(self, now: float) -> int:
        """Return how many of the tokens may be out at once."""
        return self.rule.quota.limit - self._unused(now)

    def reclaim(self, now: float) -> None:
        """Move the tokens whose time has come from cooling to free."""
        cooling = self._cooling
        while cooling and cooling[0] <= now:
            heappop(cooling)
            self.free += 1

    def snapshot(self, now: float) -> tuple[int, int, int]:
        """Return how many tokens are free, in flight and cooling, and change nothing: any thread may call this."""
        cooling = sum(at > now for at in tuple(self._cooling))
        in_flight = min(self.in_flight, self.rule.quota.limit - cooling)  # `settle` may be half done in its own thread
        return self.rule.quota.limit - in_flight - cooling, in_flight, cooling

    def idle(self, now: float) -> bool:
        """Return whether forgetting this bucket would change nothing; any thread may call this."""
        if self.in_flight or max(self._cooling, default=now) > now or now < self.blocked_until:
            return False
        return self._refused_at == -inf or self._clean(now) >= max(1, self._given_up)

    def next_time(self, *, panic: bool = False) -> float:
        """Return when `take` will succeed if nothing else happens; inf while that depends on answers."""
        if not self._given_up:
            return self._back(1 + self._spare(0, panic=panic) - self.free)
        # With part of the limit given up, whichever comes first: more tokens back, or more of them usable.
        return min(
            max(self._given_back(count), self._back(1 + self._spare(self._given_up - count, panic=panic) - self.free))
            for count in range(self._given_up + 1)
        )

    def earliest(self, now: float, *, ahead: int = 0, panic: bool = False) -> float:
        """Return when a request with `ahead` others before it can have its token at the earliest.

        Every answer is assumed to arrive at once and no waiter to give up: a token in flight, or handed to a request
        ahead, is back ``cool`` seconds later and not before. `max_wait` is compared with this time.
        """
        self.reclaim(now)
        cool = self.rule.cool
        start = max(now, self.blocked_until)
        times = [start] * self.free + [max(start, at) for at in self._cooling]
        times += [max(start, now + cool)] * self.in_flight
        times.sort()
        if not panic:  # NORMAL takes only while more than `reserve` are free, so the first ones are not for it
            del times[: self.rule.quota.reserve]
        while ahead and times[-1] - times[0] > cool:
            insort(times, times.pop(0) + cool)
            ahead -= 1
        rounds, place = divmod(ahead, len(times))  # from here on the tokens come back in a fixed order
        # Tokens given up because of refusals may become usable meanwhile, so they delay the next token only.
        soonest = min(self.next_time(panic=panic), now + cool if self.in_flight else inf)
        return max(times[place] + rounds * cool, soonest)

    def change(self, rule: Rule) -> bool:
        """Adopt another rule if no token is out, and return whether that was so; the block stays."""
        if self.free < self.rule.quota.limit:
            return False
        self.rule, self.free = rule, rule.quota.limit
        self._given_up = min(self._given_up, rule.quota.limit - 1)
        return True

    def adopted(self, now: float) -> "Bucket":
        """Return a bucket with the same tokens for a new owner, those in flight being in doubt."""
        heir = Bucket(self.rule)
        heir.free = self.free
        heir.blocked_until = self.blocked_until
        heir._given_up, heir._refused_at = self._given_up, self._refused_at
        heir._cooling = sorted([*self._cooling, *[now + self.rule.doubt] * self.in_flight])
        return heir

    def _spare(self, unused: int, *, panic: bool) -> int:
        """Return how many free tokens a lane must leave alone, `unused` of them because of refusals."""
        if panic:
            return unused
        quota = self.rule.quota
        return unused + min(quota.reserve, quota.limit - unused - 1)  # NORMAL has one at least

    def _back(self, missing: int) -> float:
        """Return when so many of the cooling tokens are back and no block stands."""
        if missing <= 0:
            return self.blocked_until
        if missing > len(self._cooling):
            return inf
        return max(sorted(self._cooling)[missing - 1], self.blocked_until)

    def _given_back(self, count: int) -> float:
        """Return when `count` windows have passed without a refusal since the last one and its block."""
        return max(self._refused_at, self.blocked_until) + count * self.rule.quota.per if count else -inf

    def _clean(self, now: float) -> int:
        """Return how many windows have passed without a refusal since the last one and its block."""
        passed = now - max(self._refused_at, self.blocked_until)
        # More than `limit` windows change nothing, and of the shortest windows there would be too many for an int.
        count = 0 if passed < 0 else int(min(passed / self.rule.quota.per, self.rule.quota.limit))
        # `_given_back` decides to the last bit: a token promised for a time is granted at that time.
        while count and self._given_back(count) > now:
            count -= 1
        return count + (passed >= 0 and self._given_back(count + 1) <= now)

    def _unused(self, now: float) -> int:
        """Return how many tokens stay unused because of refusals."""
        return max(0, self._given_up - self._clean(now)) if self._given_up else 0
