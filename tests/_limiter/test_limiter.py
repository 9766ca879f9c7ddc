"""The limiter in virtual time: the loop's clock jumps to the next timer, and the limiter reads the same clock."""

import asyncio
import copy
import math
import pickle
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from okx_async import InvalidRequestError, Limiter, NotSentError, Quota, SlotTimeoutError
from okx_async._limiter.slots import Statistics
from tests._limiter.scenes import now, one, steps, timers, use

pytestmark = pytest.mark.virtual

FULL = Statistics(20, 20, 20, 0, 0, 0, 0, 0, 0.0)


async def test_sixty_closes_go_out_in_three_rounds(limiter: Limiter) -> None:
    begun = await asyncio.gather(*(use(limiter) for _ in range(60)))
    assert begun[:20] == [0.0] * 20
    assert begun[20:40] == pytest.approx([2.103] * 20, abs=0.002)
    assert begun[40:] == pytest.approx([4.206] * 20, abs=0.004)


async def test_a_free_slot_is_given_and_given_back_without_suspending(limiter: Limiter) -> None:
    slot = limiter.slot("k")
    for step in (slot.__aenter__(), slot.__aexit__(None, None, None)):
        with pytest.raises(StopIteration):
            step.send(None)  # a coroutine that finishes at its first step


class TestFate:
    """The token after the end of the block."""

    async def test_normal_exit_settles(self, limiter: Limiter) -> None:
        async with limiter.slot("k"):
            assert limiter.statistics("k") == Statistics(20, 20, 19, 1, 0, 0, 1, 0, 0.0)
        assert limiter.statistics("k") == Statistics(20, 20, 19, 0, 1, 0, 1, 0, 0.0)
        await asyncio.sleep(2.002)
        assert limiter.statistics("k").cooling == 1
        await asyncio.sleep(0.002)
        assert limiter.statistics("k") == FULL

    @pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError, KeyboardInterrupt, SystemExit])
    async def test_any_exception_leaves_it_in_doubt(self, limiter: Limiter, error: type[BaseException]) -> None:
        with pytest.raises(error):
            async with limiter.slot("k"):
                raise error
        await asyncio.sleep(7.0)
        assert limiter.statistics("k").cooling == 1
        await asyncio.sleep(0.004)
        assert limiter.statistics("k") == FULL

    async def test_a_waiter_gets_a_doubtful_token_when_its_time_has_come(self) -> None:
        limiter = one()
        with pytest.raises(ValueError, match="lost"):  # noqa: PT012
            async with limiter.slot("k"):
                waiter = asyncio.ensure_future(use(limiter))
                await steps()
                raise ValueError("lost")
        assert await waiter == pytest.approx(7.0)

    async def test_a_mark_before_the_exit_decides(self, limiter: Limiter) -> None:
        with pytest.raises(ValueError, match="x"):  # noqa: PT012
            async with limiter.slot("settled") as slot:
                slot.settle()
                raise ValueError("x")
        with pytest.raises(ValueError, match="x"):  # noqa: PT012
            async with limiter.slot("refunded") as slot:
                slot.refund()
                raise ValueError("x")
        assert limiter.statistics("refunded") == FULL
        await asyncio.sleep(2.004)
        assert limiter.statistics("settled") == FULL

    @pytest.mark.parametrize("first", ["settle", "refund"])
    @pytest.mark.parametrize("second", ["settle", "refund"])
    async def test_a_second_mark_is_an_error_that_changes_nothing(
        self, limiter: Limiter, first: str, second: str
    ) -> None:
        async with limiter.slot("k"), limiter.slot("k") as slot:
            getattr(slot, first)()
            before = limiter.statistics("k")
            with pytest.raises(RuntimeError, match="marked before"):
                getattr(slot, second)()
            assert limiter.statistics("k") == before

    async def test_marks_outside_the_block_and_a_second_use_are_errors(self, limiter: Limiter) -> None:
        slot = limiter.slot("k")
        with pytest.raises(RuntimeError, match="not held"):
            slot.settle()
        async with slot:
            slot.check()
        with pytest.raises(RuntimeError, match="marked before"):
            slot.refund()
        with pytest.raises(RuntimeError, match="single use"):
            await slot.__aenter__()
        assert limiter.statistics("k").cooling == 1


class TestRest:
    """What is left when there are no waiters."""

    async def test_one_timer_a_key_and_none_at_rest(self, limiter: Limiter) -> None:
        assert timers() == 0
        for _ in range(20):
            async with limiter.slot("k"):
                pass
        assert timers() == 0  # all are cooling, no task waits
        tasks = [asyncio.ensure_future(limiter.slot(key, max_wait=9.0).__aenter__()) for key in "kkkkk"]
        await steps()
        assert timers() == 1
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert timers() == 0

    async def test_an_idle_key_is_forgotten(self, limiter: Limiter) -> None:
        for i in range(1000):
            async with limiter.slot(i):
                pass
        assert len(limiter._registry.queues) == 1000
        await asyncio.sleep(3.0)
        for i in range(500):  # each new key looks at two old ones
            async with limiter.slot(f"new {i}"):
                pass
        assert len(limiter._registry.queues) == 500
        await asyncio.sleep(3.0)
        assert repr(limiter) == "<Limiter 20 per 2 s: 0 keys, 0 in flight, 0 waiting>"
        assert not limiter._registry.queues
        assert not limiter._registry._sweep_order

    async def test_a_refunded_key_is_forgotten_at_once(self, limiter: Limiter) -> None:
        async with limiter.slot("k") as slot:
            slot.refund()
        assert not limiter._registry.queues

    async def test_unknown_keys_are_full_zero_records(self, limiter: Limiter) -> None:
        assert limiter.statistics("never used") == FULL
        assert not limiter._registry.queues


async def test_repr_is_one_line_of_what_is_now() -> None:
    limiter = one(limit=2)
    async with limiter.slot("a"), limiter.slot("a"), limiter.slot("b"):
        waiter = asyncio.ensure_future(use(limiter, "a"))
        await steps()
        assert repr(limiter) == "<Limiter 2 per 2 s: 2 keys, 3 in flight, 1 waiting>"
        waiter.cancel()
        await asyncio.wait([waiter])


class TestQuota:
    async def test_another_quota_for_a_key(self, limiter: Limiter) -> None:
        quota = Quota(5, 2.0)
        async with limiter.slot("k", quota=quota):
            assert limiter.statistics("k").limit == 5
            async with limiter.slot("k", quota=Quota(5, 2.0)):  # an equal one is no other
                assert limiter.statistics("k").free == 3
            for other in (Quota(6, 2.0), None):
                with pytest.raises(ValueError, match="in use with"):
                    await limiter.slot("k", quota=other).__aenter__()

    async def test_a_blocked_key_without_tokens_out_may_still_get_its_quota(self, limiter: Limiter) -> None:
        await limiter.block("k", 1.0)
        async with limiter.slot("k", quota=Quota(5, 2.0)):
            assert now() == pytest.approx(1.0)
            await limiter.block("k", 2.0)  # of whatever quota

    async def test_a_blocked_key_with_waiters_keeps_its_quota(self, limiter: Limiter) -> None:
        await limiter.block("k", 1.0)
        waiter = asyncio.ensure_future(use(limiter))
        await steps()
        with pytest.raises(ValueError, match="in use with"):
            await limiter.slot("k", quota=Quota(5, 2.0)).__aenter__()
        await waiter

    async def test_a_longer_window_begins_with_its_own_requests(self, limiter: Limiter) -> None:
        longer = Quota(20, 10.0)
        for _ in range(2):
            await asyncio.gather(*(use(limiter, rtt=0.0) for _ in range(20)))
            await asyncio.sleep(2.1)  # idle again, whether the registry has checked it or not

        async def under(quota: Quota) -> float:
            async with limiter.slot("k", quota=quota):
                return now()

        begun = sorted(await asyncio.gather(*(under(longer) for _ in range(60))))
        assert all(late - early > 10.0 for early, late in zip(begun, begun[20:], strict=False))
        assert begun[0] == pytest.approx(4.2)

    @pytest.mark.parametrize("quota", [0, [], [1], "x", (20, 2.0)])
    async def test_what_is_no_quota_is_refused(self, limiter: Limiter, quota: Any) -> None:
        with pytest.raises(InvalidRequestError, match="quota must be a Quota"):
            limiter.slot("k", quota=quota)


@pytest.mark.parametrize("clock", [None, 1.0, asyncio.sleep])
def test_a_clock_that_is_none_is_refused(clock: Any) -> None:
    with pytest.raises(InvalidRequestError, match="clock must be"):
        Limiter(clock=clock)


@pytest.mark.parametrize("now", [math.nan, math.inf, None, "1", True, Decimal(1), Fraction(1)])
def test_a_clock_that_tells_no_seconds_is_refused(now: Any) -> None:
    with pytest.raises(InvalidRequestError, match="clock must return a finite number of seconds, and returned"):
        Limiter(clock=lambda: now)


def test_a_clock_that_cannot_be_read_yet_is_taken() -> None:
    async def main() -> int:
        async with limiter.slot("key"):
            return limiter.statistics("key").in_flight

    limiter = Limiter(clock=lambda: asyncio.get_running_loop().time())
    assert asyncio.run(main()) == 1


async def test_aclose_ends_every_wait_and_every_later_one() -> None:
    limiter = one()
    async with limiter.slot("k"):
        waiter = asyncio.ensure_future(use(limiter))
        await steps()
        await limiter.aclose()
        with pytest.raises(NotSentError, match="closed"):
            await waiter
        for key in ("k", "other"):
            with pytest.raises(RuntimeError, match="closed"):
                await limiter.slot(key).__aenter__()


@pytest.mark.parametrize("start", [-1e9, -1000.0, 0.0, 1e9])
async def test_a_monotonic_clock_has_no_zero(start: float) -> None:
    loop = asyncio.get_running_loop()
    limiter = Limiter(Quota(1, 2.0), clock=lambda: start + loop.time())
    begun = loop.time()
    for _ in range(2):
        async with limiter.slot("key", max_wait=5.0):
            pass
    assert round(loop.time() - begun, 3) == 2.003
    assert limiter.statistics("key").blocked_until == 0.0
    await limiter.block("key", 3.0)
    with pytest.raises(SlotTimeoutError):
        async with limiter.slot("key", max_wait=2.5):
            pass


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_what_would_be_a_second_limiter_is_refused_with_what_to_do(copied: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match=r"make one in each process.*OKX_LIMITS=sqlite:"):
        copied(Limiter())
