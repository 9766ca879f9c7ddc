import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from okx_async import Quota
from okx_async.stores.notices import Notices, vouching
from tests.stores.threads import no_threads

VOUCHING = vouching("sqlite:")


def test_each_thing_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    notices = Notices(VOUCHING)
    for _ in range(2):
        notices.quota(("k",), Quota(20, 2.0), Quota(10, 2.0))
        notices.quota(("k",), Quota(30, 2.0), Quota(10, 2.0))
        notices.pause(110.0, 10.0)
    notices.pause(110.5, 10.0)  # of another part of the keys of a server
    notices.pause(120.0, 10.0)
    notices.join(5.0)
    assert len(caplog.records) == 4
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert "k is in use with another quota than Quota(limit=20, per=2.0, reserve=0)" in caplog.text
    assert "nothing is granted for 10.0 s" in caplog.text


@pytest.mark.parametrize(
    ("url", "prefix", "command"),
    [
        ("redis://host:6379/0", "okx-async", "--store redis://host:6379/0 --vouch"),
        ("redis://host:6379/0", "desk", "--store redis://host:6379/0 --prefix desk --vouch"),
        ("sqlite:///a%20b", "my desk", "--store sqlite:///a%20b --prefix 'my desk' --vouch"),
        ("unix:///a b", "okx-async", "--store 'unix:///a b' --vouch"),
    ],
)
def test_the_command_that_ends_a_pause_is_that_of_these_limits(
    url: str, prefix: str, command: str, caplog: pytest.LogCaptureFixture
) -> None:
    notices = Notices(vouching(url, prefix))
    notices.pause(110.0, 10.0)
    notices.join(5.0)
    assert caplog.text.rstrip().endswith(f"lately: okx-async limits {command})")


@contextmanager
def handler(act: object) -> Iterator[None]:
    """Have a function called with each record, as a program's handler is."""
    made = logging.Handler()
    made.emit = act  # type: ignore[assignment,method-assign]
    log = logging.getLogger("okx_async")
    log.addHandler(made)
    try:
        yield
    finally:
        log.removeHandler(made)


def test_what_is_told_waits_for_no_handler_and_all_of_it_is_told() -> None:
    notices, goes_on, told = Notices(VOUCHING), threading.Event(), list[str]()

    def slow(record: logging.LogRecord) -> None:
        goes_on.wait(10.0)
        told.append(record.getMessage())

    with handler(slow):
        for number in range(3):
            notices.warning("%d", number)
        notices.join(0.01)
        assert told == []
        goes_on.set()
        notices.join(5.0)
        assert told == ["0", "1", "2"]
        notices.error("again")
        notices.join(5.0)
    assert told[3:] == ["again"]


def test_a_handler_that_ends_the_program_ends_nothing_here() -> None:
    notices, told = Notices(VOUCHING), list[str]()

    def raises(record: logging.LogRecord) -> None:
        told.append(record.getMessage())
        raise SystemExit

    with handler(raises):
        for number in range(2):
            notices.warning("%d", number)
            notices.join(5.0)
    assert told == ["0", "1"]


def test_what_cannot_be_told_now_is_told_with_the_next(caplog: pytest.LogCaptureFixture) -> None:
    notices = Notices(VOUCHING)

    with no_threads():
        notices.warning("first")
    notices.warning("second")
    notices.join(5.0)
    assert [record.getMessage() for record in caplog.records] == ["first", "second"]
