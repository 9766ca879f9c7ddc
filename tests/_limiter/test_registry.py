"""The owner of a key: loops one after another, at once, in threads, and across a fork."""

import asyncio
import multiprocessing
import threading
import time
import warnings
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import pytest

from okx_async import Limiter, NotSentError, Quota
from okx_async._limiter import limiter as _limiter
from okx_async._limiter.bucket import Rule
from okx_async._limiter.limiter import default_limiter
from okx_async._limiter.registry import KeyRegistry
from tests._limiter.scenes import Clock

REMEDY = "give each its own Limiter"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> Limiter:
    return Limiter(Quota(3, 2.0), clock=clock)


def in_a_new_loop(job: Coroutine[object, object, None]) -> None:
    with asyncio.Runner() as runner:
        runner.run(job)


async def hold(limiter: Limiter, key: str = "k") -> None:
    await limiter.slot(key).__aenter__()


async def use(limiter: Limiter, key: str = "k") -> None:
    async with limiter.slot(key, max_wait=0):
        pass


def test_a_new_loop_adopts_what_a_closed_one_left_with_its_tokens_in_doubt(limiter: Limiter, clock: Clock) -> None:
    in_a_new_loop(use(limiter))
    in_a_new_loop(hold(limiter))  # in flight when its loop was closed
    in_a_new_loop(use(limiter))
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
    in_a_new_loop(use(limiter))
    slot.refund()  # late: its token is in doubt already
    statistics = limiter.statistics("k")
    assert (statistics.free, statistics.in_flight, statistics.cooling) == (1, 0, 2)


def test_a_stopped_loop_hands_over_cooling_tokens_but_nothing_in_flight(limiter: Limiter) -> None:
    stopped = asyncio.new_event_loop()
    stopped.run_until_complete(use(limiter))
    in_a_new_loop(use(limiter))
    assert limiter.statistics("k").cooling == 2
    stopped.run_until_complete(hold(limiter, "other"))
    with pytest.raises(RuntimeError, match=REMEDY):
        in_a_new_loop(use(limiter, "other"))
    stopped.close()


def test_a_second_running_loop_is_refused_but_for_its_own_keys(limiter: Limiter) -> None:
    async def first() -> None:
        await hold(limiter)
        await use(limiter, "cooling")
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as pool:
            for key in ("k", "cooling"):
                with pytest.raises(RuntimeError, match=REMEDY):
                    await loop.run_in_executor(pool, in_a_new_loop, use(limiter, key))
            await loop.run_in_executor(pool, in_a_new_loop, use(limiter, "free for all"))

    in_a_new_loop(first())


def test_an_idle_key_may_move_to_another_running_loop(limiter: Limiter, clock: Clock) -> None:
    async def first() -> None:
        await use(limiter)
        clock.now += 2.1
        await use(limiter, "another")  # forgets the idle "k"
        await asyncio.get_running_loop().run_in_executor(None, in_a_new_loop, use(limiter))

    in_a_new_loop(first())
    assert limiter.statistics("k").cooling == 1


def test_an_idle_key_is_forgotten_by_its_own_loop_only(limiter: Limiter, clock: Clock) -> None:
    async def look() -> None:
        limiter._registry.sweep(9)

    async def first() -> None:
        await use(limiter)
        clock.now += 2.1
        await asyncio.get_running_loop().run_in_executor(None, in_a_new_loop, look())
        assert "k" in limiter._registry.queues  # this loop's thread may be about to take a token of it
        await look()
        assert not limiter._registry.queues

    in_a_new_loop(first())


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


def test_a_loop_that_moved_to_another_thread_keeps_its_keys() -> None:
    limiter = Limiter(Quota(2, 1000.0))
    first = asyncio.new_event_loop()
    first.run_until_complete(limiter.slot("k", max_wait=0).__aenter__())
    elsewhere = threading.Thread(target=first.run_forever)
    elsewhere.start()
    try:
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), first).result(5)
        with pytest.raises(RuntimeError, match=REMEDY):
            in_a_new_loop(use(limiter))
        assert limiter.statistics("k").in_flight == 1
    finally:
        first.call_soon_threadsafe(first.stop)
        elsewhere.join()
        first.close()


def test_threads_making_keys_at_once_get_one_owner_for_each() -> None:
    limiter = Limiter(Quota(1, 1000.0))
    barrier = threading.Barrier(4)
    owned: list[str] = []

    async def claim() -> None:
        barrier.wait()
        for i in range(200):
            try:
                await limiter.slot(f"k{i}", max_wait=0).__aenter__()
            except (RuntimeError, TimeoutError):
                continue
            owned.append(f"k{i}")
        barrier.wait()  # all loops run until all have tried: a closed loop's keys may be adopted

    threads = [threading.Thread(target=in_a_new_loop, args=(claim(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(owned) == sorted(f"k{i}" for i in range(200))


def _child(limiter: Limiter, results: "multiprocessing.Queue[str]") -> None:
    for key in ("parent's", "idle", "new"):
        try:
            in_a_new_loop(use(limiter, key))
            results.put("ok")
        except RuntimeError as exc:
            results.put(str(exc))


@pytest.mark.parametrize("running", [False, True], ids=["between runs", "inside a running loop"])
def test_a_forked_child_is_refused_the_keys_that_its_parent_uses(
    limiter: Limiter, clock: Clock, *, running: bool
) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()

    async def parent() -> None:
        await use(limiter, "idle")
        await use(limiter, "parent's")
        clock.now += 1.5
        await use(limiter, "parent's")
        clock.now += 1.0  # both are known still, one of them is idle
        assert "idle" in limiter._registry.queues
        if running:
            fork()

    def fork() -> None:
        child = context.Process(target=_child, args=(limiter, results))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: forking with threads; that is the subject
            child.start()
        child.join()

    in_a_new_loop(parent())
    if not running:
        fork()
    refused, *granted = (results.get(timeout=10) for _ in range(3))
    assert "when this process was forked" in refused
    assert REMEDY in refused
    assert granted == ["ok", "ok"]
    results.close()


async def test_a_key_with_waiters_only_is_refused_after_a_fork(limiter: Limiter, clock: Clock) -> None:
    await limiter.block("k", 1.0, refused=False)
    waiter = asyncio.ensure_future(hold(limiter))
    await asyncio.sleep(0)
    clock.now += 1.1  # its time has come, the timer has not fired: no token is out, no block stands
    registry = limiter._registry
    assert registry.queues["k"].bucket.idle(clock.now)
    registry.after_fork()
    with pytest.raises(RuntimeError, match="when this process was forked"):
        registry.queue("k")
    waiter.cancel()
    await asyncio.wait([waiter])


def test_the_default_limiter_is_one_for_the_process() -> None:
    assert default_limiter() is default_limiter()
    assert default_limiter().quota == Quota(20, 2.0)


def test_rules_of_equal_quotas_are_one_object(clock: Clock) -> None:
    async def rules() -> list[Rule]:
        registry = KeyRegistry(Rule(Quota()), clock)
        return [registry.queue(key, Quota(7, 3.0)).bucket.rule for key in "ab"]

    first, second = asyncio.run(rules())
    assert first is second


def test_threads_that_ask_at_the_same_moment_get_one_default_limiter(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow() -> Limiter:
        time.sleep(0.05)
        return Limiter()

    monkeypatch.setattr(_limiter, "_default_limiter", lru_cache(maxsize=1)(slow))
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: default_limiter(), range(8)))) == 1
