"""What SqliteLimiter and RedisLimiter have in common; the rest is in test_sqlite, test_redis_worker and conformance."""

import asyncio
import gc
import sqlite3
from pathlib import Path

import pytest

from okx_async import InvalidRequestError, NotSentError, Priority, Quota
from okx_async.stores import SqliteLimiter
from okx_async.stores.reports import report
from tests.stores.threads import no_threads


async def test_a_slot_of_a_store_that_answers_is_rescued_by_nothing(tmp_path: Path) -> None:
    limiter = SqliteLimiter(tmp_path / "limits.sqlite3", Quota(1, 0.3))
    for _ in range(2):  # the second waits for longer than a look at the store
        async with limiter.slot(("key",), priority=Priority.PANIC):
            pass
    assert limiter.statistics(("key",)).granted <= 2
    await limiter.aclose()


@pytest.mark.parametrize("key", ["key", ("key", 1), ["key"], None])
async def test_a_key_must_be_a_tuple_of_texts(tmp_path: Path, key: object) -> None:
    limiter = SqliteLimiter(tmp_path / "limits.sqlite3")
    with pytest.raises(InvalidRequestError, match="must be a tuple of texts"):
        limiter.slot(key)
    await limiter.aclose()


async def test_a_slot_outlives_the_limiter_that_it_was_asked_of(tmp_path: Path) -> None:
    path = tmp_path / "limits.sqlite3"
    async with SqliteLimiter(path).slot(("key",)):
        gc.collect()
    gc.collect()
    async with asyncio.timeout(5.0):
        while report(path).keys[0].in_flight:  # noqa: ASYNC110 - what became of it is told all the same, in a thread
            await asyncio.sleep(0.01)


async def test_a_vouch_that_nobody_waits_for_any_more_ends_no_wait_of_another_loop(tmp_path: Path) -> None:
    limiter, path = SqliteLimiter(tmp_path / "limits.sqlite3", Quota(1, 1.0)), tmp_path / "limits.sqlite3"
    async with limiter.slot(("key",)):
        pass
    waiting = asyncio.create_task(limiter.slot(("key",)).__aenter__())
    async with asyncio.timeout(5.0):
        while not limiter.statistics(("key",)).waiting:  # noqa: ASYNC110 - in a thread
            await asyncio.sleep(0.01)
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")

    async def impatient() -> None:
        async with asyncio.timeout(0.05):
            await limiter.vouch()

    with pytest.raises(TimeoutError):
        await asyncio.to_thread(asyncio.run, impatient())
    writer.execute("COMMIT")
    writer.close()
    async with asyncio.timeout(5.0):
        (await waiting).refund()
        await limiter.vouch()
    await limiter.aclose()


async def test_a_vouch_ends_though_no_thread_can_begin_or_the_limiter_is_closed_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = SqliteLimiter(tmp_path / "limits.sqlite3")

    with no_threads(), pytest.raises(NotSentError, match="no thread can begin"):
        await asyncio.wait_for(limiter.vouch(), 5.0)

    def closed_right_before(_: object) -> bool:  # by another thread, so that nothing calls this any more
        limiter._agent.closed = True
        return True

    monkeypatch.setattr(limiter._agent.worker, "post", closed_right_before)
    with pytest.raises(NotSentError, match="the limiter was closed"):
        await asyncio.wait_for(limiter.vouch(), 5.0)
