"""When a process looks at its keys again."""

from math import inf

from okx_async import Quota
from okx_async.stores._agent.agenda import SOON, Agenda
from okx_async.stores._agent.waiters import LocalKey


def key(name: str) -> LocalKey:
    return LocalKey((name,), Quota(1, 2.0))


def names(agenda: Agenda, now: float) -> str:
    return "".join(sorted(name for (name,) in agenda.take(now)))


def test_each_key_comes_at_its_time_once() -> None:
    agenda, first, second = Agenda(), key("a"), key("b")
    assert (agenda.next(), names(agenda, 99.0)) == (inf, "")
    agenda.wake(second, 12.0)
    agenda.wake(first, 11.0)
    assert (agenda.next(), names(agenda, 10.9)) == (11.0, "")
    assert names(agenda, 11.0) == "a"
    assert (first.due, second.due) == (inf, 12.0)
    assert (agenda.next(), names(agenda, 99.0), names(agenda, 99.0)) == (12.0, "b", "")


def test_the_last_word_on_a_key_holds() -> None:
    agenda, later, earlier, never = Agenda(), key("a"), key("b"), key("c")
    for local, times in ((later, (11.0, 13.0)), (earlier, (13.0, 11.0)), (never, (11.0, inf))):
        for at in times:
            agenda.wake(local, at)
    assert names(agenda, 12.0) == "b"
    assert names(agenda, 13.0) == "a"
    assert (agenda.next(), names(agenda, 99.0)) == (inf, "")


def test_all_that_ended_until_the_first_is_told_is_told_with_it() -> None:
    agenda = Agenda()
    for number, name in enumerate("abcab"):
        agenda.tell_soon(key(name), 10.0 + number * SOON / 5)
    assert (agenda.next(), names(agenda, 10.0 + SOON * 0.99)) == (10.0 + SOON, "")
    assert names(agenda, 10.0 + SOON) == "abc"
    assert (agenda.next(), names(agenda, 99.0)) == (inf, "")
    agenda.tell_soon(key("d"), 20.0)
    assert (agenda.next(), names(agenda, 20.0 + SOON)) == (20.0 + SOON, "d")


def test_what_was_told_with_an_ask_is_not_told_again() -> None:
    agenda = Agenda()
    agenda.tell_soon(key("a"), 10.0)
    agenda.told(("a",))
    agenda.told(("never",))
    assert (agenda.next(), names(agenda, 99.0)) == (inf, "")
    agenda.tell_soon(key("b"), 30.0)
    assert agenda.next() == 30.0 + SOON


def test_a_key_whose_request_ended_keeps_the_time_of_its_waiters() -> None:
    agenda, local = Agenda(), key("a")
    agenda.wake(local, 12.0)
    agenda.tell_soon(local, 10.0)
    assert names(agenda, 11.0) == "a"
    assert (local.due, agenda.next()) == (12.0, 12.0)
    assert names(agenda, 12.0) == "a"


def test_what_has_ended_can_be_told_before_its_time() -> None:
    agenda = Agenda()
    agenda.tell_soon(key("a"), 10.0)
    assert [*agenda.ended()] == [("a",)]
    assert (agenda.ended(), agenda.next(), names(agenda, 99.0)) == ({}, inf, "")
