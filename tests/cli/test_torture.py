"""`okx-async torture`: its records, and the timeline of a broken history."""

import json
import re
import signal
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from subprocess import CompletedProcess
from typing import Any

import pytest

from okx_async.cli import torture
from okx_async.cli.exits import ExitCode
from okx_async.torture import plan_of, sharing_plan, strategies
from okx_async.torture.sharing import history as shared_history
from okx_async.torture.sharing import world


def test_torture_prints_the_same_record_of_each_history_every_time(
    command: Callable[..., CompletedProcess[str]],
) -> None:
    first, again = (command("torture", "--seeds", "2", "--seed", "3", "--json") for _ in range(2))
    assert first.returncode == 0
    assert first.stderr == ""
    assert first.stdout == again.stdout
    assert json.loads(first.stdout)["finished"] is True
    histories = json.loads(first.stdout)["histories"]
    assert [history["seed"] for history in histories] == [3, 4]
    for history in histories:
        assert set(history) == {"seed", "hash", "requests", "faults", "virtual_seconds", "broken"}
        assert history["requests"] > 0
        assert history["broken"] == []


def test_torture_says_what_it_covered(capsys: pytest.CaptureFixture[str]) -> None:
    assert torture.run(2, 3, processes=1, shrinks=False, as_json=False) is ExitCode.DONE
    out, err = capsys.readouterr()
    assert out.startswith("seeds 3 to 4; one of them again: okx-async torture --seed 3 --seeds 1\n2 histories, ")
    assert out.endswith(": 0 broken\n")
    assert err == ""


@pytest.mark.share(4)
@pytest.mark.parametrize("shrinks", [True, False])
@pytest.mark.parametrize("as_json", [True, False])
def test_a_broken_history_is_told_and_exit_1(
    *,
    shrinks: bool,
    as_json: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def bad(*_: Any) -> None:
        raise ZeroDivisionError

    kind = "hasty"
    monkeypatch.setitem(strategies.STRATEGIES, kind, (strategies.STRATEGIES[kind][0], bad))
    first = next(seed for seed in range(100) if any(part.kind == kind for part in plan_of(seed).parts))
    assert torture.run(1, first, processes=1, shrinks=shrinks, as_json=as_json) is ExitCode.FAILED
    out, err = capsys.readouterr()
    assert "broke leftovers: hasty at seat" in err
    assert "again by: okx-async torture --seed" in err
    if shrinks:
        assert re.search(r"^strategies: hasty at seat \d$", err, re.MULTILINE)  # the broken strategy alone
        assert "mishaps: none\n" in err
    if as_json:
        assert any(history["broken"] for history in json.loads(out)["histories"])
    else:
        assert ": 0 broken" not in out


@pytest.mark.parametrize("as_json", [True, False])
def test_a_stop_says_what_was_done_and_what_was_not(
    *, as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_series(seeds: range, processes: int, told: Callable[[dict[str, Any]], None], **_: object) -> None:
        del processes
        for seed in seeds:
            if seed == 5:
                signal.raise_signal(signal.SIGTERM)  # in the midst of a history, which ends all the same
            told({"seed": seed, "requests": 7, "faults": 1, "virtual_seconds": 1.0, "cpu_seconds": 0.1, "broken": []})

    monkeypatch.setattr(torture, "run_series", run_series)
    before = signal.getsignal(signal.SIGTERM)
    assert torture.run(10, 3, processes=1, shrinks=False, as_json=as_json) is ExitCode.FAILED
    assert signal.getsignal(signal.SIGTERM) == before
    out, err = capsys.readouterr()
    assert err == "stopped by SIGTERM after 3 of 10 histories; the others: okx-async torture --seed 6 --seeds 7\n"
    if as_json:
        record = json.loads(out)
        assert record["finished"] is False
        assert [history["seed"] for history in record["histories"]] == [3, 4, 5]
    else:
        assert out.splitlines()[-1].startswith("3 histories, 21 requests, 3 faults")


def test_a_stop_ends_other_processes_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_series(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGTERM)  # not Ctrl-C, which a run in the background ignores
        raise AssertionError  # a second signal would be needed

    monkeypatch.setattr(torture, "run_series", run_series)
    assert torture.run(10, 3, processes=2, shrinks=False, as_json=False) is ExitCode.FAILED
    assert capsys.readouterr().err.startswith("stopped by SIGTERM after 0 of 10 histories")


def test_a_process_that_was_killed_is_told_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_series(*_: object, **__: object) -> None:
        raise BrokenProcessPool

    monkeypatch.setattr(torture, "run_series", run_series)
    assert torture.run(10, 3, processes=2, shrinks=False, as_json=False) is ExitCode.FAILED
    text = "a process that ran histories was killed after 0 of 10 histories; the others: okx-async torture --seed 3 "
    assert capsys.readouterr().err.startswith(text)


def test_a_second_signal_does_not_wait_for_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_series(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError

    monkeypatch.setattr(torture, "run_series", run_series)
    assert torture.run(10, 3, processes=1, shrinks=False, as_json=False) is ExitCode.FAILED


def test_shared_histories_are_run_and_judged_as_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert torture.run(1, 6, processes=1, shrinks=False, as_json=False, shared=True) is ExitCode.DONE
    out, err = capsys.readouterr()
    assert out.startswith(
        "seeds 6 to 6; one of them again: okx-async torture --shared --seed 6 --seeds 1\n1 histories, "
    )
    assert out.endswith(": 0 broken\n")
    assert err == ""


@pytest.mark.long
def test_a_broken_shared_history_is_told_without_what_does_not_matter(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def crowd(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(shared_history, "STRATEGIES", (*world.STRATEGIES, crowd))  # the later one of a name counts
    plans = (plan for plan in map(sharing_plan, range(100)) if not plan.store)  # whose loops are not killed
    seed = next(plan.seed for plan in plans if any(part.kind == "crowd" for part in plan.parts))
    assert torture.run(1, seed, processes=1, shrinks=True, as_json=False, shared=True) is ExitCode.FAILED
    _, err = capsys.readouterr()
    assert "broke progress: p" in err
    assert f"again by: okx-async torture --shared --seed {seed} --seeds 1 --shrink" in err
    assert re.search(r"^strategies: crowd at seat \d$", err, re.MULTILINE)
    assert "mishaps: none\n" in err
