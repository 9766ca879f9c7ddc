"""The agent at a store in memory: its messages take time, are lost, and are repeated with the ids of the first one."""

import asyncio
from random import Random

import pytest

from okx_async import NotSentError, Quota, SlotTimeoutError
from okx_async.simulator import Network, VirtualLoop, run
from okx_async.stores.lease import Terms
from okx_async.torture.sharing.memory_store import MemoryStore
from okx_async.torture.sharing.side_loop import SideLoop
from okx_async.torture.sharing.store_worker import PATIENCE, Post, StoreLimiter, StoreWorker

TERMS = Terms(8.0, 5.0, 0.003)
QUOTA = Quota(2, 2.0)


def program(world: VirtualLoop, post: Post) -> tuple[StoreLimiter, SideLoop]:
    """Return the limiter of a program at a store, and its loop."""
    store, side = MemoryStore(world.clock, TERMS), SideLoop(world)

    def make(_: object) -> StoreWorker:
        return StoreWorker(store, side, "p", QUOTA, TERMS, world.clock, world.clock, post=post, rng=Random(1))

    return StoreLimiter(make, QUOTA, TERMS, world.clock, world.clock), side


async def waited(post: Post, *, stops: bool = False) -> tuple[float, str]:
    """Return how long a program waited for a slot and what it was told; a lost answer leaves its token out."""
    world = asyncio.get_running_loop()
    assert isinstance(world, VirtualLoop)
    limiter, side = program(world, post)
    told: list[tuple[float, str]] = []

    async def use() -> None:
        begun = world.clock()
        try:
            async with limiter.slot(("k",), max_wait=30.0) as slot:
                took = world.clock() - begun
                if stops:
                    side.stop_program()
                    world.call_later(9.0, side.go_on)
                    await asyncio.sleep(0.0)
                slot.check(1.0)
                told.append((took, "granted"))
        except SlotTimeoutError:
            raise
        except NotSentError as error:
            told.append((world.clock() - begun, str(error)))

    task = side.create_task(use())
    await asyncio.sleep(40.0)
    assert task.done()
    side.kill()
    side.bury()
    await asyncio.sleep(1.0)
    side.end()
    return told[0]


def result(post: Post, *, stops: bool = False) -> tuple[float, str]:
    return run(lambda _: waited(post, stops=stops), VirtualLoop(Network()))


def test_a_newcomer_waits_a_window_and_a_message_takes_its_time() -> None:
    took, told = result(Post())
    assert told == "granted"
    assert took == pytest.approx(2.003, abs=0.01)
    assert 2.003 < result(Post(delay=0.2))[0] < 2.9


def test_a_message_whose_first_answer_is_lost_brings_a_slot_all_the_same() -> None:
    took, told = result(Post(repeated=1.0))
    assert told == "granted"
    assert 2.003 <= took < 2.003 + 3 * PATIENCE


def test_a_message_that_is_lost_ends_the_wait() -> None:
    took, told = result(Post(down=True))
    assert "no answer of the store" in told
    assert took == pytest.approx(PATIENCE)


def test_a_program_that_was_stopped_for_its_lease_has_lost_its_slot() -> None:
    assert "the slot was lost" in result(Post(), stops=True)[1]


async def recalled(post: Post, *, closed: bool = False) -> tuple[float, object]:
    """Return how long a program waited for what it had told before, and what it was told."""
    world = asyncio.get_running_loop()
    assert isinstance(world, VirtualLoop)
    limiter, side = program(world, post)
    told: list[tuple[float, object]] = []

    async def ask() -> None:
        limiter.remember("who", "me")
        if closed:
            await limiter.aclose()
        begun = world.clock()
        try:
            found: object = await limiter.recall("who")
        except NotSentError as error:
            found = str(error)
        told.append((world.clock() - begun, found))

    task = side.create_task(ask())
    await asyncio.sleep(10.0)
    assert task.done()
    side.kill()
    side.end()
    return told[0]


def test_what_is_told_and_asked_takes_its_time_and_may_be_lost() -> None:
    took, found = run(lambda _: recalled(Post()), VirtualLoop(Network()))
    assert found == "me"
    assert took == pytest.approx(0.0)
    took, found = run(lambda _: recalled(Post(delay=0.2)), VirtualLoop(Network()))
    assert found == "me"
    assert 0.0 < took < 0.8
    took, found = run(lambda _: recalled(Post(down=True)), VirtualLoop(Network()))
    assert took == pytest.approx(2 * PATIENCE)
    assert "no answer of the store" in str(found)
    assert "closed" in str(run(lambda _: recalled(Post(), closed=True), VirtualLoop(Network()))[1])
