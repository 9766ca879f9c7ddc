"""The bucket's promise over all schedules: never more than the limit in any window, and no token lost.

The judge is a list of the moments at which the exchange counted, and a plain count over it.
"""

from dataclasses import dataclass
from itertools import product
from math import floor, inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from okx_async import Quota
from okx_async._limiter.bucket import Bucket, Rule

PER = 2.0
GRACE = 5.0


def worst(counted: list[float], *, clock: float = 1.0, per: float = PER) -> int:
    """Count the most arrivals in any closed window, by a server clock of this rate that knows milliseconds only."""
    at = sorted(floor(time * clock * 1000) for time in counted)
    return max((sum(start <= other <= start + per * 1000 for other in at) for start in at), default=0)


class Model:
    """What a bucket is, said as plainly as possible: one place for each token, one line for each rule."""

    def __init__(self, limit: int, reserve: int, cool: float) -> None:
        self.limit, self.reserve, self.cool = limit, reserve, cool
        self.back = [-inf] * limit  # when each token is back; inf: in flight
        self.blocked_until = 0.0
        self.usable_at: list[tuple[float, int]] = [(-inf, limit)]  # what was usable after each counted refusal

    def usable(self, now: float) -> int:
        last, usable = self.usable_at[-1]
        start = max(last, self.blocked_until)
        while usable < self.limit and start + PER <= now:
            start += PER
            usable += 1
        return usable

    def may_take(self, now: float, *, panic: bool) -> bool:
        out = sum(back > now for back in self.back)
        usable = self.usable(now)
        reserve = 0 if panic else min(self.reserve, usable - 1)
        return now >= self.blocked_until and out < usable - reserve

    def refuse(self, now: float, seconds: float) -> None:
        last, _ = self.usable_at[-1]
        if now - last >= PER:
            again = last > -inf and now < max(last, self.blocked_until) + PER
            usable = self.usable(now)
            self.usable_at.append((now, max(1, usable // 2) if again else usable))
        self.blocked_until = max(self.blocked_until, now + seconds)


@dataclass(eq=False)
class Request:
    token: int
    sent: float


class Machine(RuleBasedStateMachine):
    """Any interleaving, in times that floats hold exactly."""

    limit, reserve = 3, 1
    guard = 1 / 256

    def __init__(self) -> None:
        super().__init__()
        self.rule = Rule(Quota(self.limit, PER, self.reserve), guard=self.guard, doubt_grace=GRACE)
        self.bucket = Bucket(self.rule)
        self.model = Model(self.limit, self.reserve, PER + self.guard)
        self.now = 0.0
        self.in_flight: list[Request] = []
        self.counted: list[float] = []

    @rule(ticks=st.one_of(st.integers(0, 64), st.integers(0, 4096)))
    def wait(self, ticks: int) -> None:
        self.now += ticks / 256

    @rule(panic=st.booleans())
    def take(self, panic: bool) -> None:  # noqa: FBT001 - hypothesis calls it
        allowed = self.model.may_take(self.now, panic=panic)
        assert self.bucket.take(self.now, panic=panic) == allowed
        if allowed:
            token = min(range(self.limit), key=lambda i: self.model.back[i])
            self.model.back[token] = inf
            self.in_flight.append(Request(token, self.now))

    @precondition(lambda self: self.in_flight)
    @rule(which=st.integers(0, 99), part=st.floats(0, 1))
    def settle(self, which: int, part: float) -> None:
        request = self.in_flight.pop(which % len(self.in_flight))
        self.counted.append(request.sent + part * (self.now - request.sent))
        self.bucket.settle(self.now)
        self.model.back[request.token] = self.now + PER + self.guard

    @precondition(lambda self: self.in_flight)
    @rule(which=st.integers(0, 99), part=st.floats(0, 1))
    def doubt(self, which: int, part: float) -> None:
        request = self.in_flight.pop(which % len(self.in_flight))
        self.counted.append(request.sent + part * (self.now + GRACE - request.sent))
        self.bucket.doubt(self.now)
        self.model.back[request.token] = self.now + PER + self.guard + GRACE

    @precondition(lambda self: self.in_flight)
    @rule(which=st.integers(0, 99))
    def refund(self, which: int) -> None:
        request = self.in_flight.pop(which % len(self.in_flight))
        self.bucket.refund()
        self.model.back[request.token] = -inf

    @rule(seconds=st.sampled_from([0.0, 1.0, 2.0, 8.0]))
    def block(self, seconds: float) -> None:
        self.bucket.block(self.now + seconds)
        self.model.blocked_until = max(self.model.blocked_until, self.now + seconds)

    @rule(seconds=st.sampled_from([2.0, 4.0]))
    def refuse(self, seconds: float) -> None:
        self.bucket.refuse(self.now, seconds)
        self.model.refuse(self.now, seconds)

    @invariant()
    def tokens_sum_up(self) -> None:
        self.bucket.reclaim(self.now)
        assert self.bucket.free + self.bucket.in_flight + self.bucket.cooling == self.limit
        assert self.bucket.in_flight == len(self.in_flight)
        assert self.bucket.usable(self.now) == self.model.usable(self.now)

    @invariant()
    def no_window_holds_more_than_the_limit(self) -> None:
        assert worst(self.counted) <= self.limit

    def teardown(self) -> None:
        """Liveness: a window, or grace and window, after the last answer the whole quota is free."""
        while self.in_flight:
            self.doubt(0, 1.0)
        quiet = max(self.now + GRACE + PER + self.guard, self.bucket.blocked_until) + self.limit * PER
        assert [self.bucket.take(quiet, panic=True) for _ in range(self.limit + 1)] == [True] * self.limit + [False]


TestMachine = Machine.TestCase
# As the other tests, fewer in `make test`: the profile says how many.
TestMachine.settings = settings(max_examples=settings().max_examples * 4 // 5, stateful_step_count=40, deadline=None)


@st.composite
def networks(draw: st.DrawFn, out: float = 0.0, back: float = 0.0) -> list[tuple[float, float, float]]:
    """Draw requests: a pause before each, and its ways out (at least `out`) and back (at least `back`)."""
    way = st.one_of(st.just(0.0), st.floats(0.0, 3.0), st.just(3.0))
    request = st.tuples(st.floats(0.0, 0.5), way.map(lambda x: out + x), way.map(lambda x: back + x))
    return draw(st.lists(request, min_size=5, max_size=40))


def play(bucket: Bucket, requests: list[tuple[float, float, float]]) -> list[float]:
    """Send each request as soon as the bucket lets it, and return when they were counted."""
    now = 0.0
    counted: list[float] = []
    answers: list[float] = []
    for pause, out, back in requests:
        now += pause
        while True:
            while answers and answers[0] <= now:
                bucket.settle(answers.pop(0))
            if bucket.take(now):
                break
            now = min(bucket.next_time(), *answers) if answers else bucket.next_time()
        counted.append(now + out)
        answers = sorted([*answers, now + out + back])
    return counted


@pytest.mark.parametrize("clock", [0.9995, 1.0, 1.0005])
@given(requests=networks())
def test_no_closed_window_holds_more_in_milliseconds_of_a_clock_500_ppm_off(
    clock: float, requests: list[tuple[float, float, float]]
) -> None:
    counted = play(Bucket(Rule(Quota(3, PER))), requests)
    assert worst(counted, clock=clock) <= 3


def closest(guard: float, per: float = PER) -> int:
    """Return the worst window where everything is as bad as assumed.

    Counted at the very moment of the answer and again at the very moment of the next write, by a slow clock that
    cuts nothing off the first and nearly a millisecond off the second.
    """
    bucket = Bucket(Rule(Quota(1, per), guard=guard))
    first = 1.0010001 / 0.9995
    assert bucket.take(0.0)
    bucket.settle(first)
    second = bucket.next_time()
    assert bucket.take(second)
    return worst([first, second], clock=0.9995, per=per)


def test_the_guard_is_enough_for_the_worst_of_everything_at_once() -> None:
    assert closest(guard=0.003) == 1


@pytest.mark.parametrize("per", [0.05, 1.0, 3.0, 4.0, 5.0, 10.0, 60.0, 3600.0, 86400.0])
def test_the_guard_is_enough_for_a_window_of_any_length(per: float) -> None:
    # 500 ppm of a minute are 30 ms: a guard that is right for 2 s says nothing about it.
    assert closest(guard=0.003, per=per) == 1


def test_a_guard_of_two_milliseconds_is_not_enough() -> None:
    # (2 + 0.001) / 0.9995 = 2.0020011 s: 0.002 falls short of it by a microsecond.
    assert closest(guard=0.002) == 2


@given(requests=networks(out=0.2, back=0.3))
def test_a_true_floor_keeps_the_window(requests: list[tuple[float, float, float]]) -> None:
    counted = play(Bucket(Rule(Quota(3, PER), rtt_floor=0.5)), requests)
    assert worst(counted) <= 3


def test_a_floor_taken_from_measured_round_trips_does_not() -> None:
    # Every round trip takes 0.5 s. The first three requests are slow out, the next three are slow back.
    requests = [(0.0, 0.5, 0.0)] * 3 + [(0.0, 0.0, 0.5)] * 3
    assert worst(play(Bucket(Rule(Quota(3, PER), rtt_floor=0.5)), requests)) == 6
    assert worst(play(Bucket(Rule(Quota(3, PER))), requests)) == 3


@pytest.mark.parametrize("requests", [4, pytest.param(5, marks=pytest.mark.long)])
def test_every_schedule_of_a_small_world(requests: int) -> None:
    """Limit 2, so many requests, a coarse grid: all of them."""
    fates = [
        ("settle", 0.0, 0.0),
        ("settle", 1.5, 0.0),
        ("settle", 0.0, 1.5),
        ("doubt", 0.5, 0.0),
        ("refund", 0.0, 0.0),
    ]
    rule = Rule(Quota(2, PER), guard=1 / 256, doubt_grace=1.0)
    for schedule in product(product((0.0, 1.0), fates), repeat=requests):
        bucket, now = Bucket(rule), 0.0
        counted: list[float] = []
        ends: list[tuple[float, str]] = []
        for pause, (fate, out, back) in schedule:
            now += pause
            while True:
                while ends and ends[0][0] <= now:
                    at, how = ends.pop(0)
                    bucket.refund() if how == "refund" else getattr(bucket, how)(at)
                if bucket.take(now):
                    break
                now = min(bucket.next_time(), *(at for at, _ in ends)) if ends else bucket.next_time()
            if fate != "refund":
                # What is given up after 0.5 s is counted at the very end of the grace.
                counted.append(now + out + (rule.doubt_grace if fate == "doubt" else 0.0))
            ends = sorted([*ends, (now + out + back, fate)])
        assert worst(counted) <= 2, schedule
        for at, how in ends:
            bucket.refund() if how == "refund" else getattr(bucket, how)(at)
        quiet = now + 1.5 + rule.doubt
        assert [bucket.take(quiet) for _ in range(3)] == [True, True, False], schedule
