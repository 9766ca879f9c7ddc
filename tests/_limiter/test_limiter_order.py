"""The order in which the limiter serves waiters, in virtual time, and keys that it blocks."""

import asyncio
import math

import pytest

from okx_async import InvalidRequestError, Limiter, Priority, SlotTimeoutError
from tests._limiter.scenes import NORMAL, PANIC, now, one, steps, use

pytestmark = pytest.mark.virtual


class TestOrder:
    async def test_first_come_first_served(self, limiter: Limiter) -> None:
        order: list[int] = []

        async def waiter(i: int) -> None:
            async with limiter.slot("k"):
                order.append(i)

        await asyncio.gather(*(waiter(i) for i in range(100)))
        assert order == list(range(100))

    async def test_panic_goes_ahead_of_every_normal_waiter(self) -> None:
        limiter, order = one(), []

        async def waiter(name: str, priority: Priority) -> None:
            async with limiter.slot("k", priority=priority):
                order.append(name)

        async with limiter.slot("k"):
            lanes = [("n1", NORMAL), ("p1", PANIC), ("n2", NORMAL), ("p2", PANIC)]
            tasks = [asyncio.ensure_future(waiter(*lane)) for lane in lanes]
            await steps()
        await asyncio.gather(*tasks)
        assert order == ["p1", "p2", "n1", "n2"]

    async def test_a_newcomer_does_not_overtake_when_the_timer_is_late(self) -> None:
        limiter, order = one(), []

        async def waiter(name: str) -> None:
            async with limiter.slot("k"):
                order.append(name)

        async with limiter.slot("k"):
            pass
        first = asyncio.ensure_future(waiter("first"))
        await steps()
        queue = limiter._registry.queue("k")
        assert queue._timer is not None
        queue._timer.cancel()  # as if the loop were too busy to fire it
        await asyncio.sleep(3.0)
        assert order == []
        await asyncio.gather(waiter("newcomer"), first)
        assert order == ["first", "newcomer"]

    async def test_a_newcomer_may_take_a_token_that_no_waiter_needs(self) -> None:
        # It may run before the waiter that was handed a token in this very turn: both have one.
        limiter = one(limit=2)
        held = [limiter.slot("k") for _ in range(2)]
        for slot in held:
            await slot.__aenter__()
        waiter = asyncio.ensure_future(limiter.slot("k").__aenter__())
        await steps()
        for slot in held:
            slot.refund()
        assert not waiter.done()
        newcomer = limiter.slot("k", max_wait=0)
        await newcomer.__aenter__()
        with pytest.raises(SlotTimeoutError):
            await limiter.slot("k", max_wait=0).__aenter__()
        newcomer.refund()
        (await waiter).refund()
        assert now() == 0.0

    async def test_the_reserve_waits_for_panic(self) -> None:
        limiter = one(limit=2, reserve=1)
        async with limiter.slot("k"):
            normal = asyncio.ensure_future(use(limiter))
            await steps()
            assert limiter.statistics("k").waiting == 1
            assert await use(limiter, priority=PANIC, rtt=0.0) == 0.0
        assert await normal == 2.0

    async def test_keys_never_delay_one_another(self, limiter: Limiter) -> None:
        crowd = [asyncio.ensure_future(use(limiter, "crowded")) for _ in range(500)]
        await steps()
        assert await asyncio.gather(*(use(limiter, f"k{i}") for i in range(50))) == [0.0] * 50
        for task in crowd:
            task.cancel()
        await asyncio.wait(crowd)


class TestBlock:
    async def test_nothing_is_granted_before_its_time_and_it_only_moves_later(self, limiter: Limiter) -> None:
        await limiter.block("k", 5.0)
        await limiter.block("k", 1.0)
        assert await use(limiter) == pytest.approx(5.0)
        assert limiter.statistics("k").refused == 2

    async def test_a_pause_is_no_refusal(self, limiter: Limiter) -> None:
        await limiter.block("k", 2.0, refused=False)
        assert limiter.statistics("k").refused == 0
        assert limiter.statistics("k").blocked_until == 2.0
        assert await use(limiter) == pytest.approx(2.0)

    async def test_waiters_wait_for_the_end_of_a_block_that_comes_later(self, limiter: Limiter) -> None:
        tasks = [asyncio.ensure_future(use(limiter)) for _ in range(21)]
        await asyncio.sleep(1.0)
        await limiter.block("k", 9.0)
        assert (await asyncio.gather(*tasks))[20] == pytest.approx(10.0, abs=0.002)

    async def test_refusals_in_consecutive_windows_halve_what_is_usable(self, limiter: Limiter) -> None:
        for usable in (20, 10, 5):
            await use(limiter, rtt=0.1)
            await limiter.block("k", 2.0)
            assert limiter.statistics("k").usable == usable
        begun = sorted(await asyncio.gather(*(use(limiter) for _ in range(11))))
        # Five at once; a clean window later one is given back; then the five answers' own window is over.
        assert [round(at - begun[0], 1) for at in begun] == [0.0] * 5 + [2.0] + [2.1] * 5

    @pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf])
    async def test_nonsense_is_refused(self, limiter: Limiter, seconds: float) -> None:
        with pytest.raises(InvalidRequestError, match="seconds"):
            await limiter.block("k", seconds)
