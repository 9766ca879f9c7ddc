"""A limiter whose thread hangs at the server, in a resolver for instance: no time-out of a connection ends that."""

import time
from collections.abc import AsyncIterator

import pytest

from okx_async import Priority, SlotTimeoutError
from tests.stores._redis.test_worker import KEY, Scene, use
from tests.stores.servers import Server


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene(Server())
    yield made
    for limiter in made.made:
        await limiter.aclose()
    made.server.close()


async def test_panic_has_one_token_a_window(scene: Scene) -> None:
    limiter = await scene.ready()
    with limiter._agent.worker.lock:
        for _ in range(3):
            assert await use(limiter, Priority.PANIC) < 1.0


async def test_a_block_holds_at_once(scene: Scene) -> None:
    limiter = await scene.ready()
    with limiter._agent.worker.lock:
        await limiter.block(KEY, 1.0)
        assert await use(limiter, Priority.PANIC) > 0.9


async def test_the_block_of_another_program_holds_on(scene: Scene) -> None:
    limiter, other = await scene.ready(), await scene.ready()
    begun = time.monotonic()
    await other.block(KEY, 1.5)
    await other.aclose()
    with pytest.raises(SlotTimeoutError):
        await use(limiter, max_wait=0)
    with limiter._agent.worker.lock:
        await use(limiter, Priority.PANIC)
    assert time.monotonic() > begun + 1.4
