"""How long an agent waits for its store, and what it does about errors."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from okx_async import InvalidRequestError
from okx_async.stores._agent.access import IMPATIENCE, PATIENCE, Access
from okx_async.stores.notices import Notices
from okx_async.stores.store import BusyError, StoreError


class Outcomes:
    """A store, whose transactions end as they are told."""

    path = "store"
    yields = False

    def __init__(self, *ends: Exception | str) -> None:
        self.ends = list(ends)
        self.waits: list[float] = []
        self.closed = 0

    def transact(self, _: Callable[..., Any], until: float) -> str:
        self.waits.append(until - 1000.0)
        end = self.ends.pop(0)
        if isinstance(end, Exception):
            raise end
        return end

    def close(self) -> None:
        self.closed += 1


def access_to(store: Outcomes) -> Access:
    database: Any = store
    return Access(database, Notices(""), lambda: 1000.0)


def test_after_a_locked_store_the_next_ones_wait_less_until_it_answers() -> None:
    store = Outcomes(BusyError("locked"), BusyError("locked"), "done", "done")
    access = access_to(store)
    found = [access.attempt(lambda _: None) for _ in range(4)]
    assert [str(each) for each in found] == ["locked", "locked", "done", "done"]
    assert store.waits == pytest.approx([PATIENCE, IMPATIENCE, IMPATIENCE, PATIENCE])


def test_a_fork_goes_first_and_the_work_after_it() -> None:
    store = Outcomes(BusyError("about to fork"), BusyError("about to fork"), "done")
    store.yields = True
    assert str(access_to(store).attempt(lambda _: None)) == "done"
    assert store.waits == pytest.approx([PATIENCE] * 3)


@pytest.mark.parametrize("error", [StoreError("no"), InvalidRequestError("no")])
def test_what_the_store_says_is_returned(error: Exception) -> None:
    assert access_to(Outcomes(error)).attempt(lambda _: None) is error


def test_an_error_that_is_not_expected_is_told_and_named(caplog: pytest.LogCaptureFixture) -> None:
    access = access_to(Outcomes(ZeroDivisionError("odd")))
    with caplog.at_level(logging.ERROR, "okx_async"):
        found = access.attempt(lambda _: None)
        access._notices.join(5.0)
    assert str(found) == "store: ZeroDivisionError('odd')"
    assert "the limits cannot be kept: Traceback" in caplog.text


def test_the_store_is_closed_while_nothing_else_uses_it() -> None:
    store = Outcomes()
    access = access_to(store)
    access.close()
    assert store.closed == 1
