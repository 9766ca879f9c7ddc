import asyncio
from typing import cast

import pytest

from okx_async._http.timeouts import TURNS, TimeoutGroup, TimeoutQueue
from okx_async.simulator.virtual.jumping_loop import JumpingLoop

pytestmark = pytest.mark.virtual


def now() -> float:
    return asyncio.get_running_loop().time()


class Ends:
    """In place of a request: notes when it was ended."""

    def __init__(self, group: TimeoutGroup, seconds: float = 5.0) -> None:
        self.group = group
        self.seconds = seconds
        self.queue: TimeoutQueue | None = None
        self.at = 0.0
        self.given: list[float] = []
        self.looks = 0
        """How often its bytes are still found waiting."""

    def arriving(self) -> bool:
        self.looks -= 1
        return self.looks >= 0

    def give_back(self, seconds: float) -> None:
        self.leave()
        self.given.append(seconds)

    def expire(self) -> None:
        self.leave()
        self.at = now()

    def enter(self) -> None:
        self.group.enter(self, self.group.answering if self.seconds == 5.0 else self.group.connecting, self.seconds)

    def leave(self) -> None:
        self.group.leave(self)


def timers() -> list[float]:
    """Return when the timers of the loop stand."""
    loop = cast("JumpingLoop", asyncio.get_running_loop())
    return [timer.when() for timer in loop.timers() if "TimeoutGroup" in repr(timer)]


@pytest.fixture
async def group() -> TimeoutGroup:
    return TimeoutGroup(asyncio.get_running_loop())


async def test_each_has_all_its_seconds(group: TimeoutGroup) -> None:
    ends = []
    for pause, seconds in ((0.0, 5.0), (0.5, 2.0), (2.5, 5.0), (0.002, 5.0), (0.0, 2.0)):
        await asyncio.sleep(pause)
        ends.append(Ends(group, seconds))
        ends[-1].enter()
    await asyncio.sleep(20)
    assert [round(end.at, 6) for end in ends] == [5.0, 2.5, 8.0, 8.002, 5.002]


async def test_who_has_left_is_not_ended_and_delays_nobody(group: TimeoutGroup) -> None:
    ends = [Ends(group) for _ in range(3)]
    for end in ends:
        end.enter()
        await asyncio.sleep(1.0)
    ends[0].leave()
    ends[1].leave()
    await asyncio.sleep(20)
    assert [end.at for end in ends] == [0.0, 0.0, 7.0]


async def test_one_timer_however_many_there_are(group: TimeoutGroup) -> None:
    ends = [Ends(group, 5.0 if n % 2 else 2.0) for n in range(100)]
    for end in ends:
        end.enter()
        await asyncio.sleep(0.01)
        assert timers() == [2.0]
    for end in ends:
        assert len(timers()) == 1
        end.leave()


async def test_for_nobody_it_fires_once_and_those_who_come_before_it_share_it(group: TimeoutGroup) -> None:
    for _ in range(3):
        end = Ends(group)
        end.enter()
        await asyncio.sleep(1.0)
        end.leave()
    assert timers() == [5.0]
    last = Ends(group)
    last.enter()
    await asyncio.sleep(2.5)
    assert timers() == [8.0]
    last.leave()
    await asyncio.sleep(3.0)
    assert timers() == []


async def test_closed_it_leaves_no_timer_once_nobody_is_left(group: TimeoutGroup) -> None:
    first, last = Ends(group), Ends(group, 2.0)
    first.enter()
    last.enter()
    first.leave()
    group.close()
    assert timers() == [2.0]
    last.leave()
    assert timers() == []
    group.close()


async def test_a_timer_is_not_armed_anew_by_those_who_come_later(group: TimeoutGroup) -> None:
    loop = asyncio.get_running_loop()
    Ends(group).enter()
    at_first = len(vars(loop)["_timers"])
    for _ in range(100):
        Ends(group).enter()
    assert len(vars(loop)["_timers"]) == at_first
    await asyncio.sleep(20)


async def test_those_who_are_due_together_end_together(group: TimeoutGroup) -> None:
    ends = [Ends(group, 5.0 if n % 2 else 2.0) for n in range(1000)]
    for end in ends:
        end.enter()
    await asyncio.sleep(20)
    assert {end.at for end in ends} == {2.0, 5.0}
    assert timers() == []


async def test_a_timer_that_fires_early_ends_nobody_and_stands_again(group: TimeoutGroup) -> None:
    end = Ends(group)
    end.enter()
    await asyncio.sleep(4.9)
    group._on_timer()
    assert end.at == 0.0
    await asyncio.sleep(1.0)
    assert end.at == 5.0


async def test_those_who_leave_in_the_turns_after_the_timer_are_not_ended(group: TimeoutGroup) -> None:
    leaves, stays = Ends(group), Ends(group)
    leaves.enter()
    stays.enter()
    loop = asyncio.get_running_loop()
    loop.call_at(5.0, lambda: loop.call_soon(loop.call_soon, leaves.leave))
    await asyncio.sleep(20)
    assert (leaves.at, stays.at) == (0.0, 5.0)


async def test_closed_in_the_turns_after_the_timer_it_leaves_nothing_behind(group: TimeoutGroup) -> None:
    end = Ends(group)
    end.enter()
    await asyncio.sleep(5.0)
    if not end.at:  # the timer fired, and its turns are not over
        end.leave()
    group.close()
    assert timers() == []


async def test_what_is_due_when_a_timer_fires_early_has_ended(group: TimeoutGroup) -> None:
    """Some event loops fire a timer up to a millisecond early: it must not be armed again for the rest."""
    end = Ends(group)
    end.enter()
    await asyncio.sleep(4.999)
    assert group._timer is not None
    group._timer.cancel()
    group._on_timer(0)
    assert end.at == 4.999


async def test_another_queue_takes_the_place_of_the_one_before(group: TimeoutGroup) -> None:
    end = Ends(group)
    group.enter(end, group.connecting, 1.0)
    group.enter(end, group.answering, 5.0)
    await asyncio.sleep(4)
    assert (end.at, group.connecting, list(group.answering)) == (0.0, {}, [end])
    group.leave(end)
    group.leave(end)  # no time runs
    await asyncio.sleep(20)
    assert (end.at, group.answering) == (0.0, {})


def stand_still(seconds: float) -> None:
    cast("JumpingLoop", asyncio.get_running_loop()).freeze(seconds)


@pytest.mark.parametrize(("seconds", "given"), [(6.0, [4.0]), (3600.0, [5.0]), (2.04, [])])
async def test_a_request_that_connects_gets_the_time_back_for_which_the_loop_stood_still(
    group: TimeoutGroup, seconds: float, given: list[float]
) -> None:
    connects, waits = Ends(group, 2.0), Ends(group, 5.0)
    connects.enter()
    waits.enter()
    stand_still(seconds)
    await asyncio.sleep(0.01)
    assert connects.given == pytest.approx(given)
    assert bool(connects.at) is not bool(given)
    assert bool(waits.at) is (seconds > 5)
    waits.leave()
    await asyncio.sleep(5.0)  # the timer finds nothing


@pytest.mark.parametrize("looks", [1, 7, 64])
async def test_what_still_comes_out_of_the_socket_is_not_ended(group: TimeoutGroup, looks: int) -> None:
    reading, silent = Ends(group), Ends(group)
    reading.looks = looks
    reading.enter()
    silent.enter()
    await asyncio.sleep(5.0)
    for _ in range(TURNS * looks + TURNS):
        await asyncio.sleep(0)
        assert not reading.at
    assert silent.at == 5.0
    for _ in range(2 * TURNS):
        await asyncio.sleep(0)
    assert reading.at == 5.0  # it was not answered after all
    assert timers() == []


async def test_a_peer_that_never_stops_sending_delays_the_end_by_some_turns(group: TimeoutGroup) -> None:
    end, later = Ends(group), Ends(group)
    end.looks = 1_000_000
    end.enter()
    await asyncio.sleep(1.0)
    later.enter()
    await asyncio.sleep(20)
    assert (end.at, later.at) == (5.0, 6.0)


async def test_however_slow_its_bytes_make_the_loop_that_delay_is_short(group: TimeoutGroup) -> None:
    """A flood of tiny pieces takes a long turn for each reading; an answer is there after the first ones."""
    end = Ends(group)

    def arriving() -> bool:
        stand_still(0.4)
        return True

    end.arriving = arriving  # type: ignore[method-assign]
    end.enter()
    await asyncio.sleep(20)
    assert 5.0 < end.at < 7.5
