"""What SqliteLimiter and RedisLimiter have in common; the rest is in test_sqlite, _redis/ and conformance."""

import asyncio
import gc
import sqlite3
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from okx_async import Client, InvalidRequestError, NotSentError, Priority, Quota
from okx_async.simulator import SimulatedExchange
from okx_async.stores import RedisLimiter, SqliteLimiter
from okx_async.stores._redis.reports import report_server
from okx_async.stores.reports import report
from tests.stores.servers import Server
from tests.stores.threads import no_threads


@pytest.fixture(params=["file", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return where limits stand that programs share."""
    if request.param == "file":
        yield f"{tmp_path / 'limits.sqlite3'}"
        return
    server = Server()
    report_server(server.url, vouch=True)
    yield server.url
    server.close()


def limiter_at(place: str) -> SqliteLimiter | RedisLimiter:
    """Return the limiter of another program."""
    return RedisLimiter(place) if "://" in place else SqliteLimiter(place)


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


async def test_a_key_that_no_store_can_hold_is_refused_and_not_asked_for(tmp_path: Path) -> None:
    """The thread met it at each try, and logged a traceback twice a second until its token would have been back."""
    limiter = SqliteLimiter(tmp_path / "limits.sqlite3")
    with pytest.raises(InvalidRequestError, match="UTF-8 cannot"):
        limiter.slot(("key", "caf\udce9"))
    with pytest.raises(InvalidRequestError, match="UTF-8 cannot"):
        await limiter.block(("\ud83d", "\ude00"), 1.0)
    async with limiter.slot(("ключ", "\U0001f600", "\0")):
        pass
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


async def test_it_says_whether_an_exit_goes_on_without_its_store(place: str) -> None:
    limiter = limiter_at(place)
    assert limiter.goes_on_alone is place.startswith("redis")
    await limiter.aclose()


async def test_what_one_program_tells_the_others_recall(place: str) -> None:
    first, second = limiter_at(place), limiter_at(place)
    assert await second.recall("who") is None
    first.remember("who", "12 µ")
    async with asyncio.timeout(5.0):
        while (found := await second.recall("who")) is None:  # noqa: ASYNC110 - told in a thread
            await asyncio.sleep(0.01)
    assert found == "12 µ"
    first.remember("who", "13")
    assert await first.recall("who") == "13"  # in the order in which it was told
    assert await first.recall("other") is None
    async with first.slot(("key",)):
        assert second.keys() == []
    for limiter in (first, second):
        await limiter.aclose()
    with pytest.raises(NotSentError, match="closed"):
        await first.recall("who")
    first.remember("who", "after its end")


async def test_programs_of_one_api_key_that_start_at_once_are_one_to_the_exchange(place: str) -> None:
    """account/config answers five of them in 2 s; the others counted by API key, and the limit was 40."""
    async with SimulatedExchange(latency=0.01) as exchange, AsyncExitStack() as stack:
        exchange.open_position("BTC-USDT-SWAP", 9)
        programs = [
            await stack.enter_async_context(
                Client(exchange.credentials, base_url=exchange.base_url, limiter=limiter_at(place))
            )
            for _ in range(7)
        ]
        closes = [one.close_position("BTC-USDT-SWAP", "cross") for _ in range(4) for one in programs]
        await asyncio.gather(*closes, return_exceptions=True)
        assert exchange.rejections == []
        assert exchange.worst_window() == 20
        for one in programs:
            await one.limiter.aclose()
