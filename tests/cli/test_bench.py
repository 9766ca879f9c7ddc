"""`okx-async bench`, made short: its record, its table, its exit code."""

import asyncio
import json
import signal

import pytest
from typer.testing import CliRunner

from okx_async.cli import bench
from okx_async.cli.app import app
from tests.cli.conftest import LIMIT


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("_ROUNDS", 1), ("_SLOTS", 100), ("_CLOSES", 21), ("_SEEDS", 1), ("_BATCHES", 1), ("_LEGS", 3)):
        monkeypatch.setattr(bench, name, value)


@pytest.mark.usefixtures("short")
def test_it_measures_and_keeps_the_window() -> None:
    result = CliRunner().invoke(app, ["bench", "--json"])
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["about"]["command"] == "okx-async bench"
    assert record["figures"]["worst_window"] <= 20
    assert record["figures"]["refused"] == 0
    assert record["figures"]["slot_one_key_ns"] > 0


@pytest.mark.usefixtures("short")
def test_people_get_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    async def measure(measured: bench._Measured) -> bool:
        measured.slots.append((1000.0, 2000.0, 500.0))
        measured.runs.append((21, 0, 0.5))
        measured.batches += [30.0, 40.0, 50.0]
        return True

    monkeypatch.setattr(bench, "_measure", measure)
    result = CliRunner().invoke(app, ["bench"])
    assert result.exit_code == 1  # a window of 21
    assert "21 of 20" in result.stdout
    assert "1,000 ns" in result.stdout
    assert "40 ms (30 to 50)" in result.stdout


@pytest.mark.parametrize("as_json", [True, False])
def test_a_stop_shows_what_was_measured_so_far(*, as_json: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    async def measure(measured: bench._Measured) -> bool:
        measured.slots.append((1000.0, 2000.0, 500.0))
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(LIMIT)
        raise AssertionError

    monkeypatch.setattr(bench, "_measure", measure)
    result = CliRunner().invoke(app, ["bench", *["--json"] * as_json])
    assert result.exit_code == 1
    so_far = "1 of 7 rounds, 0 of 3 runs through jitter, 0 of 20 batches"
    assert result.stderr.splitlines()[-1] == f"stopped by SIGTERM: measured so far: {so_far}"
    if as_json:
        record = json.loads(result.stdout)
        assert record["finished"] is False
        assert (record["figures"]["slot_one_key_ns"], record["figures"]["batch_ms"]) == (1000.0, None)
    else:
        assert "1,000 ns" in result.stdout
        assert "instruments at once" not in result.stdout
