"""The waits of the limiter in virtual time: their limits, cancellation, and very many of them."""

import asyncio
import math
import random
from itertools import pairwise

import pytest

from okx_async import InvalidRequestError, Limiter, NotSentError, SlotTimeoutError
from tests._limiter.scenes import NORMAL, PANIC, now, one, steps, timers, use

pytestmark = pytest.mark.virtual


class TestMaxWait:
    async def test_zero_means_only_if_free_now(self) -> None:
        limiter = one()
        async with limiter.slot("k", max_wait=0):
            slot = limiter.slot("k", max_wait=0)
            with pytest.raises(SlotTimeoutError) as caught:
                slot.__aenter__().send(None)  # at once: without suspending
        assert caught.value.wait == 2.0
        assert isinstance(caught.value, NotSentError)
        await asyncio.sleep(2.0)
        async with limiter.slot("k", max_wait=0):
            pass

    async def test_it_fails_at_once_when_no_slot_can_be_had_in_time(self) -> None:
        limiter = one()
        async with limiter.slot("k"):
            ahead = [asyncio.ensure_future(use(limiter, rtt=0.0)) for _ in range(2)]
            await steps()
            with pytest.raises(SlotTimeoutError) as caught:  # in flight: 2 s, two ahead: 2 s each
                await limiter.slot("k", max_wait=5.9).__aenter__()
            assert caught.value.wait == pytest.approx(6.0)
            assert now() == 0.0
            late = asyncio.ensure_future(limiter.slot("k", max_wait=6.1).__aenter__())
            await steps()
            assert not late.done()
        await asyncio.gather(*ahead)
        (await late).refund()
        assert now() == pytest.approx(6.0, abs=0.01)

    async def test_it_ends_a_wait_at_its_time_and_others_go_on(self) -> None:
        limiter = one()
        async with limiter.slot("k"):
            short = asyncio.ensure_future(limiter.slot("k", max_wait=3.0).__aenter__())
            long = asyncio.ensure_future(use(limiter))
            await asyncio.sleep(5.0)  # the answer is late
            assert short.done()
            with pytest.raises(SlotTimeoutError):
                await short
            assert limiter.statistics("k").waiting == 1
        assert await long == 7.0

    async def test_it_ends_at_its_very_time(self) -> None:
        limiter = one()
        async with limiter.slot("k"):
            words = "'k': no slot within max_wait=2.5 s, which ends before the earliest possible one, 2.000 s from now"
            with pytest.raises(SlotTimeoutError, match=words):
                await limiter.slot("k", max_wait=2.5).__aenter__()
            assert now() == pytest.approx(2.5, abs=0.002)

    async def test_nothing_is_granted_after_its_time_when_the_loop_was_held_up(self) -> None:
        limiter = one()
        async with limiter.slot("k"):
            pass
        late = asyncio.ensure_future(limiter.slot("k", max_wait=2.5).__aenter__())
        patient = asyncio.ensure_future(use(limiter))
        await steps()
        queue = limiter._registry.queue("k")
        assert queue._timer is not None
        queue._timer.cancel()
        await asyncio.sleep(3.0)  # the token is back since 2.0, unseen
        queue._on_timer()
        with pytest.raises(SlotTimeoutError):
            await late
        assert await patient == 3.0

    async def test_a_wait_that_is_just_possible_is_not_refused(self, limiter: Limiter) -> None:
        slots = [limiter.slot("k") for _ in range(20)]
        for slot in slots:
            await slot.__aenter__()
        await asyncio.sleep(0.7)
        waiter = asyncio.ensure_future(limiter.slot("k", max_wait=2.003).__aenter__())  # per + guard, to the bit
        await steps()
        assert not waiter.done()
        slots[0].refund()
        (await waiter).refund()

    async def test_a_block_beyond_it_ends_the_wait_at_once(self) -> None:
        limiter = one()
        async with limiter.slot("k"):
            waiter = asyncio.ensure_future(limiter.slot("k", max_wait=3.0).__aenter__())
            await steps()
            await limiter.block("k", 4.0)
            with pytest.raises(SlotTimeoutError) as caught:
                await waiter
            assert (now(), caught.value.wait) == (0.0, 4.0)

    async def test_panic_does_not_count_the_waiters_it_goes_ahead_of(self) -> None:
        limiter = one()
        async with limiter.slot("k"):
            ahead = asyncio.ensure_future(use(limiter))
            await steps()
            panic = asyncio.ensure_future(limiter.slot("k", priority=PANIC, max_wait=2.1).__aenter__())
            await steps()
        (await panic).refund()
        assert await ahead == pytest.approx(2.0)

    @pytest.mark.parametrize("value", [-1, math.nan])
    async def test_nonsense_is_refused(self, limiter: Limiter, value: float) -> None:
        with pytest.raises(InvalidRequestError, match="max_wait"):
            limiter.slot("k", max_wait=value)

    async def test_deadlines_of_waiters_long_served_are_not_kept(self) -> None:
        limiter = one(per=0.001)
        held = asyncio.ensure_future(use(limiter, rtt=1000.0))
        await steps()
        tasks = [asyncio.ensure_future(limiter.slot("k", max_wait=9999.0).__aenter__()) for _ in range(500)]
        await steps()
        for task in tasks[1:]:
            task.cancel()
        await steps()
        assert len(limiter._registry.queue("k")._deadlines) < 50
        await held
        (await tasks[0]).refund()


class TestCancellation:
    @pytest.mark.parametrize("handed", [False, True], ids=["queued", "handed over"])
    async def test_a_cancelled_waiter_leaves_its_token_to_the_next(self, *, handed: bool) -> None:
        limiter = one()
        slot = limiter.slot("k")
        await slot.__aenter__()
        first, second = (asyncio.ensure_future(use(limiter, rtt=0.0)) for _ in range(2))
        await steps()
        if handed:
            slot.refund()
        first.cancel()
        if not handed:
            slot.refund()
        assert await second == 0.0
        assert first.cancelled()

    async def test_at_hand_over_a_newcomer_gets_nothing(self) -> None:
        limiter = one()
        slot = limiter.slot("k")
        await slot.__aenter__()
        waiter = asyncio.ensure_future(use(limiter, rtt=0.0))
        await steps()
        slot.refund()  # the waiter holds the token now, but has not run
        with pytest.raises(SlotTimeoutError):
            await limiter.slot("k", max_wait=0).__aenter__()
        assert await waiter == 0.0

    async def test_asyncio_timeout_at_the_moment_of_hand_over_loses_nothing(self) -> None:
        limiter = one(per=1.0)
        async with limiter.slot("k"):
            pass
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0), limiter.slot("k"):
                await asyncio.sleep(9.0)
        later = limiter.statistics("k")
        assert later.free + later.in_flight + later.cooling == 1
        await asyncio.sleep(6.0)
        assert limiter.statistics("k").free == 1

    @pytest.mark.parametrize("seed", range(20))
    async def test_any_subset_at_any_moment(self, seed: int) -> None:
        limiter, rng = one(limit=3), random.Random(seed)
        served: list[int] = []

        async def waiter(i: int) -> None:
            async with limiter.slot("k", priority=PANIC if i % 5 == 0 else NORMAL, max_wait=rng.choice([None, 30.0])):
                served.append(i)
                await asyncio.sleep(rng.choice([0.0, 0.1, 0.5]))

        tasks = [asyncio.ensure_future(waiter(i)) for i in range(60)]
        victims = rng.sample(range(60), 30)
        for i in victims:
            # Moments between steps, and the very moments at which tokens come back.
            await asyncio.sleep(rng.choice([0.0, 0.0, 0.1, 2.0 - now() % 2.0]))
            tasks[i].cancel()
            statistics = limiter.statistics("k")
            assert statistics.free + statistics.in_flight + statistics.cooling == 3
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(result) for result in results} <= {type(None), asyncio.CancelledError, SlotTimeoutError}
        for priority in (True, False):
            lane = [i for i in served if (i % 5 == 0) is priority and i not in victims]
            assert lane == sorted(lane)
        await asyncio.sleep(7.1)
        assert limiter.statistics("k").free == 3
        assert timers() == 0


async def test_ten_thousand_waiters_and_half_of_them_gone(limiter: Limiter) -> None:
    limiter = one(limit=1000)
    tasks = [asyncio.ensure_future(use(limiter)) for _ in range(10_000)]
    await steps()
    assert limiter.statistics("k").waiting == 9_000
    for task in tasks[1::2]:
        task.cancel()
    await asyncio.wait(tasks)
    begun = [task.result() for task in tasks[::2]]
    assert begun == sorted(begun)
    # 1,000 at once, of which half were cancelled in flight and are in doubt for 7 s; 4,500 more follow.
    assert all(later - earlier < 7.2 for earlier, later in pairwise(begun))
    await asyncio.sleep(9.0)
    assert limiter.statistics("k").free == 1000
