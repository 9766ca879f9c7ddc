"""The loops that use a key: one after another, at once, and what each leaves behind."""

import asyncio
import threading
from contextlib import AbstractAsyncContextManager

import pytest

from okx_async import Limiter, NotSentError, Quota, Slot, SlotTimeoutError
from okx_async._limiter.bucket import Rule
from okx_async._limiter.registry import KeyRegistry
from tests._limiter.scenes import Clock, Elsewhere, hold, in_a_new_loop, steps, take


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> Limiter:
    return Limiter(Quota(3, 2.0), clock=clock)


def test_a_new_loop_adopts_what_a_closed_one_left_with_its_tokens_in_doubt(limiter: Limiter, clock: Clock) -> None:
    in_a_new_loop(take(limiter))
    in_a_new_loop(hold(limiter))  # in flight when its loop was closed
    in_a_new_loop(take(limiter))
    statistics = limiter.statistics("k")
    assert (statistics.free, statistics.in_flight, statistics.cooling) == (0, 0, 3)
    clock.now += 2.1
    assert limiter.statistics("k").free == 2
    clock.now += 5.0
    assert limiter.statistics("k").free == 3


def test_a_late_mark_of_a_closed_loops_slot_changes_nothing_for_the_new_owner(limiter: Limiter) -> None:
    slot = limiter.slot("k")

    async def enter() -> None:
        await slot.__aenter__()

    in_a_new_loop(enter())
    in_a_new_loop(take(limiter))
    slot.refund()  # late: its token is in doubt already
    statistics = limiter.statistics("k")
    assert (statistics.free, statistics.in_flight, statistics.cooling) == (1, 0, 2)


def test_a_stopped_loop_has_lost_what_it_had_in_flight(limiter: Limiter, clock: Clock) -> None:
    stopped = asyncio.new_event_loop()
    slot = limiter.slot("k")
    stopped.run_until_complete(slot.__aenter__())
    in_a_new_loop(take(limiter))
    assert limiter.statistics("k").cooling == 2
    with pytest.raises(NotSentError, match="lost while its loop did not run"):
        slot.check()
    slot.refund()  # it is in doubt already, and stays so
    clock.now += 2.1
    assert limiter.statistics("k").free == 2
    clock.now += 5.0
    assert limiter.statistics("k").free == 3
    stopped.close()


def test_a_stopped_loop_keeps_its_slot_if_no_other_asks(limiter: Limiter) -> None:
    stopped = asyncio.new_event_loop()
    slot = limiter.slot("k")
    stopped.run_until_complete(slot.__aenter__())
    in_a_new_loop(take(limiter, "another"))
    slot.check(5.0)
    slot.refund()
    assert limiter.statistics("k").free == 3
    stopped.close()


def test_the_waits_of_a_loop_that_was_stopped_begin_anew_when_it_runs_again() -> None:
    limiter = Limiter(Quota(1, 0.05))
    with Elsewhere() as first:
        first.run(hold(limiter))
        waiter = first.begin(take(limiter, max_wait=None))
        late = first.begin(take(limiter, max_wait=7.5))  # as long as the token is in doubt, at least
        first.run(steps())
        first.stop()
        in_a_new_loop(take(limiter, max_wait=9.0))
        assert not waiter.done()
        first.go_on(asyncio.wait_for(asyncio.wrap_future(waiter, loop=first.loop), 10))
        first.go_on(asyncio.wait_for(asyncio.wrap_future(late, loop=first.loop), 10))


def test_a_stopped_loop_that_used_a_key_last_leaves_no_second_bucket(limiter: Limiter) -> None:
    async def enter(slot: AbstractAsyncContextManager[Slot]) -> Slot:
        return await slot.__aenter__()

    async def refund(slot: Slot) -> None:
        slot.refund()

    with Elsewhere() as one, Elsewhere() as two:
        held = one.run(enter(limiter.slot("k")))
        for _ in range(2):
            two.run(take(limiter))
        waiting = one.begin(enter(limiter.slot("k")))
        one.run(steps())
        with pytest.raises(SlotTimeoutError):
            two.run(take(limiter))
        two.stop()
        one.run(refund(held))
        waiting.result(10)  # served when the other loop was found stopped
        with pytest.raises(SlotTimeoutError):
            one.run(take(limiter))
        assert limiter.statistics("k").free == 0
        assert limiter.keys() == ["k"]


def test_two_loops_that_run_at_once_have_one_bucket(limiter: Limiter) -> None:
    with Elsewhere() as one, Elsewhere() as two:
        one.run(hold(limiter))
        two.run(hold(limiter))
        one.run(hold(limiter))
        for loop in (one, two):
            with pytest.raises(SlotTimeoutError):
                loop.run(take(limiter))
        found = limiter.statistics("k")
        assert (found.in_flight, found.granted, found.free) == (3, 3, 0)
        assert limiter.keys() == ["k"]


def test_an_idle_key_may_be_forgotten_by_any_loop(limiter: Limiter, clock: Clock) -> None:
    with Elsewhere() as one, Elsewhere() as two:
        one.run(take(limiter))
        clock.now += 2.1
        two.run(take(limiter, "another"))
        assert list(limiter._registry.queues) == ["another"]
        one.run(take(limiter))
        assert limiter.statistics("k").cooling == 1


def test_every_key_is_looked_at_again_whichever_loops_used_it(limiter: Limiter, clock: Clock) -> None:
    with Elsewhere() as one, Elsewhere() as two:
        for _ in range(3):
            one.run(take(limiter))
            two.run(take(limiter, "other"))
            two.run(take(limiter))
            clock.now += 2.1
        assert len(limiter._registry._sweep_order) <= 3
    assert limiter.keys() == []
    assert not limiter._registry.queues


def test_a_coroutine_that_is_collected_in_another_thread_gives_its_token_back(limiter: Limiter) -> None:
    async def hang() -> None:
        async with limiter.slot("k"):
            await asyncio.get_running_loop().create_future()

    with Elsewhere() as one:
        coroutine = hang()

        async def begin() -> None:
            coroutine.send(None)

        one.run(begin())
        assert limiter.statistics("k").in_flight == 1
        coroutine.close()  # in this thread
        assert limiter.statistics("k").cooling == 1


def test_what_is_collected_in_the_midst_of_a_grant_can_give_its_slot_back(limiter: Limiter) -> None:
    slot = limiter.slot("k")

    async def both() -> None:
        await slot.__aenter__()
        with limiter._registry.lock:  # as it is held while a queue allocates
            slot.settle()

    in_a_new_loop(both())
    assert limiter.statistics("k").cooling == 1


def test_a_key_is_forgotten_with_the_loop_in_which_it_was_waited_for(limiter: Limiter) -> None:
    async def join() -> asyncio.Task[None]:
        await limiter.block("k", 1.0, refused=False)
        task = asyncio.ensure_future(hold(limiter))
        await asyncio.sleep(0)
        return task

    gone = asyncio.new_event_loop()
    task = gone.run_until_complete(join())
    limiter._clock.now += 1.1  # type: ignore[attr-defined]
    limiter._registry.sweep(1)
    assert "k" in limiter._registry.queues  # the loop may run again
    assert limiter.statistics("k").waiting == 1
    gone.close()
    assert limiter.statistics("k").waiting == 0
    limiter._registry.sweep(1)
    assert not limiter._registry.queues
    task._log_destroy_pending = False  # type: ignore[attr-defined]


def test_closing_ends_the_waits_of_every_loop(limiter: Limiter) -> None:
    raised: list[BaseException] = []
    standing = threading.Event()

    async def wait() -> None:
        await hold(limiter, "theirs")
        await limiter.block("theirs", 1000.0)
        asyncio.get_running_loop().call_soon(standing.set)
        try:
            await hold(limiter, "theirs")
        except NotSentError as error:
            raised.append(error)

    async def join(key: str) -> None:
        await limiter.block(key, 1000.0)
        tasks.append(asyncio.ensure_future(hold(limiter, key)))
        await asyncio.sleep(0)

    tasks: list[asyncio.Task[None]] = []
    gone = asyncio.new_event_loop()
    gone.run_until_complete(join("left behind"))
    tasks[0]._log_destroy_pending = False  # type: ignore[attr-defined]
    gone.close()
    elsewhere = threading.Thread(target=in_a_new_loop, args=(wait(),))
    elsewhere.start()
    assert standing.wait(5)
    in_a_new_loop(limiter.aclose())
    elsewhere.join(5)
    assert not elsewhere.is_alive()
    assert [str(error) for error in raised] == ["'theirs': the limiter was closed, nothing was sent"]
    assert not tasks[0].done()


def test_rules_of_equal_quotas_are_one_object(clock: Clock) -> None:
    async def rules() -> list[Rule]:
        registry = KeyRegistry(Rule(Quota()), clock)
        return [registry.queue(key, Quota(7, 3.0)).bucket.rule for key in "ab"]

    first, second = asyncio.run(rules())
    assert first is second
