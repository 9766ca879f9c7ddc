"""The attempts underway, and their end."""

import asyncio
from contextlib import suppress

import pytest

from okx_async._calls.attempt import AttemptState
from okx_async._calls.underway import Underway
from okx_async._http.inflight import InFlight
from okx_async._http.timeouts import TimeoutGroup

pytestmark = pytest.mark.virtual


def now() -> float:
    return asyncio.get_running_loop().time()


async def attempt(underway: Underway, name: str, ended: list[str], *, seconds: float, sent: bool) -> None:
    """Be underway for so many seconds, waiting or on the wire."""
    group = TimeoutGroup(asyncio.get_running_loop())
    state = AttemptState(InFlight(group, timeout=90.0, wall_clock=lambda: 1.0))
    underway.begin(state)
    try:
        with suppress(TimeoutError), state.wire:
            state.wire.may_have_left = sent
            await asyncio.sleep(seconds)
    finally:
        ended.append(f"{name} {now():g}")
        underway.end(state)


async def test_those_that_wait_end_at_once_in_order_and_those_on_the_wire_are_awaited() -> None:
    underway, ended = Underway(5.0), list[str]()
    tasks = [
        asyncio.ensure_future(attempt(underway, name, ended, seconds=3.0, sent=name == "sent"))
        for name in ("first", "sent", "second")
    ]
    await asyncio.sleep(1.0)
    assert (len(list(underway)), underway.closing) == (3, False)
    underway.close()
    assert underway.closing
    await underway.ended()
    assert ended == ["first 1", "second 1", "sent 3"]
    assert list(underway) == []
    await asyncio.gather(*tasks)


async def test_what_is_not_answered_in_its_time_is_given_up() -> None:
    underway, ended = Underway(5.0), list[str]()
    task = asyncio.ensure_future(attempt(underway, "slow", ended, seconds=60.0, sent=True))
    await asyncio.sleep(1.0)
    underway.close()
    await underway.ended()
    await task
    assert ended == ["slow 6"]


async def test_with_none_underway_nothing_is_awaited() -> None:
    underway = Underway(5.0)
    underway.close()
    await underway.ended()
    assert now() == 0.0
