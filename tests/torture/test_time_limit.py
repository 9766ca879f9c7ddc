import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from okx_async.torture import Plan, happen, history
from okx_async.torture.strategies import STRATEGIES
from okx_async.torture.time_limit import TimeLimitError, time_limit


@pytest.fixture(autouse=True)
def _no_alarm_of_others() -> Iterator[None]:
    """Put pytest-timeout's aside, and set it again."""
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0.0)
    yield
    signal.setitimer(signal.ITIMER_REAL, left)


def spin() -> None:
    while True:
        pass


def stand() -> None:
    while True:
        time.sleep(0.001)  # a second of it costs other tests nothing


def test_what_has_no_end_is_ended_and_named() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TimeLimitError, match=r"no end within 0\.05 s, in spin at line \d+"), time_limit(0.05):
        spin()
    assert signal.getsignal(signal.SIGALRM) is before
    with time_limit(0.05):
        pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_the_time_for_which_a_process_is_stopped_does_not_count() -> None:
    with time_limit(0.4):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})  # as for a stopped process, one alarm stays
        try:
            time.sleep(0.45)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
        assert signal.getitimer(signal.ITIMER_REAL) != (0.0, 0.0)


def test_an_alarm_that_is_set_already_stays() -> None:
    signal.setitimer(signal.ITIMER_REAL, 50.0)
    with time_limit(0.01):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 40.0
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 40.0


def test_elsewhere_nothing_is_bounded() -> None:
    ended = threading.Event()

    def elsewhere() -> None:
        with time_limit(0.0):
            ended.set()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert ended.is_set()


def test_such_a_history_is_a_broken_one(calm: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stubborn(*_: object) -> None:
        try:
            stand()
        except Exception:  # noqa: BLE001 - as a client may
            await asyncio.sleep(0)

    monkeypatch.setattr(history, "REAL_SECONDS", 1.0)  # on a busy machine it must get as far as its strategy
    monkeypatch.setitem(STRATEGIES, "stubborn", (0, stubborn))
    plan = replace(calm, parts=(replace(calm.parts[0], kind="stubborn"),))
    told = happen(plan, noted=True)
    assert "progress: no end within 1 s, in stand" in str(told.broken[0])
    assert told.notes[0][0] < 10.0
