"""What a program relies on that takes a slot under one name alone, and for how long."""

import pytest

from okx_async._calls.others import Moment, Others


class Host:
    """Clocks, and how often the store was asked anew."""

    def __init__(self) -> None:
        self.host, self.wall, self.looks = 100.0, 5000.0, 0
        self.others = Others(self.now, self._look)

    def now(self) -> Moment:
        return Moment(self.host, self.wall)

    def passes(self, seconds: float, *, unnoticed: float = 0.0) -> None:
        """Let time pass, and then some that only the wall clock shows."""
        self.host += seconds
        self.wall += seconds + unnoticed

    def _look(self) -> None:
        self.looks += 1


@pytest.fixture
def host() -> Host:
    return Host()


def test_before_the_first_answer_nothing_is_enough(host: Host) -> None:
    assert (host.others.alone, host.others.sure) == (False, False)
    host.others.remind()
    assert host.looks == 0  # the first look is under way


def test_where_none_is_told_a_request_may_count_by_the_api_key_for_a_while_from_the_question(host: Host) -> None:
    asked = host.now()
    host.passes(1.5)
    host.others.none_is_told(asked, 2.0)
    assert host.others.alone
    host.passes(0.5)
    assert host.others.alone
    host.passes(0.1)
    assert not host.others.alone


def test_a_pause_that_only_the_wall_clock_shows_ends_what_holds(host: Host) -> None:
    host.others.none_is_told(host.now(), 2.0)
    host.others.begin_to_know(0.0)
    host.others.still_know(host.now(), 8.0)
    host.passes(0.5, unnoticed=1.4)
    assert host.others.alone
    host.passes(0.0, unnoticed=0.2)
    assert (host.others.alone, host.others.sure) == (False, True)
    host.others.remind()
    assert host.looks == 0
    host.passes(0.0, unnoticed=2.0)
    host.others.remind()
    assert (host.others.sure, host.looks) == (True, 1)
    host.passes(0.0, unnoticed=4.0)
    assert not host.others.sure
    host.others.still_know(host.now(), 8.0)  # the next answer counts from the clocks of its question
    assert host.others.sure


def test_a_wall_clock_that_is_set_back_prolongs_nothing(host: Host) -> None:
    host.others.none_is_told(host.now(), 2.0)
    host.passes(2.1, unnoticed=-3600.0)
    assert not host.others.alone


def test_a_wall_clock_that_is_set_forward_makes_no_one_know_earlier(host: Host) -> None:
    host.others.begin_to_know(22.0)
    host.passes(21.0, unnoticed=3600.0)
    host.others.still_know(host.now(), 8.0)
    assert not host.others.sure
    host.passes(1.0)
    assert host.others.sure
    host.others.begin_to_know(5.0)
    host.passes(0.0, unnoticed=6.0)  # to which the last answer has reached
    assert not host.others.sure
    host.passes(5.0, unnoticed=-6.0)
    assert host.others.sure
    host.others.may_not_know()
    assert not host.others.sure


def test_the_store_is_asked_anew_once(host: Host) -> None:
    host.others.still_know(host.now(), 8.0)
    host.passes(3.9)
    host.others.remind()
    assert host.looks == 0
    host.passes(0.1)
    host.others.remind()
    host.others.remind()
    assert host.looks == 1


def test_without_the_store_a_request_counts_by_the_api_key_for_ever(host: Host) -> None:
    host.others.go_on_alone()
    host.passes(1e9)
    assert (host.others.alone, host.others.sure) == (True, False)
    host.others.none_is_told(host.now(), 2.0)  # it is back
    host.passes(2.1)
    assert not host.others.alone
