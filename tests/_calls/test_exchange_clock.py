"""The exchange's clock, by literal times."""

from __future__ import annotations

from okx_async._calls.exchange_clock import ExchangeClock


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


def test_a_clock_set_back_during_the_question_teaches_nothing() -> None:
    clock = ExchangeClock(lambda: 0.0)
    clock.learn(sent=100.0, received=40.0, told=100.0)
    assert clock.offset == 0.0
    assert (clock.asked, clock.learnt) == (1, 0)
