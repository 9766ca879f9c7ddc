import asyncio
import os
from typing import ClassVar

import pytest

from okx_async import NotSentError
from okx_async._http.inflight import InFlight
from okx_async._http.timeouts import TimeoutGroup

pytestmark = pytest.mark.virtual


def in_flight(timeout: float = 5.0) -> InFlight:
    return InFlight(TimeoutGroup(asyncio.get_running_loop()), timeout=timeout, wall_clock=lambda: 1_768_519_672.5)


async def lasts(one: InFlight) -> float:
    """Return how long a request is left alone, at most 100 s."""
    try:
        with one:
            await asyncio.sleep(100)
    except TimeoutError:
        pass
    return asyncio.get_running_loop().time()


async def test_in_line_it_has_all_the_time_there_is() -> None:
    assert await lasts(in_flight()) == 100


async def test_each_stage_has_a_time_of_its_own() -> None:
    one = in_flight(5.0)
    loop = asyncio.get_running_loop()
    loop.call_later(10, one.connecting, 2.0)
    loop.call_later(11, one.connected, None)  # connected: the answer has five seconds
    assert await lasts(one) == 16


async def test_it_is_ended_from_outside() -> None:
    one = in_flight()
    asyncio.get_running_loop().call_later(3, one.end)
    assert await lasts(one) == 3


async def test_an_end_is_not_moved_by_a_request_that_is_not_sent() -> None:
    one = in_flight()

    def ends() -> None:
        one.end()
        one.limit(2.0)  # it had its slot in this very step
        one.limit(None)

    asyncio.get_running_loop().call_later(3, ends)
    assert await lasts(one) == 3


async def test_one_that_was_sent_in_the_step_of_its_end_has_its_time() -> None:
    one = in_flight(5.0)

    def ends() -> None:
        one.end()
        one.connected(None)

    asyncio.get_running_loop().call_later(3, ends)
    assert await lasts(one) == 8


async def test_once_expired_no_limit_is_an_error() -> None:
    one = in_flight()

    async def ends_late() -> None:
        with one:
            one.limit(1.0)
            try:
                await asyncio.sleep(100)
            finally:
                one.limit(5.0)
                one.end()

    with pytest.raises(TimeoutError):
        await ends_late()


async def test_an_answer_without_a_mark_is_one_all_the_same() -> None:
    """A user's mock takes the place of the connector: what has an answer was sent."""
    one = in_flight()
    with one:
        one.answering(None)
    assert one.may_have_left


async def test_it_keeps_the_last_transport_that_could_be_reached() -> None:
    first, second = asyncio.Transport(), asyncio.Transport()
    one = in_flight()
    with one:
        one.connected(first)
        one.answering(None)
        assert one.transport is first
        one.answering(second)
        assert one.transport is second


async def test_it_waits_for_a_connection_no_longer_than_it_may() -> None:
    """max_wait reaches to the last send, so connecting is a part of it."""
    loop = asyncio.get_running_loop()
    for start in (lambda one: one.connecting(5.0), lambda one: one.asking()):
        one = in_flight(5.0)
        begun = loop.time()
        one.connect_until = begun + 2.0
        loop.call_soon(start, one)
        assert await lasts(one) - begun == 2.0
        one = in_flight(5.0)
        begun = loop.time()
        one.connect_until = begun + 9.0
        loop.call_soon(start, one)
        assert await lasts(one) - begun == 5.0


async def test_past_its_last_moment_it_ends_at_once() -> None:
    one = in_flight(5.0)
    one.connect_until = -1.0
    asyncio.get_running_loop().call_soon(one.connecting, 5.0)
    assert await lasts(one) == 0.0


class Reached(asyncio.Transport):
    aborted = 0

    def abort(self) -> None:
        self.aborted += 1


async def test_a_connection_is_dropped_by_its_latest_request_alone() -> None:
    group = TimeoutGroup(asyncio.get_running_loop())
    first, second = (InFlight(group, timeout=5.0, wall_clock=lambda: 0.0) for _ in range(2))
    shared = Reached()
    with first:
        first.connected(shared)
        with second:
            second.connected(shared)
            first.drop()
            assert shared.aborted == 0
            second.drop()
            assert shared.aborted == 1
        first.drop()  # nothing else has it by now
        assert shared.aborted == 2
    assert group.carriers == {}


async def test_an_answered_request_leaves_its_connection_to_the_pool() -> None:
    one = in_flight()
    shared = Reached()
    with one:
        one.connected(shared)
        one.answered()
        one.drop()
        assert one._group.carriers == {}
    assert shared.aborted == 0


async def test_a_clock_that_fails_leaves_nothing_marked() -> None:
    def fails() -> float:
        raise ZeroDivisionError

    one = InFlight(TimeoutGroup(asyncio.get_running_loop()), timeout=5.0, wall_clock=fails)
    with one, pytest.raises(ZeroDivisionError):
        one.connected(None)
    assert not one.may_have_left


@pytest.mark.parametrize("how", ["its own time", "from outside"])
async def test_what_comes_in_the_turns_after_its_time_counts(how: str) -> None:
    """A loop that stood still has the answer in its socket, and reads it in the turn of the timer."""
    one = in_flight(5.0)
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def reads(turns: int) -> None:
        if turns:
            loop.call_soon(reads, turns - 1)
        else:
            answer.set_result("answer")

    def ends() -> None:
        one.end()
        reads(2)

    if how == "from outside":
        loop.call_later(3.0, ends)
    else:
        loop.call_later(5.0, reads, 2)
    with one:
        one.connected(None)
        assert await answer == "answer"
    assert not one.expired


async def test_an_end_is_not_moved_by_a_connection_that_is_asked_for() -> None:
    one = in_flight()

    def ends() -> None:
        one.end()
        one.connecting(2.0)

    asyncio.get_running_loop().call_later(3, ends)
    assert await lasts(one) == 3


async def test_a_cancellation_from_outside_is_no_time_out() -> None:
    one, loop = in_flight(), asyncio.get_running_loop()
    task = asyncio.create_task(lasts(one))
    loop.call_later(3, one.end)
    loop.call_later(3, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_that_is_raised_at_the_end_of_the_time_goes_on() -> None:
    one = in_flight()

    async def fails() -> None:
        with one:
            one.limit(1.0)
            try:
                await asyncio.sleep(100)
            finally:
                raise KeyError

    with pytest.raises(KeyError):
        await fails()


async def test_until_its_last_moment_it_may_be_written_and_not_later() -> None:
    one = in_flight()
    one.may_send_until = 1.0
    await asyncio.sleep(1.0)
    assert (one.late, one.forbidden()) == (False, "")
    await asyncio.sleep(0.5)
    assert (one.late, one.forbidden()) == (True, "connected too late to be sent")


async def test_in_a_forked_child_a_request_of_the_parent_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stood in line for its turn at the fork: the parent writes it, over the same connection."""
    one = in_flight()
    assert one.forbidden() == ""
    parent = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: parent + 1)
    assert one.forbidden() == "it is that of the process before a fork"


@pytest.mark.parametrize("confirmed", [True, False])
async def test_what_was_heard_meanwhile_may_forbid_the_write(confirmed: bool) -> None:  # noqa: FBT001 - both
    one = in_flight()
    one.confirm_write = lambda: confirmed
    assert (one.forbidden() == "") is confirmed


@pytest.mark.parametrize("text", ["gone; nothing was sent", ""])
async def test_a_slot_that_was_lost_forbids_the_write_before_it_is_noted(text: str) -> None:
    class Slot:
        asked: ClassVar[list[float | None]] = []

        def check(self, seconds: float | None = None) -> None:
            self.asked.append(seconds)
            if len(self.asked) == 2:
                raise NotSentError(text)

    one = in_flight()
    one.held = (Slot(), Slot())
    one.confirm_write = lambda: pytest.fail("it was noted as written")
    assert one.forbidden() == ("gone" if text else "its slot was lost")
    assert Slot.asked == [one.timeout] * 2


async def test_the_time_of_the_answer_begins_before_its_slots_are_checked() -> None:
    one = in_flight()
    with one:
        one.awaiting()
        assert one.queue is one._group.answering
        one.written(None)
        assert one.may_have_left


async def test_a_connection_that_failed_after_all_carried_nothing() -> None:
    one = in_flight()
    with one:
        one.connected(None)
        assert (one.may_have_left, one.sent) == (True, 1_768_519_672.5)
        one.not_connected()
        assert (one.may_have_left, one.sent) == (False, None)


async def test_time_that_is_given_back_ends_with_the_limit_of_the_call() -> None:
    for until, end in ((4.0, 4.0), (float("inf"), 6.0)):
        one = in_flight()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        one.connect_until = begun + until
        loop.call_soon(one.connecting, 2.0)
        loop.call_later(1.0, one.give_back, 5.0)
        assert await lasts(one) - begun == end


async def test_without_a_connection_nothing_arrives() -> None:
    assert not in_flight().arriving()
