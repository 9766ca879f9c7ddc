import asyncio
import gc
import pickle
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from okx_async import InvalidRequestError, NotSentError, Priority, Quota, SlotTimeoutError
from okx_async.stores import SqliteLimiter

KEY = ("live", "1", "BTC-USDT-SWAP")


@pytest.fixture
async def limiter(tmp_path: Path) -> AsyncIterator[SqliteLimiter]:
    made = SqliteLimiter(tmp_path / "limits.sqlite3", Quota(2, 0.3))
    yield made
    await made.aclose()


async def free(limiter: SqliteLimiter) -> bool:
    try:
        async with limiter.slot(KEY, max_wait=0) as slot:
            slot.refund()
    except SlotTimeoutError:
        return False
    return True


async def test_two_limiters_of_one_file_share_the_limit(limiter: SqliteLimiter) -> None:
    other = SqliteLimiter(limiter.path, Quota(2, 0.3))
    async with limiter.slot(KEY), other.slot(KEY):
        assert not await free(limiter)
        assert not await free(other)
    await other.aclose()


async def test_a_refusal_that_one_program_met_blocks_all(limiter: SqliteLimiter) -> None:
    other = SqliteLimiter(limiter.path, Quota(2, 0.3))
    await limiter.block(KEY, 0.5)
    begun = time.monotonic()
    async with limiter.slot(KEY, max_wait=2.0) as slot:
        slot.refund()
    assert time.monotonic() - begun > 0.45
    await limiter.block(KEY, 5.0, refused=False)
    assert not await free(limiter)
    assert not await free(other)
    assert limiter.statistics(KEY).refused == 1
    await other.aclose()


async def test_panic_goes_ahead_of_the_waiters_of_other_programs(limiter: SqliteLimiter) -> None:
    other = SqliteLimiter(limiter.path, Quota(2, 0.3))
    order: list[str] = []

    async def want(source: SqliteLimiter, name: str, priority: Priority = Priority.NORMAL) -> None:
        async with source.slot(KEY, priority=priority) as slot:
            order.append(name)
            slot.settle()

    for _ in range(2):
        async with limiter.slot(KEY):
            pass
    tasks = []
    for name in ("1", "2", "3"):
        tasks.append(asyncio.create_task(want(limiter, name)))
        await asyncio.sleep(0.02)
    tasks.append(asyncio.create_task(want(other, "panic", Priority.PANIC)))
    await asyncio.gather(*tasks)
    assert order.index("panic") <= 1  # two come back at the same moment, to two programs
    await other.aclose()


async def test_check_demands_that_the_lease_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = SqliteLimiter(tmp_path / "limits.sqlite3", lease=8.0)
    async with limiter.slot(KEY) as slot:
        slot.check()
        slot.check(7.5)
        with pytest.raises(NotSentError, match=r"the slot was lost: 7.* s of its lease are left, 8 s may be needed"):
            slot.check(8.0)
        clock = limiter._agent.clock
        monkeypatch.setattr(limiter._agent, "clock", lambda: clock() + 1.5)
        slot.check(6.0)
        with pytest.raises(NotSentError, match="nothing was sent"):
            slot.check()
        monkeypatch.setattr(limiter._agent, "wall", lambda: time.time() + 9.0)  # it was asleep
        with pytest.raises(NotSentError, match=r"0.000 s of its lease"):
            slot.check(0.5)
        slot.settle()
        with pytest.raises(RuntimeError):
            slot.check(0.0)
    await limiter.aclose()


async def test_a_slot_is_for_a_single_use(limiter: SqliteLimiter) -> None:
    slot = limiter.slot(KEY)
    async with slot:
        with pytest.raises(RuntimeError, match="single use"):
            await slot.__aenter__()


@pytest.mark.parametrize("key", ["k", 1, ("a", 1), None])
async def test_keys_are_tuples_of_texts(limiter: SqliteLimiter, key: Any) -> None:
    with pytest.raises(InvalidRequestError, match="tuple of texts"):
        limiter.slot(key)
    with pytest.raises(InvalidRequestError, match="tuple of texts"):
        await limiter.block(key, 1.0)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"lease": 0}, "lease must be a positive number"),
        ({"doubt_grace": -1}, "doubt_grace must be"),
        ({"rtt_floor": 3.0}, "rtt_floor must be below"),
        ({"doubt_grace": True}, "doubt_grace must be"),
        ({"guard": []}, "guard must be"),
        ({"quota": 20}, "quota must be a Quota"),
        ({"quota": []}, "quota must be a Quota"),
        ({"path": "limits\ud800"}, "path must be a path"),
        ({"path": ""}, "path must be a path"),
        ({"path": 3}, "path must be a path"),
        ({"path": "limits\0"}, "path must be a path"),
        ({"path": "~a user that is not there/limits"}, "no home directory is known for '~a user that is not there'"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path: Path, options: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidRequestError, match=text):
        SqliteLimiter(**{"path": tmp_path / "x", **options})


@pytest.mark.parametrize("home", ["", "me"])
def test_a_path_in_a_home_that_is_no_absolute_path_is_refused(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    monkeypatch.setenv("HOME", home)
    with pytest.raises(InvalidRequestError, match=f"HOME is '{home}', no absolute path"):
        SqliteLimiter("~/limits")


def test_a_place_that_must_not_be_used_is_refused_when_the_limiter_is_made(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "x")
    with pytest.raises(InvalidRequestError, match="symbolic link"):
        SqliteLimiter(tmp_path / "link")


async def test_numbers_of_another_library_are_taken(tmp_path: Path) -> None:
    class Float64(float):
        """As numpy's, which no record can hold."""

    lease, grace, guard = Float64(8.0), Float64(5.0), Float64(0.003)
    made = SqliteLimiter(tmp_path / "limits", Quota(2, Float64(2.0)), lease=lease, doubt_grace=grace, guard=guard)
    async with made.slot(KEY, max_wait=Float64(1.0)):
        pass
    await made.aclose()


async def test_a_file_that_cannot_be_used_grants_nothing(tmp_path: Path) -> None:
    path = tmp_path / "limits.sqlite3"
    path.write_bytes(b"x" * 4096)
    path.chmod(0o600)
    limiter = SqliteLimiter(path)
    for priority in Priority:
        with pytest.raises(NotSentError, match=r"nothing was sent: .*damaged or no SQLite file"):
            await limiter.slot(KEY, priority=priority).__aenter__()
    with pytest.raises(NotSentError, match="damaged"):
        await limiter.vouch()
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidRequestError, match=r"symbolic link.*nothing was sent"):
        await limiter.slot(KEY).__aenter__()
    with pytest.raises(InvalidRequestError, match="symbolic link"):
        await limiter.vouch()
    path.unlink()
    async with limiter.slot(KEY):  # it needs no restart
        pass
    await limiter.vouch()
    await limiter.aclose()


async def test_no_wait_is_longer_than_max_wait_while_another_program_holds_the_file(limiter: SqliteLimiter) -> None:
    assert await free(limiter)
    held, release = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        held.set()
        release.wait(10.0)

    other = SqliteLimiter(limiter.path, Quota(2, 0.3))
    other._agent.call(hold, lambda _: None)
    await asyncio.to_thread(held.wait)
    begun = time.monotonic()
    with pytest.raises(SlotTimeoutError, match="did not answer within max_wait; nothing was sent"):
        await limiter.slot(KEY, max_wait=0.1).__aenter__()
    await limiter.block(KEY, 0.01)
    assert time.monotonic() - begun < 1.0
    with pytest.raises(NotSentError, match="another program holds its lock"):
        await limiter.slot(KEY).__aenter__()
    assert time.monotonic() - begun < 3.5
    release.set()
    await other.aclose()
    await asyncio.sleep(0.7)
    assert await free(limiter)


async def test_the_event_loop_never_touches_the_file(limiter: SqliteLimiter, monkeypatch: pytest.MonkeyPatch) -> None:
    here = threading.get_ident()
    threads = []
    real = limiter._agent._database.transact

    def transact(*arguments: Any) -> object:
        threads.append(threading.get_ident())
        return real(*arguments)

    monkeypatch.setattr(limiter._agent._database, "transact", transact)
    async with limiter.slot(KEY):
        pass
    await limiter.block(KEY, 0.01)
    limiter.statistics(KEY)
    assert threads
    assert here not in threads


async def test_a_limiter_that_is_dropped_ends_its_thread(tmp_path: Path) -> None:
    limiter = SqliteLimiter(tmp_path / "limits.sqlite3")
    async with limiter.slot(KEY):
        pass
    thread = limiter._agent.worker._inbox.thread
    assert thread is not None
    del limiter
    gc.collect()
    await asyncio.to_thread(thread.join, 5.0)
    assert not thread.is_alive()


def test_a_limiter_goes_to_another_process_as_its_arguments(tmp_path: Path) -> None:
    limiter = SqliteLimiter(tmp_path / "x", Quota(5, 1.0), lease=9.0, rtt_floor=0.01, doubt_grace=30.0, guard=0.004)
    other = pickle.loads(pickle.dumps(limiter))  # noqa: S301 - our own
    assert (other.path, other.quota, other.lease, other._terms) == (limiter.path, limiter.quota, 9.0, limiter._terms)
    assert (
        other.linger == pytest.approx(36.0, abs=0.03) == pytest.approx(limiter.linger, abs=1.0) or other.linger > 30.0
    )
    assert repr(limiter) == f"<SqliteLimiter 5 per 1 s: {limiter.path}>"


async def test_a_closed_limiter_grants_nothing(limiter: SqliteLimiter) -> None:
    await limiter.aclose()
    with pytest.raises(RuntimeError, match="closed"):
        await limiter.slot(KEY).__aenter__()
    with pytest.raises(RuntimeError, match="closed"):
        await limiter.block(KEY, 1.0)
