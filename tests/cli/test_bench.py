"""`okx-async bench`, made short: its record, its table, its exit code."""

import json

import pytest
from typer.testing import CliRunner

from okx_async.cli import bench
from okx_async.cli.app import app


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
    async def measured() -> bench.Figures:
        return bench.Figures(1000, 2000, 500, 21, 0, 0.5, 40, 30, 50)

    monkeypatch.setattr(bench, "_measure", measured)
    result = CliRunner().invoke(app, ["bench"])
    assert result.exit_code == 1  # a window of 21
    assert "21 of 20" in result.stdout
    assert "1,000 ns" in result.stdout
