"""The demo: its promises, its report, and its exit code when a promise is broken."""

import io
import json
import signal
from collections.abc import Callable
from dataclasses import replace
from subprocess import CompletedProcess
from typing import Any

import pytest
from rich.console import Console

from okx_async.cli import demo, demo_page
from okx_async.cli.exits import ExitCode
from okx_async.cli.runs import Group, Pace, Run, Settings
from tests.cli.conftest import Process

GROUPS = (
    Group("swaps and futures", 60, 60, 60, 1, 0, 0.0),
    Group("BTC-USD options", 1, 60, 60, 20, 0, 4.2),
    Group("ETH-USD options", 1, 20, 20, 20, 0, 0.0),
)
GOOD = Run(GROUPS, took_s=4.3, worst_window=20, refused=0, positions_left=0)
PACE = Pace(requests=60, rounds=3, least_s=4.04, rule_s=4.25, round_trip_s=0.083)


def test_demo_keeps_its_promises(command: Callable[..., CompletedProcess[str]]) -> None:
    result = command("demo", "--compare", "--json")
    assert result.stderr == ""
    assert result.returncode == 0
    record = json.loads(result.stdout)
    assert result.stdout.count("\n") == 1
    assert record["promises"] == {"windows_kept": True, "nothing_refused": True, "nothing_left": True}
    ours, other = record["okx_async"], record["no_limiter"]
    numbers = [[group[key] for key in ("keys", "requests", "closed", "worst_window")] for group in ours["groups"]]
    assert numbers == [[60, 60, 60, 1], [1, 60, 60, 20], [1, 20, 20, 20]]
    assert record["pace"]["least_s"] <= ours["took_s"] < 10
    # without a limiter: 60 closes on the key of one family, 40 of them refused and their positions open
    assert (other["worst_window"], other["refused"], other["positions_left"]) == (60, 40, 40)


@pytest.mark.parametrize(
    "broken",
    [{"worst_window": 21}, {"refused": 1}, {"positions_left": 1}, {"failures": ("50011 on BTC-USDT-SWAP",)}],
    ids=str,
)
@pytest.mark.parametrize("as_json", [True, False])
def test_a_broken_promise_is_exit_1(
    broken: dict[str, Any],
    *,
    as_json: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def runs(*_: Any, **__: Any) -> tuple[Run, Pace, None]:
        return replace(GOOD, **broken), PACE, None

    monkeypatch.setattr(demo, "_runs", runs)
    assert demo.run(Settings(1, 0.02, 0.03), compare=False, as_json=as_json) is ExitCode.FAILED
    told = capsys.readouterr()
    assert told.err == ""
    if as_json:
        assert list(json.loads(told.out)["promises"].values()).count(False) == 1
    else:
        assert told.out.count(" NO ") == 1
        assert told.out.count(" ok ") == 2


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_reports_that_nothing_was_sent(stop: signal.Signals, command: Process) -> None:
    process = command.start("--verbose", "demo", "--json")
    assert process.stderr is not None
    assert "debug: Attempt(" in process.stderr.readline()  # it is at work
    process.send_signal(stop)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "")
    word = "interrupted" if stop is signal.SIGINT else "stopped by SIGTERM"
    assert err.endswith(f"{word}: the demo was not finished; all of it was simulated, nothing was sent anywhere\n")
    assert "Traceback" not in err


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_the_report_fits_the_screen(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    page = io.StringIO()
    monkeypatch.setattr(demo_page, "console", lambda: Console(file=page, width=columns, highlight=False))
    demo_page.print_demo(Settings(1, 0.02, 0.03), GOOD, PACE, replace(GOOD, refused=40, positions_left=40))
    lines = page.getvalue().splitlines()
    assert max(map(len, lines)) <= columns
    if columns == 40:
        assert lines[lines.index("all:") + 1 :][:2] == ["  140 closes on 62 keys", "  most in 2 s 20 of 20"]
    else:
        assert [line.split() for line in lines if line.split()[:1] == ["all"]] == [
            "all 62 140 20 of 20 0 4.20 s".split()  # noqa: SIM905 - as it is read
        ]
    if columns == 40:
        assert lines[lines.index("refused:") + 1 :][:2] == ["  okx_async 0", "  no limiter 40"]
    else:
        assert any(line.split() == ["refused", "0", "40"] for line in lines)


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with demo_page.progress({"swaps and futures": 1}, "demo") as tick:
        assert tick is not None
    assert capsys.readouterr().out.strip() == ""
