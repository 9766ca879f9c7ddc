"""A store that fails in the midst of what is asked of it, that is damaged, or that forgot."""

import asyncio
from math import inf
from pathlib import Path
from typing import Any

import pytest

from okx_async import InvalidRequestError, NotSentError, SlotTimeoutError
from okx_async.stores import SqliteLimiter
from okx_async.stores._agent.waiters import Note, Waiter
from okx_async.stores._agent.worker import RETRY
from okx_async.stores._sqlite.transactions import Database
from okx_async.stores.store import BusyError, StoreError
from tests.stores.host import COOL, KEY, QUOTA, TERMS, Host, due, ended, turn
from tests.stores.threads import no_threads


@pytest.mark.parametrize(
    ("failure", "kind", "text"),
    [
        (
            StoreError("x: the disk is full"),
            NotSentError,
            "the limits cannot be kept, nothing was sent: x: the disk is full",
        ),
        (BusyError("x: locked"), NotSentError, "x: locked"),
        (InvalidRequestError("x: a link"), InvalidRequestError, "x: a link; nothing was sent"),
        (ZeroDivisionError("a bug"), NotSentError, "a bug"),
    ],
)
async def test_a_store_that_fails_ends_the_waits_and_gets_the_notes_later(
    host: Host, failure: Exception, kind: type[Exception], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = host.worker()
    held = host.waiter(worker)
    turn(worker)
    real = worker._database.transact

    def fails(*_: object) -> None:
        raise failure

    monkeypatch.setattr(worker._database, "transact", fails)
    worker.note(KEY, Note("settle", held.token, host.now))
    settled = host.now
    waiters = [host.waiter(worker), host.waiter(worker, panic=True)]
    turn(worker)
    for waiter in waiters:
        error = await ended(waiter)
        assert isinstance(error, kind)
        assert text in str(error)
    assert due(worker) == host.now + RETRY
    monkeypatch.setattr(worker._database, "transact", real)
    host.now += 1.0
    worker._hot[KEY] = worker.keys[KEY]
    turn(worker)
    [token] = worker.keys[KEY].out(worker.holder).values()
    assert token.cooling
    assert token.free_at == pytest.approx(settled + COOL, abs=0.001)


async def test_notes_that_cannot_matter_any_more_are_dropped(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = host.worker()
    held = host.waiter(worker)
    turn(worker)

    def fails(*_: object) -> None:
        raise StoreError("gone")

    monkeypatch.setattr(worker._database, "transact", fails)
    worker.note(KEY, Note("settle", held.token, host.now))
    worker.note(KEY, Note("block", "", host.now, 1000.0))
    turn(worker)
    host.now += 60.0
    worker._hot[KEY] = worker.keys[KEY]
    turn(worker)
    assert [note.kind for note in worker.keys[KEY].notes] == ["block"]


async def test_one_damaged_key_stops_no_other(host: Host) -> None:
    worker = host.worker()
    first = host.waiter(worker)
    turn(worker)
    database = worker._database
    assert isinstance(database, Database)
    connection = database._connection
    assert connection is not None
    connection.execute("INSERT INTO keys VALUES ('[\"bad\"]', 1e9, x'00')")
    loop = asyncio.get_running_loop()
    bad = Waiter("w", ("bad",), QUOTA, False, inf, True, loop, loop.create_future())  # noqa: FBT003
    worker.join(bad)
    worker.leave(first)
    good = host.waiter(worker)
    turn(worker)
    assert isinstance(await ended(bad), NotSentError)
    assert await ended(good) is None


async def test_a_store_that_forgot_hears_what_is_out_before_anything_is_asked(host: Host) -> None:
    worker = host.worker()
    host.waiter(worker)
    turn(worker)
    for path in host.path.parent.iterdir():
        path.unlink()
    host.now += 1.0
    waiter = host.waiter(worker, host.now, stays=False)
    turn(worker)
    assert isinstance(await ended(waiter), SlotTimeoutError)
    other = host.worker()
    waiter = host.waiter(other, host.now, stays=False)
    turn(other)
    assert isinstance(await ended(waiter), SlotTimeoutError)


async def test_a_store_that_lost_its_memory_grants_nothing_for_a_hold(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    worker = host.worker()
    worker.attempt(lambda _: None)
    worker._database.close()
    copy = host.path.with_name("copy")
    copy.write_bytes(host.path.read_bytes())
    copy.chmod(0o600)
    copy.rename(host.path)
    lost = host.now
    waiter = host.waiter(worker)
    turn(worker)
    host.now = lost + TERMS.hold(QUOTA) - 0.5
    worker._hot[KEY] = worker.keys[KEY]
    turn(worker)
    assert await ended(waiter) == "waits"
    worker._notices.join(5.0)
    assert "nothing is granted for" in caplog.text
    host.now += 1.0
    worker._hot[KEY] = worker.keys[KEY]
    turn(worker)
    assert await ended(waiter) is None


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
        assert len(worker.keys[key].out(worker.holder)) == 1


async def test_an_error_that_is_not_expected_ends_the_waits_and_not_the_thread(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = host.worker()
    monkeypatch.setattr("okx_async.stores._agent.worker.time.sleep", lambda _: None)
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


async def test_without_a_thread_nothing_is_granted_and_later_it_is(tmp_path: Path) -> None:
    limiter = SqliteLimiter(tmp_path / "limits.sqlite3")

    with no_threads(), pytest.raises(NotSentError, match="no thread can begin"):
        await limiter.slot(KEY).__aenter__()
    async with asyncio.timeout(5.0), limiter.slot(KEY):
        pass
    await limiter.aclose()
