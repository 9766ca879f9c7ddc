from __future__ import annotations

import asyncio
import signal
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from okx_async.torture import happen, history
from okx_async.torture.bound import EndlessError, bounded
from okx_async.torture.strategies import STRATEGIES

if TYPE_CHECKING:
    from okx_async.torture import Plan


def spin() -> None:
    while True:
        pass


def test_what_has_no_end_is_ended_and_named() -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    with pytest.raises(EndlessError, match=r"no end within 0\.05 s of CPU, in spin at line \d+"), bounded(0.05):
        spin()
    assert signal.getsignal(signal.SIGVTALRM) is before
    with bounded(0.05):
        pass
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_elsewhere_nothing_is_bounded() -> None:
    ended = threading.Event()

    def elsewhere() -> None:
        with bounded(0.0):
            ended.set()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert ended.is_set()


def test_such_a_history_is_a_broken_one(calm: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stubborn(*_: object) -> None:
        try:
            spin()
        except Exception:  # noqa: BLE001 - as a client may
            await asyncio.sleep(0)

    monkeypatch.setattr(history, "CPU_SECONDS", 0.2)
    monkeypatch.setitem(STRATEGIES, "stubborn", (0, stubborn))
    plan = replace(calm, parts=(replace(calm.parts[0], kind="stubborn"),))
    told = happen(plan, noted=True)
    assert "progress: no end within 0.2 s of CPU, in spin" in str(told.broken[0])
    assert told.notes[0][0] < 10.0
