import os
import threading
from typing import Any, cast

import pytest

from okx_async import Limiter
from okx_async._calls.accounts import LOCK, PARENTS, Accounts, accounts_of
from okx_async._calls.identity import Identity

SWAP = "BTC-USDT-SWAP"


def test_each_limiter_has_accounts_of_its_own() -> None:
    one, other = Limiter(), Limiter()
    assert accounts_of(one) is accounts_of(one) is not accounts_of(other)


def test_a_limiter_that_cannot_be_referred_to_weakly_has_one_set_of_accounts_too() -> None:
    class Slotted:
        __slots__ = ()

    class Unhashable:
        __hash__ = None  # type: ignore[assignment]

    for kind in (Slotted, Unhashable):
        limiter: Any = kind()
        assert accounts_of(limiter) is accounts_of(limiter) is not accounts_of(cast("Any", kind()))


def test_threads_that_ask_at_the_same_moment_get_the_same() -> None:
    limiter, barrier = Limiter(), threading.Barrier(8)
    found: list[Accounts] = []

    def ask() -> None:
        barrier.wait(10)
        found.append(accounts_of(limiter))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1


def test_what_the_exchange_tells_again_changes_nothing() -> None:
    accounts = Accounts()
    api_key = accounts.api_key("live", "key:a")
    accounts.give("live", api_key, "1")
    accounts.tell("live", api_key, "1")
    version = accounts.version
    accounts.tell("live", api_key, "1")
    accounts.give("live", api_key, "2")
    assert accounts.version == version
    assert accounts.members("live", api_key) == (api_key,)


def test_requests_of_a_parent_process_bind_its_child_for_a_while() -> None:
    accounts = Accounts()
    identity = Identity("live", "a", None, accounts)
    fallback = identity.key(SWAP)
    identity.begin(fallback, now=0.0)
    accounts.begin_in_child(now=100.0)
    identity.learn("123")
    known = identity.key(SWAP)
    assert identity.keys(known, now=100.0 + PARENTS - 0.1) == (known, fallback)
    assert identity.keys(known, now=100.0 + PARENTS) == (known,)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_finds_the_lock_free() -> None:
    held, ends = threading.Event(), threading.Event()

    def hold() -> None:
        with LOCK:
            held.set()
            ends.wait(0.2)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    child = os.fork()
    if not child:
        os._exit(0 if LOCK.acquire(timeout=5) else 1)
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
