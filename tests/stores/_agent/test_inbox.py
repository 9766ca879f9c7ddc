"""The begin of an agent's thread, and what was put to it before."""

import threading

from okx_async.stores._agent.inbox import Inbox
from tests.stores.threads import no_threads


def test_what_was_put_while_no_thread_could_begin_is_called_by_the_next_one() -> None:
    called: list[int] = []
    inbox = Inbox(lambda: inbox.take(0.0))
    with no_threads():
        assert not inbox.put(lambda: called.append(1))
        assert not inbox.lives()
    assert inbox.put(lambda: called.append(2))
    inbox.join(5.0)
    assert called == [1, 2]
    assert not inbox.lives()


def test_a_rest_ends_with_the_first_that_comes() -> None:
    called = threading.Event()
    inbox = Inbox(lambda: inbox.take(60.0))
    inbox.put(called.set)
    inbox.join(5.0)
    assert called.is_set()
    assert not inbox.lives()


def test_the_thread_waits_for_no_end_of_its_own() -> None:
    inbox = Inbox(lambda: inbox.take(0.0))
    seen: list[bool] = []

    def look() -> None:
        inbox.join(5.0)
        seen.append(inbox.lives())

    inbox.put(look)
    inbox.join(5.0)
    assert seen == [True]


def test_what_is_left_comes_before_all_that_is_put_after_it_and_wakes_no_thread() -> None:
    called: list[str] = []
    inbox = Inbox(lambda: None)
    inbox.leave(lambda: called.append("left"))
    assert inbox.thread is None

    def put() -> None:
        called.append("put")
        inbox.leave(lambda: called.append("meanwhile"))

    inbox._acts.put(put)
    inbox._acts.put(lambda: called.append("again"))
    inbox.take(0.0)
    assert called == ["left", "put", "meanwhile", "again"]
    inbox.leave(lambda: called.append("alone"))
    inbox.take(0.0)
    assert called[4:] == ["alone"]
