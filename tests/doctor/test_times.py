"""Findings on clock and round trips, from literal samples."""

import pytest

from okx_async.doctor import Level
from okx_async.doctor.times import Sample, clock_finding, round_trip_findings

T = 1_768_519_672.0


def sample(offset: float, trip: float = 0.1, *, late: float = 0.0) -> Sample:
    """Return a sample of an exchange that is `offset` s ahead, with a way back `late` s longer than the way out."""
    told = T + (trip - late) / 2 + offset
    return Sample(T, T + trip, int(told * 1000) / 1000)


@pytest.mark.parametrize(
    ("offset", "level", "words"),
    [
        (0.0, Level.OK, " ms "),
        (0.9, Level.OK, "behind the exchange"),
        (-0.9, Level.OK, "ahead of the exchange"),
        (2.0, Level.WARN, "2.0 s behind"),
        (-24.0, Level.WARN, "24.0 s ahead of"),
        (26.0, Level.FAIL, "26.0 s behind"),
        (-3600.0, Level.FAIL, "3600.0 s ahead of"),
    ],
)
def test_the_clock_is_judged_by_the_limit_of_30_s(offset: float, level: Level, words: str) -> None:
    finding = clock_finding([sample(offset)])
    assert finding.level is level
    assert words in finding.text
    assert bool(finding.remedy) == (level is not Level.OK)


@pytest.mark.parametrize("told", [T * 1000, T * 1e6, T / 1000, 0.0, T + 86_401.0, T - 86_401.0])
def test_a_time_in_other_units_is_no_plausible_time_and_no_wrong_clock(told: float) -> None:
    finding = clock_finding([Sample(T, T + 0.1, told)])
    assert finding.level is Level.FAIL
    assert "no plausible time" in finding.text
    assert "NTP" not in finding.remedy
    assert "50102" not in finding.text


@pytest.mark.parametrize("told", [T + 86_000.0, T - 86_000.0])
def test_a_clock_that_is_wrong_by_less_than_a_day_is_a_wrong_clock(told: float) -> None:
    assert "50102" in clock_finding([Sample(T, T + 0.1, told)]).text


def test_the_shortest_round_trip_decides() -> None:
    slow_back = sample(0.0, 8.0, late=8.0)  # alone, the clock seems 4 s off
    assert slow_back.offset == pytest.approx(-4.0, abs=0.001)
    assert clock_finding([slow_back, sample(0.0, 0.02), slow_back]).level is Level.OK


def test_an_offset_within_the_error_is_ok() -> None:
    assert clock_finding([sample(0.0, 8.0, late=8.0)]).level is Level.OK


def test_round_trips_and_the_advice_on_rtt_floor() -> None:
    trips, floor = round_trip_findings([sample(0.0, trip) for trip in (0.030, 0.020, 0.100)], 0.045)
    assert trips.level is Level.OK
    assert trips.text.startswith("20.0 ms at least, 30.0 ms in the middle, 100.0 ms at most, of 3")
    assert "45.0 ms more" in trips.text
    assert floor.text.startswith("leave it at 0: about 19.7 closes in 2 s")  # 20 * 2 / 2.03
    far, _ = round_trip_findings([sample(0.0, 0.7)], 0.0)
    assert far.level is Level.WARN
    assert far.remedy
