"""Calls whose timestamp is refused: the clock is set, and they are signed anew once."""

import asyncio
from collections import deque

import pytest

from okx_async import ClockSkewError, Priority
from tests._calls.script import CLOSE, REQUEST, Script, call, make

pytestmark = [pytest.mark.virtual, pytest.mark.usefixtures("no_spread")]


async def test_a_refused_timestamp_has_the_clock_set_and_is_signed_anew_once() -> None:
    script = Script((401, "50102"), (200, "0"))
    script.time = 1_000_000.0
    await call(script)
    assert script.asked == 1
    script = Script((401, "50102"))
    script.time = 1_000_000.0
    with pytest.raises(ClockSkewError) as caught:
        await call(script)
    assert (script.asked, len(caught.value.attempts)) == (1, 2)


async def test_many_that_were_refused_ask_once() -> None:
    script = Script((401, "50102"), (401, "50102"), (200, "0"))
    script.time = 1_000_000.0
    calls = make(script)
    await asyncio.gather(*(calls.call(CLOSE, Priority.PANIC, None, REQUEST) for _ in range(2)))
    assert (script.asked, len(script.sent)) == (1, 4)


async def test_a_slower_answer_counts_once_a_timestamp_was_refused_again() -> None:
    script = Script((401, "50102"), (200, "0"), (401, "50102"), (200, "0"))
    calls = make(script)
    script.time = 1_000_000.0
    await calls.call(CLOSE, Priority.PANIC, None, REQUEST)
    assert calls._clock.offset == 0.0
    script.time, script.set_back = 990_000.0, -2.0
    await calls.call(CLOSE, Priority.PANIC, None, REQUEST)
    assert calls._clock.offset == 9_999.0


async def test_without_the_exchanges_time_a_refused_timestamp_is_not_sent_again() -> None:
    script = Script((401, "50102"))
    with pytest.raises(ClockSkewError) as caught:
        await call(script)
    assert (script.asked, len(caught.value.attempts)) == (1, 1)


async def test_nor_where_this_machines_clock_was_set_back_meanwhile(caplog: pytest.LogCaptureFixture) -> None:
    script = Script((401, "50102"))
    script.time, script.set_back = 1_000_000.0, 60.0
    with pytest.raises(ClockSkewError) as caught:
        await call(script)
    assert (script.asked, len(caught.value.attempts)) == (1, 1)
    assert "signing by it" not in caplog.text


async def test_an_odd_time_is_no_answer_and_the_next_usable_one_is() -> None:
    script = Script((401, "50102"))
    calls = make(script)
    script.time = 1_000_000_000.0  # the answer would be in other units
    for asked in (1, 2):
        with pytest.raises(ClockSkewError):
            await calls.call(CLOSE, Priority.PANIC, None, REQUEST)
        assert (script.asked, calls._clock.offset) == (asked, 0.0)
    script.time, script.answers = 1_000_007.0, deque([(401, "50102"), (200, "0")])
    await calls.call(CLOSE, Priority.PANIC, None, REQUEST)
    assert calls._clock.offset == -7.0
