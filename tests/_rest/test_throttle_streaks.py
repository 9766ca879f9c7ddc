"""The rows of refusals, from call to call, of many callers at one key."""

from __future__ import annotations

from okx_async._rest.throttle_streaks import Series


def test_one_after_another_they_are_counted() -> None:
    series = Series()
    assert [series.refused("key", at, at + 0.1) for at in (0.0, 2.1, 6.2)] == [1, 2, 3]


def test_a_burst_counts_once() -> None:
    series = Series()
    assert [series.refused("key", 0.0, at) for at in (0.10, 0.11, 0.12)] == [1, 1, 1]
    assert [series.refused("key", at, 2.3) for at in (2.15, 2.16, 0.05)] == [2, 2, 2]


def test_each_key_has_its_own() -> None:
    series = Series()
    assert series.refused("key", 0.0, 0.1) == series.refused("other", 1.0, 1.1) == 1


def test_an_accepted_close_ends_the_row_unless_it_is_older() -> None:
    series = Series()
    series.refused("key", 0.0, 0.1)
    series.passed("key", 0.05)
    assert series.refused("key", 2.2, 2.3) == 2
    series.passed("other", 5.0)
    series.passed("key", 5.0)
    assert series.refused("key", 6.0, 6.1) == 1


def test_a_minute_ends_the_row_and_nothing_is_kept() -> None:
    series = Series()
    series.refused("key", 0.0, 0.1)
    assert series.refused("key", 60.0, 60.1) == 2
    assert series.refused("other", 130.0, 130.1) == 1
    assert list(series.rows) == ["other"]
