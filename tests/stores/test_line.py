from itertools import pairwise

import pytest

from okx_async import Quota
from okx_async.stores.lease import SharedBucket, Terms
from okx_async.stores.line import LATE, PANIC_LOOKS, Answer, Ask, serve

COOL = 2.003


def made(limit: int = 2, reserve: int = 0) -> SharedBucket:
    return SharedBucket(Quota(limit, 2.0, reserve), Terms())


def asked(
    bucket: SharedBucket, at: float, holder: str, *waiters: str, panic: bool = False, stays: bool = True
) -> list[Answer]:
    return serve(bucket, at, holder, [Ask(waiter, f"{waiter}@{at}", panic, stays=stays) for waiter in waiters])


def granted(answers: list[Answer]) -> list[bool]:
    return [answer.at is not None for answer in answers]


def full(bucket: SharedBucket, at: float = 100.0) -> SharedBucket:
    asked(bucket, at, "full", *(f"full{n}" for n in range(bucket.quota.limit)))
    for ident in list(bucket.tokens):
        bucket.settle(at, ident, "full", age=0.0)
    return bucket


def test_waiters_of_one_holder_are_served_in_their_order() -> None:
    bucket = made()
    assert granted(asked(bucket, 100.0, "a", "a1", "a2", "a3")) == [True, True, False]
    assert list(bucket.line) == ["a3"]


def test_a_free_token_is_left_for_the_one_that_asked_first() -> None:
    bucket = full(made(1))
    [first] = asked(bucket, 100.5, "a", "a1")
    [second] = asked(bucket, 100.6, "b", "b1")
    assert first.again == 100.0 + COOL
    assert second.again == pytest.approx(100.6 + 2.0)  # its token is a window further
    assert granted(asked(bucket, first.again + 0.001, "b", "b1")) == [False]
    assert granted(asked(bucket, first.again + 0.002, "a", "a1")) == [True]
    assert list(bucket.line) == ["b1"]


def test_a_head_that_died_delays_the_next_one_by_a_moment_only() -> None:
    bucket = full(made(1))
    [first] = asked(bucket, 100.5, "a", "a1")
    asked(bucket, 100.6, "b", "b1")
    assert granted(asked(bucket, first.again + LATE - 0.001, "b", "b1")) == [False]
    assert granted(asked(bucket, first.again + LATE + 0.001, "b", "b1")) == [True]


def test_a_waiter_that_is_asked_for_again_keeps_its_place() -> None:
    bucket = full(made(1))
    asked(bucket, 100.5, "a", "a1")
    asked(bucket, 100.6, "b", "b1")
    asked(bucket, 101.5, "a", "a1")
    assert granted(asked(bucket, 100.0 + COOL, "b", "b1")) == [False]
    assert bucket.line["a1"].since == 100.5


def test_a_waiter_that_is_not_named_any_more_leaves_the_line() -> None:
    bucket = full(made(1))
    asked(bucket, 100.5, "a", "a1", "a2")
    asked(bucket, 100.7, "b", "b1")
    asked(bucket, 101.0, "a", "a2")
    assert sorted(bucket.line) == ["a2", "b1"]
    asked(bucket, 101.0, "a")
    assert granted(asked(bucket, 100.0 + COOL, "b", "b1")) == [True]


def test_a_waiter_that_does_not_stay_takes_no_place_and_overtakes_nobody() -> None:
    bucket = full(made(1))
    asked(bucket, 100.5, "a", "a1")
    assert granted(asked(bucket, 100.0 + COOL, "b", "b1", stays=False)) == [False]
    assert list(bucket.line) == ["a1"]


def test_panic_goes_ahead_of_every_normal_waiter_of_every_holder() -> None:
    bucket = full(made(1))
    asked(bucket, 100.5, "a", "a1")
    [panic] = asked(bucket, 101.0, "b", "b1", panic=True)
    assert panic.earliest == 100.0 + COOL
    asked(bucket, 102.0, "b", "b1", panic=True)
    assert granted(asked(bucket, 100.0 + COOL, "a", "a1")) == [False]
    assert granted(asked(bucket, 100.0 + COOL, "b", "b1", panic=True)) == [True]


def test_panic_looks_again_soon() -> None:
    bucket = made(1)
    asked(bucket, 100.0, "a", "a1")  # in flight: nobody knows when it comes back
    [panic] = asked(bucket, 100.1, "b", "b1", panic=True)
    [normal] = asked(bucket, 100.1, "c", "c1")
    assert panic.again == pytest.approx(100.1 + PANIC_LOOKS)
    assert normal.again == pytest.approx(100.1 + 2.0)


def test_the_reserve_is_left_for_panic() -> None:
    bucket = made(2, reserve=1)
    assert granted(asked(bucket, 100.0, "a", "a1", "a2")) == [True, False]
    assert granted(asked(bucket, 100.0, "b", "b1", panic=True)) == [True]


def test_nothing_is_granted_before_the_key_opens() -> None:
    bucket = made()
    [answer] = serve(bucket, 100.0, "a", [Ask("a1", "t1")], not_before=101.0)
    assert answer == Answer(None, 101.0, 101.0)
    bucket.block(100.0, 1.5)
    assert granted(asked(bucket, 101.2, "a", "a1")) == [False]
    assert granted(asked(bucket, 101.5, "a", "a1")) == [True]


def test_a_repeated_ask_gets_the_token_that_it_got() -> None:
    bucket = made(1)
    first = serve(bucket, 100.0, "a", [Ask("a1", "t1")])
    assert serve(bucket, 101.0, "a", [Ask("a1", "t1", age=1.0)]) == first == [Answer(100.0)]
    assert len(bucket.tokens) == 1


def test_an_ask_that_arrived_late_has_the_place_of_when_it_was_sent() -> None:
    bucket = full(made(1))
    asked(bucket, 100.5, "b", "b1")
    serve(bucket, 100.6, "a", [Ask("a1", "t1", age=0.4)])
    assert granted(asked(bucket, 100.0 + COOL, "b", "b1")) == [False]


def test_a_crowd_in_one_program_does_not_stand_in_the_way_of_another() -> None:
    bucket = full(made(4))
    asked(bucket, 100.1, "a", "a1", "a2", "a3", "a4")
    asked(bucket, 100.2, "b", "b1", "b2", "b3", "b4")
    asked(bucket, 100.3, "a", "a1", "a2", "a3", "a4")
    assert sorted(bucket.line) == ["a1", "a2", "b1", "b2"]
    assert granted(asked(bucket, 100.0 + COOL, "b", "b1", "b2", "b3", "b4")) == [True, True, False, False]
    assert granted(asked(bucket, 100.0 + COOL, "a", "a1", "a2", "a3", "a4")) == [True, True, False, False]


@pytest.mark.parametrize("waiters", [1, 3, 20])
def test_ten_holders_share_a_key_evenly_and_in_turn(waiters: int) -> None:
    """Each always has so many waiters; a token is used for 20 ms."""
    limit, seconds = 20, 30.0
    bucket, now = made(limit), 0.0
    grants: dict[str, list[float]] = {holder: [] for holder in "abcdefghij"}
    again = dict.fromkeys(grants, 0.0)
    names = {holder: [f"{holder}{n:05}" for n in range(waiters)] for holder in grants}
    while now < seconds:
        holder = min(again, key=lambda name: again[name])
        now = max(now, again[holder])
        answers = serve(bucket, now, holder, [Ask(w, f"{w}@{now}") for w in names[holder]])
        for waiter, answer in zip(list(names[holder]), answers, strict=True):
            if answer.at is not None:
                bucket.settle(now + 0.02, f"{waiter}@{now}", holder, age=0.0)
                names[holder].remove(waiter)
                names[holder].append(f"{holder}{len(grants[holder]) + waiters:05}")
                grants[holder].append(now)
        again[holder] = min([a.again for a in answers if a.at is None], default=now) + 0.001
    each = [sum(at > 2 * COOL for at in times) for times in grants.values()]  # the first ones were free for all
    mean = sum(each) / len(each)
    assert waiters == 1 or 0.8 * mean <= min(each) <= max(each) <= 1.2 * mean, each
    assert sum(map(len, grants.values())) >= 0.95 * limit * seconds / (COOL + 0.02)
    longest = max(b - a for times in grants.values() for a, b in pairwise([0.0, *times, seconds]))
    assert longest <= 3 * COOL  # a turn and two windows
