"""The bucket at literal times, without clock or loop. Its promise over all schedules: test_bucket_model.py."""

import math
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from okx_async import InvalidRequestError, Quota
from okx_async._limiter.bucket import Bucket, Rule
from tests.odd_values import NoRepr

EXACT = Rule(Quota(3, 2.0), guard=0.0)


def used(rule: Rule, *settled: float) -> Bucket:
    """Return a bucket that has so many tokens cooling, taken and settled at these times."""
    bucket = Bucket(rule)
    for at in settled:
        assert bucket.take(at)
        bucket.settle(at)
    return bucket


def sums_up(bucket: Bucket) -> bool:
    return bucket.free + bucket.in_flight + bucket.cooling == bucket.rule.quota.limit


def test_a_token_is_back_a_window_and_the_guard_after_its_answer() -> None:
    bucket = Bucket(Rule(Quota(1, 2.0)))
    assert bucket.take(10.0)
    assert not bucket.take(50.0)  # in flight for as long as there is no answer
    bucket.settle(60.0)
    assert not bucket.take(math.nextafter(60.0 + 2.003, 0.0))
    assert bucket.take(60.0 + 2.003)


def test_a_doubtful_token_is_back_after_the_grace_too_and_the_floor_does_not_shorten_that() -> None:
    bucket = Bucket(Rule(Quota(1, 2.0), rtt_floor=0.5))
    assert bucket.take(0.0)
    bucket.doubt(1.0)
    assert bucket.next_time() == 1.0 + (2.0 + 0.003 + 5.0)
    assert not bucket.take(8.0)
    assert bucket.take(8.004)


def test_the_floor_shortens_a_settled_tokens_wait() -> None:
    bucket = used(Rule(Quota(1, 2.0), rtt_floor=0.5), 4.0)
    assert bucket.next_time() == 4.0 + (2.0 + 0.003 - 0.5)


def test_a_refunded_token_is_free_at_once() -> None:
    bucket = Bucket(Rule(Quota(1, 2.0)))
    assert bucket.take(0.0)
    bucket.refund()
    assert bucket.take(0.0)


@pytest.mark.parametrize("end", ["settle", "doubt", "refund"])
def test_ending_what_is_not_in_flight_raises_and_changes_nothing(end: str) -> None:
    bucket = used(EXACT, 1.0)
    before = (bucket.free, bucket.in_flight, bucket.cooling)
    with pytest.raises(RuntimeError, match="in flight"):
        bucket.refund() if end == "refund" else getattr(bucket, end)(1.0)
    assert (bucket.free, bucket.in_flight, bucket.cooling) == before


@pytest.mark.parametrize("end", ["settle", "doubt"])
def test_an_end_that_raises_changes_nothing(end: str) -> None:
    bucket = Bucket(EXACT)
    assert bucket.take(0.0)
    with pytest.raises(TypeError):
        getattr(bucket, end)(None)  # from a clock that is none
    assert (bucket.free, bucket.in_flight, bucket.cooling) == (2, 1, 0)


def test_a_block_only_moves_later() -> None:
    bucket = Bucket(EXACT)
    bucket.block(5.0)
    bucket.block(3.0)
    assert not bucket.take(math.nextafter(5.0, 0.0))
    assert bucket.next_time() == 5.0
    assert bucket.take(5.0)


def test_the_reserve_is_for_panic_only() -> None:
    bucket = Bucket(Rule(Quota(3, 2.0, reserve=2), guard=0.0))
    assert bucket.take(0.0)
    assert not bucket.take(0.0)
    assert bucket.take(0.0, panic=True)
    assert bucket.take(0.0, panic=True)
    assert not bucket.take(0.0, panic=True)
    for at in (1.0, 2.0, 3.0):
        bucket.settle(at)
    assert bucket.next_time(panic=True) == 3.0
    assert bucket.next_time() == 5.0  # only the third token back is more than the reserve
    assert not bucket.take(4.5)
    assert bucket.take(5.0)


@given(st.lists(st.floats(0.0, 1.0), max_size=30), st.integers(0, 2), st.lists(st.integers(0, 29), max_size=5))
def test_a_token_is_free_when_promised_and_not_before(gaps: list[float], reserve: int, refused: list[int]) -> None:
    bucket, now = Bucket(Rule(Quota(3, 2.0, reserve=reserve))), 0.0
    for step, gap in enumerate(gaps):
        now += gap
        if step in refused:
            bucket.refuse(now, 2.0)
        if not bucket.take(now):
            promised = bucket.next_time()
            assert not bucket.take(math.nextafter(promised, 0.0))
            assert bucket.take(promised)
            now = promised
        bucket.settle(now)
        assert sums_up(bucket)


def test_the_next_time_depends_on_answers_while_all_are_in_flight() -> None:
    bucket = Bucket(EXACT)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.next_time() == math.inf


@pytest.mark.parametrize(
    ("ahead", "expected"), [(0, 3.0), (1, 4.0), (2, 4.5), (3, 5.0), (4, 6.0), (5, 6.5), (3001, 2004.0), (3002, 2004.5)]
)
def test_the_earliest_time_counts_those_ahead(ahead: int, expected: float) -> None:
    # Back at 3.0, 4.0 and, in flight now, at 2.5 + 2.0; then each again every 2 s.
    bucket = Bucket(EXACT)
    for _ in range(3):
        assert bucket.take(1.0)
    bucket.settle(1.0)
    bucket.settle(2.0)
    assert bucket.earliest(2.5, ahead=ahead) == expected


END = st.sampled_from(["settle", "doubt", None])


@given(
    st.lists(st.tuples(st.integers(0, 512), END), max_size=12),
    st.integers(0, 2),
    st.integers(0, 8),
    st.booleans(),
    st.lists(st.integers(0, 11), max_size=4),
)
def test_no_answers_however_fast_bring_a_token_before_the_earliest_time(
    past: list[tuple[int, str | None]],
    reserve: int,
    ahead: int,
    panic: bool,  # noqa: FBT001 - hypothesis passes it
    refused: list[int],
) -> None:
    bucket, now = Bucket(Rule(Quota(3, 2.0, reserve), guard=0.0, doubt_grace=3.0)), 0.0
    for step, (ticks, end) in enumerate(past):
        now += ticks / 256
        if step in refused:
            bucket.refuse(now, 2.0)
        if bucket.take(now, panic=True) and end:
            getattr(bucket, end)(now)
    promised = bucket.earliest(now, ahead=ahead, panic=panic)
    while bucket.in_flight:  # the best that can happen: all is answered now, and so is each request when it is sent
        bucket.settle(now)
    at = now
    for _ in range(ahead + 1):
        at = max(at, bucket.next_time(panic=panic))
        assert bucket.take(at, panic=panic)
        bucket.settle(at)
    assert at >= promised if refused else at == promised


def test_the_earliest_time_knows_that_a_doubtful_token_goes_round_less_often() -> None:
    bucket = Bucket(Rule(Quota(2, 2.0), guard=0.0))
    assert bucket.take(0.0)
    assert bucket.take(0.0)
    bucket.doubt(0.0)  # back at 7
    bucket.settle(0.0)  # back at 2, 4, 6, 8 …
    assert [bucket.earliest(0.0, ahead=n) for n in range(6)] == [2.0, 4.0, 6.0, 7.0, 8.0, 9.0]


def test_the_earliest_time_respects_block_and_reserve() -> None:
    bucket = Bucket(Rule(Quota(3, 2.0, reserve=1), guard=0.0))
    bucket.block(10.0)
    assert [bucket.earliest(0.0, ahead=n) for n in range(3)] == [10.0, 10.0, 12.0]
    assert [bucket.earliest(0.0, ahead=n, panic=True) for n in range(4)] == [10.0, 10.0, 10.0, 12.0]


def test_looking_changes_nothing() -> None:
    bucket = Bucket(Rule(Quota(3, 2.0), guard=0.0))
    for _ in range(3):
        assert bucket.take(0.0)
    bucket.settle(0.0)
    bucket.settle(1.0)
    assert bucket.snapshot(1.9) == (0, 1, 2)
    assert bucket.snapshot(2.0) == (1, 1, 1)
    assert bucket.snapshot(3.0) == (2, 1, 0)
    assert not bucket.idle(3.0)
    assert (bucket.free, bucket.in_flight, bucket.cooling) == (0, 1, 2)


def test_idle_means_that_forgetting_changes_nothing() -> None:
    bucket = used(EXACT, 0.0)
    assert not bucket.idle(1.9)
    assert bucket.idle(2.0)
    bucket.block(3.0)
    assert not bucket.idle(2.9)
    assert bucket.idle(3.0)
    assert bucket.take(3.0)
    assert not bucket.idle(99.0)


def test_a_smaller_quota_after_refusals_has_one_token_to_use_at_least() -> None:
    bucket = Bucket(Rule(Quota(8, 2.0)))
    for at in (0.0, 2.0, 4.0):
        bucket.refuse(at, 2.0)
    assert bucket.usable(6.0) == 2  # six given up
    assert bucket.change(Rule(Quota(3, 2.0)))
    assert [bucket.usable(at) for at in (6.0, 8.0, 10.0, 12.0)] == [1, 2, 3, 3]
    assert bucket.next_time() == 6.0
    assert bucket.take(6.0)


class TestRefusals:
    """Another program uses the limit too."""

    def test_one_burst_of_refusals_blocks_and_counts_once(self) -> None:
        bucket = Bucket(Rule(Quota(20, 2.0)))
        for at in (10.0, 10.1, 11.9):
            bucket.refuse(at, 2.0)
        assert bucket.usable(11.9) == 20
        assert not bucket.take(13.8)
        assert bucket.take(13.9)

    def test_refusals_in_consecutive_windows_halve(self) -> None:
        bucket = Bucket(Rule(Quota(20, 2.0)))
        usable = []
        for at in (10.0, 12.1, 14.2, 16.3, 18.4, 20.5, 22.6):
            bucket.refuse(at, 2.0)
            usable.append(bucket.usable(at))
        assert usable == [20, 10, 5, 2, 1, 1, 1]

    def test_a_clean_window_gives_one_back_and_breaks_the_series(self) -> None:
        bucket = Bucket(Rule(Quota(20, 2.0)))
        bucket.refuse(10.0, 2.0)
        bucket.refuse(12.0, 2.0)  # blocked until 14
        assert [bucket.usable(at) for at in (15.9, 16.0, 18.0, 33.9, 34.0, 99.0)] == [10, 11, 12, 19, 20, 20]
        bucket.refuse(18.5, 2.0)
        assert bucket.usable(18.5) == 12  # the windows before were clean: no halving
        bucket.refuse(20.5, 2.0)
        assert bucket.usable(20.5) == 6

    def test_no_more_than_usable_are_out_at_once(self) -> None:
        bucket = Bucket(Rule(Quota(4, 2.0), guard=0.0))
        bucket.refuse(0.0, 2.0)
        bucket.refuse(2.0, 2.0)
        assert [bucket.take(4.0) for _ in range(3)] == [True, True, False]
        assert bucket.next_time() == 6.0  # a window without a refusal
        assert [bucket.take(6.0), bucket.take(6.0)] == [True, False]

    def test_the_reserve_leaves_one_token_to_normal(self) -> None:
        bucket = Bucket(Rule(Quota(4, 2.0, reserve=3), guard=0.0))
        bucket.refuse(0.0, 2.0)
        bucket.refuse(2.0, 2.0)
        assert [bucket.take(4.0), bucket.take(4.0), bucket.take(4.0, panic=True)] == [True, False, True]

    def test_what_was_given_up_is_not_forgotten_early(self) -> None:
        bucket = Bucket(Rule(Quota(4, 2.0), guard=0.0))
        bucket.refuse(0.0, 2.0)
        assert not bucket.idle(3.9)  # a refusal now would be the second in a row
        assert bucket.idle(4.0)
        bucket.refuse(3.9, 2.0)  # blocked until 5.9, two given up: back at 7.9 and 9.9
        assert not bucket.idle(9.8)
        assert bucket.idle(9.9)


def test_a_new_owner_has_what_was_in_flight_in_doubt() -> None:
    bucket = used(EXACT, 0.0)
    assert bucket.take(0.5)
    bucket.refuse(0.6, 2.0)
    heir = bucket.adopted(1.0)
    assert (heir.free, heir.in_flight, heir.cooling) == (1, 0, 2)
    assert heir.blocked_until == 2.6
    heir.reclaim(7.9)
    assert heir.free == 2
    heir.reclaim(8.0)
    assert heir.free == 3
    bucket.settle(1.5)  # the old owner's late mark changes nothing
    assert sums_up(heir)


def test_another_rule_is_taken_on_only_while_no_token_is_out() -> None:
    bucket = used(EXACT, 0.0)
    bucket.block(9.0)
    assert not bucket.change(Rule(Quota(5, 1.0)))
    bucket.reclaim(2.0)
    assert bucket.change(Rule(Quota(5, 1.0)))
    assert (bucket.free, bucket.rule.quota.limit, bucket.blocked_until) == (5, 5, 9.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rtt_floor", -0.1),
        ("rtt_floor", NoRepr()),
        ("rtt_floor", 2.5),
        ("rtt_floor", math.nan),
        ("doubt_grace", math.inf),
        ("guard", -1),
        ("guard", "x"),
        pytest.param("guard", 10**400, id="guard too large for a float"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=field):
        Rule(Quota(), **{field: value})


def test_the_shortest_window_of_all_is_counted_in_no_time() -> None:
    bucket = Bucket(Rule(Quota(4, 5e-324)))
    bucket.refuse(1.0, 2.0)
    bucket.refuse(1.0, 2.0)
    assert bucket.usable(9.0) == 4


def test_a_token_on_its_way_from_flight_to_cooling_is_seen_once() -> None:
    bucket = Bucket(Rule(Quota(1, 2.0)))
    assert bucket.take(0.0)
    bucket._cooling.append(2.0)  # what another thread may see while the answer is booked
    assert bucket.snapshot(0.0) == (0, 0, 1)
    assert not bucket.idle(0.0)


def test_a_bucket_is_small_and_does_not_grow() -> None:
    bucket = Bucket(Rule(Quota()))
    for step in range(10_000):
        now = step * 0.101
        bucket.reclaim(now)
        if bucket.take(now):
            bucket.settle(now)
    assert bucket.cooling <= 20
    assert sys.getsizeof(bucket) + sys.getsizeof(bucket._cooling) < 500
