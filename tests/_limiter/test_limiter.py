"""The limiter in virtual time: the loop's clock jumps to the next timer, and the limiter reads the same clock."""

from __future__ import annotations

import asyncio
import math
import random
from itertools import pairwise
from typing import Any, cast

import pytest

from okx_async import InvalidRequestError, Limiter, NotSentError, Priority, Quota, SlotSource, SlotTimeoutError
from okx_async._limiter.slots import Statistics
from okx_async.simulator.virtual.jumping_loop import JumpingLoop

pytestmark = pytest.mark.virtual

NORMAL, PANIC = Priority.NORMAL, Priority.PANIC
FULL = Statistics(20, 20, 20, 0, 0, 0, 0, 0, 0.0)


def now() -> float:
    return asyncio.get_running_loop().time()


def timers() -> int:
    """Count the live timers of the loop."""
    return len(cast("JumpingLoop", asyncio.get_running_loop()).timers())


async def steps(count: int = 3) -> None:
    """Let everything that is ready run, without time passing."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
async def limiter() -> Limiter:
    return Limiter(clock=asyncio.get_running_loop().time)


async def use(limiter: SlotSource, key: str = "k", *, rtt: float = 0.1, priority: Priority = NORMAL) -> float:
    async with limiter.slot(key, priority=priority):
        begun = now()
        await asyncio.sleep(rtt)
    return begun


def one(limit: int = 1, per: float = 2.0, reserve: int = 0) -> Limiter:
    return Limiter(Quota(limit, per, reserve), clock=asyncio.get_running_loop().time, guard=0.0)


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
            with pytest.raises(SlotTimeoutError):
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
