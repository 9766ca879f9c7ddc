"""A store that fails in the midst of what is asked of it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from okx_async import NotSentError
from okx_async.stores import SqliteLimiter
from okx_async.stores.transactions import StoreError
from tests.stores.test_worker import KEY, Host, ended, turn


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    with made.opened:
        yield made


async def test_what_a_lost_message_asked_for_is_given_back(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was about two keys, and is repeated for each of them: with other tokens, and the first ones may be out."""
    worker = host.worker()
    one = host.waiter(worker)
    other = host.waiter(worker, key=("other",))
    real = worker._database.transact
    failures = [StoreError("no answer came")]

    def transact(work: Any, until: float) -> Any:
        result = real(work, until)
        if failures:
            raise failures.pop()
        return result

    monkeypatch.setattr(worker._database, "transact", transact)
    turn(worker)
    assert (await ended(one), await ended(other)) == (None, None)
    for key in (KEY, ("other",)):
        assert len(worker.keys[key].out) == 1


async def test_an_error_that_is_not_expected_ends_the_waits_and_not_the_thread(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = host.worker()
    monkeypatch.setattr("okx_async.stores.worker.time.sleep", lambda _: None)
    monkeypatch.setattr(worker._inbox, "take", lambda _: None)
    first, other = host.waiter(worker), host.waiter(worker, key=("other",))
    real, turns = worker._answered, iter([1])

    def answered(*args: Any) -> Any:
        if next(turns, None) is None:
            raise SystemExit("of a log's handler")
        return real(*args)

    def rounds() -> None:
        if not worker._hot:
            worker._stop()

    monkeypatch.setattr(worker, "_answered", answered)
    monkeypatch.setattr(worker, "_look_at_due", lambda _: rounds())
    worker._run()
    assert await ended(first) is None, "the store had granted it before the error"
    assert "SystemExit" in str(await ended(other))


async def test_without_a_thread_nothing_is_granted_and_later_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = SqliteLimiter(tmp_path / "limits.sqlite3")

    def refuse(_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr("threading.Thread.start", refuse)
        with pytest.raises(NotSentError, match="no thread can begin"):
            await limiter.slot(KEY).__aenter__()
    async with asyncio.timeout(5.0), limiter.slot(KEY):
        pass
    await limiter.aclose()
