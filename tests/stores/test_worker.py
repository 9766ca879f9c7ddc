"""The thread at a store, step by step on a clock that the test sets: its turns are called here, not by the thread."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from math import inf
from pathlib import Path
from typing import Any

import pytest

from okx_async import InvalidRequestError, NotSentError, Quota, SlotTimeoutError
from okx_async.stores.lease import Terms
from okx_async.stores.transactions import BusyError, Database, StoreError
from okx_async.stores.waiters import Key, Note, Waiter
from okx_async.stores.worker import RETRY, SOON, Worker

KEY = ("k",)
QUOTA = Quota(1, 2.0)
TERMS = Terms()
COOL = 2.003


class Host:
    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        self.wall = 5000.0
        self.path = folder / "limits.sqlite3"
        self.numbers = 0
        self.transactions = 0
        self.opened = ExitStack()

    def worker(self, terms: Terms = TERMS) -> Worker:
        host = self

        class Counted(Database):
            def transact(self, work: Callable[..., Any], until: float) -> Any:
                host.transactions += 1
                host.now += 0.125  # it takes its time
                return super().transact(work, until)

        database = Counted(self.path, terms, clock=lambda: self.now, boot=lambda: "boot")
        self.opened.callback(database.close)
        return Worker(database, QUOTA, lambda: self.now, lambda: self.wall)

    def waiter(
        self, worker: Worker, deadline: float = inf, *, panic: bool = False, stays: bool = True, key: Key = KEY
    ) -> Waiter:
        loop = asyncio.get_running_loop()
        self.numbers += 1
        waiter = Waiter(
            f"{worker.holder}.{self.numbers:012}", key, QUOTA, panic, deadline, stays, loop, loop.create_future()
        )
        worker.join(waiter)
        return waiter


def turn(worker: Worker) -> None:
    """Do what is to be done now, or soon."""
    worker._hot.update({key: local for key, local in worker.keys.items() if local.notes})
    while worker._hot:
        worker._turn([worker._hot.pop(key) for key in list(worker._hot)])


def due(worker: Worker) -> float:
    return worker.keys[KEY].due


async def ended(waiter: Waiter) -> object:
    """Return how a wait ended; "waits" if it did not."""
    await asyncio.sleep(0)
    return waiter.future.result() if waiter.future.done() else "waits"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    with made.opened:
        yield made


async def test_the_lease_counts_from_before_the_ask(host: Host) -> None:
    worker = host.worker()
    waiter = host.waiter(worker)
    turn(worker)
    assert await ended(waiter) is None
    assert waiter.lease is not None
    assert (waiter.lease.asked, waiter.lease.wall, waiter.lease.length) == (1000.0, 5000.0, 8.0)
    [token] = worker.keys[KEY].out.values()
    assert token.at == 1000.125


async def test_a_waiter_asks_again_when_its_token_is_back_and_with_a_new_lease(host: Host) -> None:
    worker = host.worker()
    first, second = host.waiter(worker), host.waiter(worker)
    turn(worker)
    assert await ended(second) == "waits"
    worker.note(KEY, Note("settle", first.token, host.now))
    settled = host.now
    turn(worker)
    host.now = settled + COOL + 0.001
    worker._hot[KEY] = worker.keys[KEY]
    turn(worker)
    assert await ended(second) is None
    assert second.lease is not None
    assert second.lease.asked == pytest.approx(settled + COOL + 0.001)
    assert second.token != first.token


async def test_ends_of_requests_are_told_soon_and_together_and_all_else_at_once(host: Host) -> None:
    worker = host.worker()
    waiter = host.waiter(worker)
    turn(worker)
    for at in (host.now - 0.1, host.now):
        worker.note(KEY, Note("settle", waiter.token, at))
    assert not worker._hot
    assert due(worker) == host.now + SOON
    worker.note(KEY, Note("block", "", host.now, 1.0))
    assert list(worker._hot) == [KEY]


async def test_a_waiter_that_left_frees_its_place_or_its_token(host: Host) -> None:
    worker = host.worker()
    first, second, third = (host.waiter(worker) for _ in range(3))
    turn(worker)
    worker.leave(second)
    worker.leave(first)  # granted, and cancelled before it ran
    turn(worker)
    assert await ended(third) is None
    assert await ended(second) == "waits"


async def test_a_waiter_that_left_before_it_joined_gets_nothing(host: Host) -> None:
    worker = host.worker()
    waiter = host.waiter(worker)
    waiter.left = True
    worker.keys.clear()
    worker._hot.clear()
    worker.join(waiter)
    assert isinstance(await ended(waiter), NotSentError)
    assert not worker._hot


async def test_a_wait_that_cannot_end_in_time_ends_at_once(host: Host) -> None:
    worker = host.worker()
    host.waiter(worker)
    turn(worker)
    hopeless, hopeful = host.waiter(worker, host.now + 1.0), host.waiter(worker, host.now + 9.0)
    asks_only = host.waiter(worker, host.now, stays=False)
    turn(worker)
    error = await ended(hopeless)
    assert isinstance(error, SlotTimeoutError)
    assert error.wait == pytest.approx(COOL, abs=0.3)
    assert await ended(hopeful) == "waits"
    host.now += 20.0
    worker._hot[KEY] = worker.keys[KEY]
    turn(worker)
    assert isinstance(await ended(asks_only), SlotTimeoutError)


async def test_a_deadline_that_has_passed_ends_the_wait_though_a_token_may_come(host: Host) -> None:
    worker = host.worker()
    host.waiter(worker)
    turn(worker)
    waiter = host.waiter(worker, host.now + 4.0)
    turn(worker)
    assert due(worker) <= host.now + 4.0
    host.now += 4.5
    worker._hot[KEY] = worker.keys[KEY]
    turn(worker)
    assert isinstance(await ended(waiter), SlotTimeoutError)


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
    [token] = worker.keys[KEY].out.values()
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
    assert "nothing is granted for" in caplog.text
    host.now += 1.0
    worker._hot[KEY] = worker.keys[KEY]
    turn(worker)
    assert await ended(waiter) is None


async def test_another_quota_is_told_and_the_stricter_holds(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    worker = host.worker()
    host.waiter(worker)
    turn(worker)
    other = host.worker()
    loop = asyncio.get_running_loop()
    waiter = Waiter("w", KEY, Quota(5, 4.0), False, host.now, False, loop, loop.create_future())  # noqa: FBT003
    other.join(waiter)
    turn(other)
    assert isinstance(await ended(waiter), SlotTimeoutError)
    seen = other.keys[KEY].seen
    assert seen is not None
    assert seen.quota == Quota(1, 4.0)
    assert "in use with another quota than Quota(limit=5" in caplog.text


async def test_many_waiters_are_named_a_few_at_a_time_and_all_are_served(host: Host) -> None:
    worker = host.worker()
    waiters = [host.waiter(worker) for _ in range(4)]
    for waiter in waiters:
        turn(worker)
        assert await ended(waiter) is None
        worker.note(KEY, Note("refund", waiter.token, host.now))


async def test_stopping_ends_the_waits_and_delivers_the_notes(host: Host) -> None:
    worker = host.worker()
    first, second = host.waiter(worker), host.waiter(worker)
    turn(worker)
    worker.note(KEY, Note("refund", first.token, host.now))
    worker._stop()
    turn(worker)
    assert isinstance(await ended(second), NotSentError)
    other = host.worker()
    waiter = host.waiter(other, host.now, stays=False)
    turn(other)
    assert await ended(waiter) is None


def test_a_token_for_a_closed_loop_is_given_back(host: Host) -> None:
    worker = host.worker()
    loop = asyncio.new_event_loop()
    waiter = Waiter("w", KEY, QUOTA, False, inf, True, loop, loop.create_future())  # noqa: FBT003
    loop.close()
    worker.join(waiter)
    turn(worker)
    assert not worker.keys[KEY].out


async def test_idle_keys_are_forgotten(host: Host) -> None:
    worker = host.worker()
    waiter = host.waiter(worker)
    turn(worker)
    worker.note(KEY, Note("refund", waiter.token, host.now))
    turn(worker)
    host.now += 60.0
    worker._turns = 255
    worker._turn([worker._local(("other",))])
    assert KEY not in worker.keys


def test_a_limiter_that_is_collected_in_the_thread_ends_it(host: Host) -> None:
    worker = host.worker()
    worker.post(lambda: worker.stop(5.0))
    thread = worker._inbox.thread
    assert thread is not None
    thread.join(5.0)
    assert not thread.is_alive()
