"""The store in memory: it grants by the rule, and finds out that it has forgotten."""

from math import inf

import pytest

from okx_async import Quota
from okx_async.stores._agent.waiters import Note
from okx_async.stores.lease import SharedBucket, Terms
from okx_async.stores.line import Ask
from okx_async.stores.store import StoreError
from okx_async.torture.sharing.memory_store import MemoryStore, Message, Visit

TERMS = Terms(8.0, 5.0, 0.003)
KEY = ("k",)
QUOTA = Quota(2, 2.0)


class Host:
    now = 100.0

    def clock(self) -> float:
        return self.now


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def store(host: Host) -> MemoryStore:
    return MemoryStore(host.clock, TERMS)


def granted(store: MemoryStore, *names: str, estimate: float | None = None, notes: tuple[Note, ...] = ()) -> list[bool]:
    asks = tuple(Ask(name, name, stays=False) for name in names)
    visit = Visit(KEY, QUOTA, tuple((note, note.at) for note in notes), asks)
    [seen] = store.take(Message("a", TERMS, (visit,), store.clock() if estimate is None else estimate, -inf))
    return [answer.at is not None for answer in seen.answers]


def test_it_grants_the_limit_and_a_token_comes_back_a_window_after_its_answer(store: MemoryStore, host: Host) -> None:
    assert granted(store, "1", "2", "3") == [True, True, False]
    assert granted(store, notes=(Note("settle", "1", 0.5),)) == []  # half a second ago
    host.now += 1.4
    assert granted(store, "3") == [False]
    host.now += 0.2
    assert granted(store, "3", "4") == [True, False]


@pytest.mark.parametrize("failure", [{}, {"flushes": True}, {"step": -5.0}, {"flushes": True, "ends": False}])
def test_what_it_has_forgotten_is_waited_for(store: MemoryStore, host: Host, failure: dict[str, object]) -> None:
    assert granted(store, "1", "2") == [True, True]
    store.fail(**failure)  # type: ignore[arg-type]
    assert granted(store, "3") == [False]
    host.now += 16.0
    assert granted(store, "3", "4") == [True, True]


def test_a_step_of_its_clock_is_found_by_those_who_know_better(store: MemoryStore, host: Host) -> None:
    known = store.clock()
    store.fail(forgets=False, step=5.0, ends=False)
    with pytest.raises(StoreError):
        store.take(Message("new", TERMS, (), None, -inf))
    assert granted(store, "1", estimate=known) == [False]
    host.now += 16.0
    assert granted(store, "1") == [True]


def test_a_message_that_comes_too_late_grants_nothing(store: MemoryStore) -> None:
    visit = Visit(KEY, QUOTA, (), (Ask("1", "1"),))
    [seen] = store.take(Message("a", TERMS, (visit,), store.clock(), -inf, store.clock() - 1.0))
    assert [answer.at for answer in seen.answers] == [None]


def test_a_token_that_a_repeated_message_delays_is_noted(
    store: MemoryStore, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert granted(store, "one") == [True]
    granted(store, notes=(Note("settle", "one", 0.0),))
    host.now += 1.0
    granted(store, notes=(Note("settle", "one", 1.0),))
    assert not store.wrong

    def settle(bucket: SharedBucket, now: float, ident: str, *_: object, **__: object) -> None:
        bucket.tokens[ident].free_at = now + 2.003

    monkeypatch.setattr(SharedBucket, "settle", settle)
    granted(store, notes=(Note("settle", "one", 1.0),))
    assert store.wrong == ["one of ('k',) came back at 102.003, then at 103.003"]


def test_tokens_in_flight_are_those_taken_before_a_moment(store: MemoryStore, host: Host) -> None:
    assert granted(store, "one", "two") == [True, True]
    granted(store, notes=(Note("settle", "one", 0.0),))
    assert [ident for _, ident, _ in store.in_flight(host.now + 1.0)] == ["two"]
    assert not list(store.in_flight(host.now))
    host.now += 100.0
    assert not list(store.in_flight(host.now))


def test_what_is_granted_too_late_is_noted(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    take = SharedBucket.take
    message = Message("a", TERMS, (Visit(KEY, QUOTA, (), (Ask("1", "1", stays=False),)),), store.clock(), -inf, 99.0)
    store.take(message)
    assert not store.wrong
    monkeypatch.setattr(SharedBucket, "take", lambda *args, **_: take(*args))
    store.take(message)
    assert store.wrong == ["('k',) granted at 100.000 what is not waited for since 99.000"]


def test_what_programs_tell_each_other_is_lost_with_its_memory_only(store: MemoryStore) -> None:
    store.remember("who", "me")
    store.fail(forgets=False, step=5.0)
    assert store.recall("who") == "me"
    store.fail()
    assert store.recall("who") is None
