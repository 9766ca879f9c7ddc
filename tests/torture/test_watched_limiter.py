import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import okx_async as okx
from okx_async.simulator import Network, VirtualLoop, run
from okx_async.torture.watched_limiter import CURRENT_CALL, WatchedLimiter

KEY = "key"


def play(script: Callable[[VirtualLoop, WatchedLimiter], Awaitable[Any]], **options: Any) -> WatchedLimiter:
    async def main(loop: VirtualLoop) -> WatchedLimiter:
        watched = WatchedLimiter(okx.Limiter(okx.Quota(limit=1), clock=loop.clock, **options), loop.clock)
        await script(loop, watched)
        return watched

    return run(main, VirtualLoop(Network()))


def test_waits_are_written_down_with_whose_they_are_and_what_became_of_them() -> None:
    async def script(_: VirtualLoop, limiter: WatchedLimiter) -> None:
        CURRENT_CALL.set("c1")
        async with limiter.slot(KEY) as slot:
            slot.check()
        async with limiter.slot(KEY, priority=okx.Priority.PANIC) as slot:
            slot.refund()
        async with limiter.slot(KEY) as slot:
            slot.settle()
        with pytest.raises(ZeroDivisionError):
            async with limiter.slot(KEY):
                raise ZeroDivisionError
        with pytest.raises(okx.SlotTimeoutError):
            async with limiter.slot(KEY, max_wait=0.0):
                pass

    waits = play(script).waits
    assert [(wait.fate, wait.served is None) for wait in waits] == [
        ("settled", False),
        ("refunded", False),
        ("settled", False),
        ("in doubt", False),
        ("", True),
    ]
    assert {wait.call for wait in waits} == {"c1"}
    assert waits[1].joined == 1000.0
    assert waits[1].served == pytest.approx(1002.003)
    assert waits[4].left is not None


def test_everything_else_is_passed_on() -> None:
    async def script(loop: VirtualLoop, limiter: WatchedLimiter) -> None:
        assert limiter.linger == 7.003
        await limiter.block(KEY, 5.0)
        assert limiter.limiter.statistics(KEY).blocked_until == loop.clock() + 5.0
        await limiter.aclose()
        with pytest.raises(RuntimeError):
            async with limiter.slot(KEY):
                pass

    play(script)


def test_those_who_listen_are_told_in_the_step_in_which_a_slot_is_served() -> None:
    told: list[int] = []

    async def script(_: VirtualLoop, limiter: WatchedLimiter) -> None:
        limiter.listeners.append(lambda: told.append(len(limiter.standing)))
        async with limiter.slot(KEY):
            pass

    play(script)
    assert told == [0]


@pytest.mark.parametrize("broken", [True, False])
def test_a_wait_beside_a_free_token_is_seen(*, broken: bool) -> None:
    async def script(_: VirtualLoop, limiter: WatchedLimiter) -> None:
        limiter.start_idle_checks(0.1, 0.02)
        async with limiter.slot(KEY):
            pass

        async def one() -> None:
            async with limiter.slot(KEY):
                pass

        waiting = asyncio.ensure_future(one())
        await asyncio.sleep(0)
        if broken:  # the timer of the key is lost
            queue = limiter.limiter._registry.queues[KEY]
            assert queue._timer is not None
            queue._timer.cancel()
        await asyncio.sleep(4)
        limiter.stop_idle_checks()
        limiter.stop_idle_checks()  # once is enough
        waiting.cancel()
        await asyncio.wait({waiting})

    assert bool(play(script).idle) is broken
