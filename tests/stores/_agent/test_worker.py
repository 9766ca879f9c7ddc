"""The thread at a store, step by step on a clock that the test sets: its turns are called here, not by the thread."""

import asyncio
from math import inf

import pytest

from okx_async import NotSentError, Quota, SlotTimeoutError
from okx_async.stores._agent.agenda import SOON
from okx_async.stores._agent.waiters import LocalKey, Note, Waiter
from okx_async.stores._agent.worker import Worker
from tests.stores.host import COOL, KEY, QUOTA, Host, due, ended, turn


async def test_the_lease_counts_from_before_the_ask(host: Host) -> None:
    worker = host.worker()
    waiter = host.waiter(worker)
    turn(worker)
    assert await ended(waiter) is None
    assert waiter.lease is not None
    assert (waiter.lease.asked, waiter.lease.wall, waiter.lease.length) == (1000.0, 5000.0, 8.0)
    [token] = worker.keys[KEY].out(worker.holder).values()
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
    for at in (host.now, host.now + 0.001):
        worker.note(KEY, Note("settle", waiter.token, at))
    assert not worker._hot
    assert worker._agenda.next() == host.now + SOON
    worker.note(KEY, Note("block", "", host.now, 1.0))
    assert list(worker._hot) == [KEY]


def test_the_end_of_a_request_wakes_the_thread_only_if_it_would_look_too_late(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, woken = host.worker(), list[float]()
    monkeypatch.setattr(worker._inbox, "put", lambda _: woken.append(host.now))
    for looks_at, wakes in ((host.now + SOON, 0), (host.now + SOON + 0.001, 1), (inf, 1)):
        worker._inbox.looks_at = looks_at
        worker.tell(KEY, Note("settle", "token", host.now))
        assert len(woken) == wakes
        woken.clear()
    worker._inbox.looks_at = host.now
    worker.tell(KEY, Note("refund", "token", host.now))
    assert len(woken) == 1
    worker._round()
    assert host.transactions == 1


def test_a_rest_is_known_before_it_begins_and_nothing_that_comes_before_it_is_overseen(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, seen = host.worker(), list[tuple[float, float]]()
    real = worker._inbox.take

    def take(rest: float) -> None:
        seen.append((rest, worker._inbox.looks_at))
        if not rest:
            worker._inbox.leave(lambda: worker.note(KEY, Note("settle", "token", host.now)))
        real(0.0)

    monkeypatch.setattr(worker._inbox, "take", take)
    worker._round()
    assert seen == [(0.0, inf), (pytest.approx(SOON), pytest.approx(host.now + SOON))]


async def test_what_is_done_at_last_comes_after_the_ends_of_requests(host: Host) -> None:
    worker = host.worker()
    waiter = host.waiter(worker)
    turn(worker)
    worker.note(KEY, Note("settle", waiter.token, host.now))
    known: list[bool] = []
    worker.at_last(lambda: known.append(all(token.cooling for token in worker.keys[KEY].out(worker.holder).values())))
    worker._round()
    assert known == [True]


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
    assert seen().quota == Quota(1, 4.0)
    other._notices.join(5.0)
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
    assert not worker.keys[KEY].out(worker.holder)


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


def crowd_of(host: Host, monkeypatch: pytest.MonkeyPatch) -> tuple[Worker, list[str]]:
    """Return a worker with waiters at 6 keys, two a message, and the keys of each message; with each another comes."""
    worker, told = host.worker(), list[str]()
    worker.chunk = 2
    for key in "abcdef":
        host.waiter(worker, key=(key,))
    turn_of = worker._turn

    def turned(chunk: list[LocalKey]) -> None:
        told.append("".join(key for local in chunk for key in local.key))
        if len(told) <= 2:
            late = f"{len(told)}"
            worker._inbox._acts.put(lambda: host.waiter(worker, key=(late,), panic=True))
        turn_of(chunk)

    monkeypatch.setattr(worker, "_turn", turned)
    return worker, told


async def test_of_a_crowd_panic_goes_first_also_if_it_comes_meanwhile(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, told = crowd_of(host, monkeypatch)
    host.waiter(worker, key=("g",), panic=True)
    worker._round()
    assert told == ["g", "1", "2", "ab", "cd", "ef"]


async def test_what_is_to_be_done_at_last_waits_for_nothing_that_comes_meanwhile(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, told = crowd_of(host, monkeypatch)
    worker.at_last(lambda: told.append("done"))
    worker._round()
    assert told == ["ab", "cd", "ef", "done"]
