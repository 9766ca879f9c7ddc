"""The exchange's clock and the clock of records, by literal times."""

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from math import inf, nan

import pytest

from okx_async._calls.exchange_clock import ExchangeClock, record_clock
from okx_async._errors import NotSentError

DAY = 86_400.0


def test_it_is_this_machines_until_told_otherwise() -> None:
    assert ExchangeClock(lambda: 100.0).now() == 100.0


def test_the_answer_was_made_in_the_middle_of_its_round_trip() -> None:
    clock = ExchangeClock(lambda: 1000.0)
    clock.learn(sent=100.0, received=100.5, told=130.25)
    assert clock.offset == 30.0
    assert clock.now() == 1030.0


def test_the_shortest_round_trip_is_kept_until_a_timestamp_is_refused_again() -> None:
    clock = ExchangeClock(lambda: 0.0)
    clock.learn(sent=100.0, received=100.1, told=110.05)
    clock.learn(sent=200.0, received=201.0, told=203.0)
    assert round(clock.offset, 9) == 10.0
    clock.refused()
    clock.learn(sent=300.0, received=301.0, told=303.0)
    assert clock.offset == 2.5
    assert (clock.asked, clock.learnt) == (3, 3)
    clock.missed()
    assert (clock.asked, clock.learnt) == (4, 3)


@pytest.mark.parametrize("odd", [-1.0, -1e9, 1e300, inf, nan])
def test_a_time_that_is_none_is_not_corrected_into_one(odd: float) -> None:
    moments = iter([1000.0, odd])
    clock = ExchangeClock(lambda: next(moments))
    clock.learn(sent=1000.0, received=1000.0, told=1030.0)
    assert clock.now() == 1030.0
    assert repr(clock.now()) == repr(odd)


def test_a_clock_set_back_during_the_question_teaches_nothing() -> None:
    clock = ExchangeClock(lambda: 0.0)
    clock.learn(sent=100.0, received=40.0, told=100.0)
    assert clock.offset == 0.0
    assert (clock.asked, clock.learnt) == (1, 0)


@pytest.mark.parametrize("told", [100.0 + DAY + 1, 99.0 - DAY, 1e18, -1e18, inf, -inf, nan])
def test_a_time_that_cannot_be_right_teaches_nothing(told: float, caplog: pytest.LogCaptureFixture) -> None:
    clock = ExchangeClock(lambda: 1000.0)
    clock.learn(sent=99.0, received=101.0, told=told)
    assert (clock.now(), clock.asked, clock.learnt) == (1000.0, 1, 0)
    assert "the exchange's time cannot be used" in caplog.text


@pytest.mark.parametrize("ahead", [DAY, -DAY])
def test_a_day_apart_is_believed(ahead: float) -> None:
    clock = ExchangeClock(lambda: 1e6)
    clock.learn(sent=1e6, received=1e6, told=1e6 + ahead)
    assert (clock.now(), clock.learnt) == (1e6 + ahead, 1)


@pytest.mark.parametrize("times", [(nan, 100.0), (100.0, nan), (-inf, 100.0), (100.0, inf)])
def test_a_question_without_its_times_teaches_nothing(times: tuple[float, float]) -> None:
    clock = ExchangeClock(lambda: 1000.0)
    clock.learn(*times, told=100.0)
    assert (clock.offset, clock.asked, clock.learnt) == (0.0, 1, 0)


def test_what_was_learnt_is_unlearnt_after_some_refusals_without_another_time() -> None:
    clock = ExchangeClock(lambda: 0.0)
    clock.learn(sent=100.0, received=100.0, told=3700.0)
    clock.missed()
    clock.missed()
    clock.missed()  # not refused: the correction is as good as before
    assert clock.offset == 3600.0
    clock.learn(sent=100.0, received=100.0, told=3700.0)
    for left in (3600.0, 3600.0, 0.0):
        clock.refused()
        clock.missed()
        assert clock.offset == left


def broken() -> float:
    raise KeyError("no clock")


def cancelled() -> float:
    raise asyncio.CancelledError


def ended() -> float:
    raise GeneratorExit


def stopped() -> float:
    raise KeyboardInterrupt


NO_TIMES: list[Callable[[], object]] = [
    broken,
    cancelled,
    ended,
    lambda: None,
    lambda: "12",
    lambda: 10**400,
    lambda: 1j,
]


@pytest.mark.parametrize("wall_clock", [*NO_TIMES, lambda: Decimal(1)])
def test_without_a_time_nothing_is_sent(wall_clock: Callable[[], float]) -> None:
    with pytest.raises(NotSentError, match=r"nothing was sent: wall_clock failed \(\w+\): check it") as caught:
        ExchangeClock(wall_clock).now()
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("wall_clock", [*NO_TIMES, lambda: nan, lambda: inf, lambda: -1.0, lambda: 253_402_300_800.0])
def test_a_record_has_a_time_all_the_same(wall_clock: Callable[[], float], caplog: pytest.LogCaptureFixture) -> None:
    clock = record_clock(wall_clock)
    before = time.time()
    for _ in range(3):
        assert before <= clock() <= time.time()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "records get the time of this machine instead" in caplog.text


def test_a_clock_that_works_is_believed() -> None:
    assert record_clock(time.time) is time.time
    assert record_clock(lambda: Decimal("12.5"))() == 12.5  # type: ignore[arg-type, return-value]


def test_what_ends_the_program_goes_on() -> None:
    for clock in (ExchangeClock(stopped).now, record_clock(stopped)):
        with pytest.raises(KeyboardInterrupt):
            clock()
