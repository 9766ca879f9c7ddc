import os
import signal
import time
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children
from typing import Any

import pytest

from okx_async.torture import Totals, run, run_series


@pytest.mark.long
def test_a_series_is_the_same_over_one_process_and_over_two() -> None:
    records: list[list[dict[str, Any]]] = [[], []]
    totals = [run_series(range(3, 6), processes, records[processes - 1].append) for processes in (1, 2)]
    for record in (*records[0], *records[1]):
        assert record.pop("cpu_seconds") > 0
    assert records[0] == records[1]
    assert [record["seed"] for record in records[0]] == [3, 4, 5]
    assert totals[0].requests == totals[1].requests == sum(record["requests"] for record in records[0])
    assert totals[0].histories == 3
    assert totals[0].broken == []


def test_totals_are_one_line() -> None:
    totals = Totals()
    totals.add({"requests": 7, "faults": 2, "virtual_seconds": 5400.0, "cpu_seconds": 1.0, "broken": ["x"]})
    assert str(totals) == "1 histories, 7 requests, 2 faults, 1.5 virtual hours in 1 CPU seconds: 1 broken"


def killed(seed: int) -> dict[str, Any]:
    """Stands for a history whose process crashes, as the kernel ends one without memory."""
    if seed == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"seed": seed, "requests": 7, "faults": 2, "virtual_seconds": 1.0, "cpu_seconds": 0.1, "broken": []}


def endless(seed: int) -> dict[str, Any]:
    """Stands for a history that takes longer than any test."""
    if seed >= 4:
        time.sleep(3600)
    return killed(seed - 8)


def test_a_process_that_is_killed_ends_the_series(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "run_seed", killed)
    records: list[dict[str, Any]] = []
    with pytest.raises(BrokenProcessPool):
        run_series(range(16), 2, records.append)
    assert [record["seed"] for record in records] in ([], [0, 1, 2, 3])


def test_a_series_that_is_stopped_waits_for_no_history(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(Exception):  # noqa: N818 - not an error
        """Raised by what is told of a history."""

    def told(_: dict[str, Any]) -> None:
        raise Stopped

    monkeypatch.setattr(run, "run_seed", endless)
    with pytest.raises(Stopped):
        run_series(range(16), 2, told)
    assert active_children() == []
