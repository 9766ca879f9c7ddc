"""Turns of the limiters of one process at one file."""

import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from okx_async.stores._sqlite import transactions, turns
from okx_async.stores._sqlite.connections import connect
from okx_async.stores._sqlite.transactions import Transaction
from okx_async.stores.store import BusyError
from tests.stores.host import Host
from tests.stores.work import opens, take


def test_each_file_has_one_turn_at_a_time() -> None:
    first = turns.take("one", lambda: False)
    assert first is not None
    assert turns.take("one", lambda: False) is None
    other = turns.take("other", lambda: False)
    assert other is not None
    first.release()
    again = turns.take("one", lambda: False)
    assert again is first
    again.release()
    other.release()


def test_one_that_waits_has_the_turn_once_it_is_given_back() -> None:
    first = turns.take("one", lambda: False)
    assert first is not None
    looked = threading.Event()

    def patient() -> bool:
        looked.set()
        return True

    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(turns.take, "one", patient)
        looked.wait()
        first.release()
        turn = waits.result()
    assert turn is first
    turn.release()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="of systems that fork")
def test_a_forked_child_does_not_wait_for_a_thread_of_its_parents() -> None:
    held = turns.take("one", lambda: False)  # as another thread would at this moment, which the child does not have
    assert held is not None
    child = os.fork()
    if not child:
        os._exit(0 if turns.take("one", lambda: False) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert turns.take("one", lambda: False) is None
    held.release()


def test_a_limiter_leaves_the_file_alone_while_another_of_its_process_has_the_lock(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = host.open(), host.open()
    opened = []

    def counted(*given: Any) -> sqlite3.Connection:
        opened.append(given)
        return connect(*given)

    monkeypatch.setattr(transactions, "connect", counted)

    def work(transaction: Transaction) -> int:
        with ThreadPoolExecutor(1) as pool, pytest.raises(BusyError, match="another program holds its lock"):
            pool.submit(other.transact, opens, 0.0).result()
        assert len(opened) == 1
        return take("a")(transaction)

    assert one.transact(work, 0.0) == 1
    assert other.transact(take("b"), 0.0) == 2
    assert len(opened) == 2


def test_a_turn_is_given_back_after_an_error(host: Host) -> None:
    one, other = host.open(), host.open()
    with pytest.raises(ZeroDivisionError):
        one.transact(lambda _: 1 // 0, 0.0)
    assert other.transact(take("a"), 0.0) == 1


def test_one_that_waits_gives_up_where_the_process_is_about_to_fork(host: Host) -> None:
    one, other = host.open(), host.open()
    other.yields = True

    def work(_: Transaction) -> None:
        with ThreadPoolExecutor(1) as pool, pytest.raises(BusyError):
            pool.submit(other.transact, opens, host.now + 1.0).result()  # the host's clock stands still

    one.transact(work, 0.0)
