"""The outcomes that are repeated, written once more by hand."""

import pytest

from okx_async import Outcome
from okx_async._rest.codes import LIFTED_BY_AUTO_CXL
from okx_async._rest.outcomes import classify
from okx_async._rest.responses import parse
from okx_async._rest.retry import RetryPolicy, ThrottleStreaks, block_seconds, throttled

NEVER = {Outcome.ACCEPTED, Outcome.FROZEN, Outcome.FLAT, Outcome.NEEDS, Outcome.FATAL}
TO_READ_ONLY = {Outcome.UNKNOWN, Outcome.WAIT}


@pytest.mark.parametrize("outcome", Outcome)
def test_a_close_is_repeated_only_where_nothing_was_executed_for_sure(outcome: Outcome) -> None:
    repeated = RetryPolicy(writes=True).pause(outcome, "", 0.5) is not None
    assert repeated == (outcome in {Outcome.RATE, Outcome.LATER, Outcome.CLOCK, Outcome.NOT_SENT})


@pytest.mark.parametrize("outcome", Outcome)
def test_a_reading_is_repeated_in_doubt_too(outcome: Outcome) -> None:
    repeated = RetryPolicy(writes=False).pause(outcome, "", 0.5) is not None
    assert repeated == (outcome not in NEVER)
    assert (outcome not in NEVER) or outcome not in TO_READ_ONLY or repeated


@pytest.mark.parametrize("code", sorted(LIFTED_BY_AUTO_CXL))
def test_pending_orders_that_a_close_has_cancelled_pass(code: str) -> None:
    policy = RetryPolicy(writes=True, auto_cxl=True)
    assert [policy.pause(Outcome.NEEDS, code, draw) for draw in (0.0, 1.0, 0.0, 0.0)] == [0.125, 0.5, 0.5, None]
    assert RetryPolicy(writes=True).pause(Outcome.NEEDS, code, 0.0) is None
    assert RetryPolicy(writes=True, auto_cxl=True).pause(Outcome.NEEDS, "51120", 0.0) is None
    assert RetryPolicy(writes=True, auto_cxl=True).pause(Outcome.UNKNOWN, code, 0.0) is None


def test_pauses_double_up_to_a_cap_and_are_drawn_from_the_whole_range() -> None:
    assert [RetryPolicy(writes=True).pause(Outcome.LATER, "", draw) for draw in (0.0, 0.5, 1.0)] == [0.0, 0.125, 0.25]
    policy = RetryPolicy(writes=True)
    assert [policy.pause(Outcome.LATER, "", 1.0) for _ in range(6)] == [0.25, 0.5, 1.0, 2.0, 4.0, None]


def test_a_throttled_key_is_blocked_and_needs_no_pause_of_its_own() -> None:
    policy = RetryPolicy(writes=True)
    assert [policy.pause(Outcome.RATE, "", 1.0) for _ in range(6)] == [0.0] * 5 + [None]


def test_what_mostly_does_not_pass_is_repeated_less() -> None:
    policy = RetryPolicy(writes=True)
    assert policy.pause(Outcome.RATE, "", 0.0) == 0.0
    assert [policy.pause(Outcome.LATER, "50005", 0.0) for _ in range(3)] == [0.0, 0.0, None]


def test_the_clock_is_asked_once() -> None:
    policy = RetryPolicy(writes=True)
    assert policy.pause(Outcome.CLOCK, "", 1.0) == 0.0
    assert policy.pause(Outcome.CLOCK, "", 1.0) is None


def test_all_kinds_share_one_bound() -> None:
    policy = RetryPolicy(writes=True)
    kinds = [Outcome.RATE, Outcome.LATER, Outcome.CLOCK, Outcome.NOT_SENT, Outcome.RATE, Outcome.LATER]
    assert [policy.pause(kind, "", 0.0) is not None for kind in kinds] == [True] * 5 + [False]


@pytest.mark.parametrize(("code", "most"), [("50005", 2), ("50046", 3), ("50062", 3), ("50001", 5)])
@pytest.mark.parametrize("guarded", [False, True])
def test_how_often_a_code_is_repeated(code: str, most: int, guarded: bool) -> None:  # noqa: FBT001 - a parameter
    policy = RetryPolicy(writes=True, guarded=guarded)
    assert [policy.pause(Outcome.LATER, code, 0.0) is not None for _ in range(6)] == [True] * most + [False] * (
        6 - most
    )


def test_a_guarded_close_waits_a_freeze_out_and_covers_13_seconds_at_least() -> None:
    policy = RetryPolicy(writes=True, guarded=True)
    pauses = [policy.pause(Outcome.FROZEN, "50009", 0.0) for _ in range(6)]
    assert pauses == [0.125, 0.5, 1.5, 3.5, 7.5, None]


def test_a_guarded_close_that_never_left_is_repeated_without_a_bound() -> None:
    policy = RetryPolicy(writes=True, guarded=True)
    pauses = [policy.pause(Outcome.NOT_SENT, "", 1.0) for _ in range(9)]
    assert pauses == [0.25, 0.5, 1.0, 2.0, 3.0, 3.0, 3.0, 3.0, 3.0]  # an exit has 30 s
    assert policy.pause(Outcome.LATER, "50001", 1.0) == 0.25


def test_a_close_that_was_taken_begins_anew() -> None:
    policy = RetryPolicy(writes=True, guarded=True)
    assert [policy.pause(Outcome.LATER, "50001", 0.0) is None for _ in range(6)] == [False] * 5 + [True]
    policy.taken()
    assert policy.pause(Outcome.LATER, "50001", 0.0) == 0.125


def test_a_guarded_close_that_is_refused_for_rate_is_repeated_without_a_bound() -> None:
    policy = RetryPolicy(writes=True, guarded=True)
    assert [policy.pause(Outcome.RATE, "50011", 1.0) for _ in range(20)] == [0.0] * 20
    assert policy.pause(Outcome.LATER, "50001", 1.0) == 0.25


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, '{"code":"50011"}', True),
        (429, '{"code":"51113"}', True),
        (429, "Too Many Requests", True),
        (200, '{"code":429}', True),
        (429, '{"code":"51115"}', False),  # pending close orders
        (429, '{"code":"50013"}', False),  # system busy
        (503, "", False),
        (200, '{"code":"0"}', False),
    ],
)
def test_throttled(status: int, body: str, expected: bool) -> None:  # noqa: FBT001 - a parameter of the table
    answer = parse(status, body.encode())
    assert throttled(answer, classify(answer)) is expected


@pytest.mark.parametrize(
    ("code", "nth", "per", "retry_after", "seconds"),
    [
        ("50011", 1, 2.0, None, 2.0),
        ("50011", 9, 2.0, None, 2.0),
        ("50011_5", 1, 0.5, None, 0.5),
        ("", 1, 2.0, None, 2.0),
        ("51113", 0, 2.0, None, 2.0),
        ("51113", 1, 2.0, None, 2.0),
        ("51113", 2, 2.0, None, 4.0),
        ("51113", 3, 2.0, None, 8.0),
        ("51113", 4, 2.0, None, 8.0),
        ("51113", 10**9, 2.0, None, 8.0),
        ("51113_1", 2, 2.0, None, 4.0),
        ("51113", 3, 10.0, None, 10.0),
        ("50011", 1, 2.0, "5", 5.0),
        ("50011", 1, 2.0, " 5.5 ", 5.5),
        ("50011", 1, 2.0, "1", 2.0),
        ("50011", 1, 2.0, "0", 2.0),
        ("50011", 1, 2.0, "86400", 30.0),
        ("50011", 1, 60.0, "86400", 60.0),
        ("51113", 3, 2.0, "5", 8.0),
        ("50011", 1, 2.0, "", 2.0),
        ("50011", 1, 2.0, "-5", 2.0),
        ("50011", 1, 2.0, "inf", 2.0),
        ("50011", 1, 2.0, "nan", 2.0),
        ("50011", 1, 2.0, "1e9", 2.0),
        ("50011", 1, 2.0, "٩", 2.0),
        ("50011", 1, 2.0, "9" * 400, 2.0),
        ("50011", 1, 2.0, "Wed, 21 Oct 2026 07:28:00 GMT", 2.0),
    ],
)
def test_block_seconds(code: str, nth: int, per: float, retry_after: str | None, seconds: float) -> None:
    assert block_seconds(code, nth, per, retry_after) == seconds
    assert block_seconds(code, nth, per, retry_after, 1.0) == pytest.approx(seconds + 0.15 * per)
    assert block_seconds(code, nth, per, retry_after, 0.5) == pytest.approx(seconds + 0.075 * per)


def test_refusals_one_after_another_they_are_counted() -> None:
    streaks = ThrottleStreaks()
    assert [streaks.refused("key", at, at + 0.1) for at in (0.0, 2.1, 6.2)] == [1, 2, 3]


def test_a_burst_counts_once() -> None:
    streaks = ThrottleStreaks()
    assert [streaks.refused("key", 0.0, at) for at in (0.10, 0.11, 0.12)] == [1, 1, 1]
    assert [streaks.refused("key", at, 2.3) for at in (2.15, 2.16, 0.05)] == [2, 2, 2]


def test_each_key_has_its_own() -> None:
    streaks = ThrottleStreaks()
    assert streaks.refused("key", 0.0, 0.1) == streaks.refused("other", 1.0, 1.1) == 1


def test_an_accepted_close_ends_the_row_unless_it_is_older() -> None:
    streaks = ThrottleStreaks()
    streaks.refused("key", 0.0, 0.1)
    streaks.accepted("key", 0.05)
    assert streaks.refused("key", 2.2, 2.3) == 2
    streaks.accepted("other", 5.0)
    streaks.accepted("key", 5.0)
    assert streaks.refused("key", 6.0, 6.1) == 1


def test_a_minute_ends_the_row_and_nothing_is_kept() -> None:
    streaks = ThrottleStreaks()
    streaks.refused("key", 0.0, 0.1)
    assert streaks.refused("key", 60.0, 60.1) == 2
    assert streaks.refused("other", 130.0, 130.1) == 1
    assert list(streaks.streaks) == ["other"]
