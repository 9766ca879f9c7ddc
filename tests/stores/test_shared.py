"""What SqliteLimiter and RedisLimiter have in common; the rest is in test_sqlite, test_redis_worker and conformance."""

import asyncio
import gc
from pathlib import Path

import pytest

from okx_async import InvalidRequestError, Priority, Quota
from okx_async.stores import SqliteLimiter
from okx_async.stores.reports import report


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
