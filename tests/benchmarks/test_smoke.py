"""The benchmarks run, with ours alone: what they find is for `make bench`, on a machine with nothing else to do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent


def run(tmp_path: Path, module: str, *options: str) -> Any:
    file = tmp_path / "figures.json"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", f"benchmarks.{module}", "--peers", "okx_async", "--json", str(file), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(file.read_text())
    assert record["table"][0] in done.stdout
    return record


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("micro", ["--rounds", "1", "--calls", "100"]),
        ("grants", ["--rounds", "1", "--seconds", "0.2"]),
        ("memory", ["--many", "200"]),
    ],
)
def test_a_benchmark_runs_without_the_peers(tmp_path: Path, module: str, options: list[str]) -> None:
    record = run(tmp_path, module, *options)
    assert any(line.startswith("| okx_async ") for line in record["table"])


def test_every_stage_of_a_close_is_timed(tmp_path: Path) -> None:
    record = run(tmp_path, "stages", "--rounds", "1", "--calls", "20")
    figures = record["raw"]["us"]
    assert len(figures) == 8
    assert all(figures[name][0] > 0 for name in figures if "left" not in name)


def test_every_step_of_a_request_in_virtual_time_is_timed(tmp_path: Path) -> None:
    record = run(tmp_path, "virtual", "--rounds", "1", "--seconds", "2", "--seeds", "1")
    assert len(record["table"]) == 2 + 6 + 3
    assert all(us > 0 for us in record["raw"]["us"].values())
    assert all(requests > 0 for requests in record["raw"]["requests"].values())


PLAY = """
import json, subprocess, sys
from benchmarks._standin import standin
scene, limit, at_once = sys.argv[1:]
with standin(0.0, int(limit)) as place:
    command = [sys.executable, "-m", "benchmarks._scenes", "okx_async", scene, place.plain, at_once]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    print(json.dumps({**json.loads(done.stdout), **place.count()}))
"""


@pytest.mark.parametrize(
    ("scene", "limit", "at_once", "figures"),
    [
        ("closes", 0, 50, {"cpu", "p50", "p99"}),
        ("sixty", 20, 1, {"seconds", "failed"}),
        ("few", 0, 1, {"rss"}),
    ],
)
def test_a_scene_is_played_before_the_stand_in(scene: str, limit: int, at_once: int, figures: set[str]) -> None:
    command = [sys.executable, "-c", PLAY, scene, str(limit), str(at_once)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert figures <= set(found)
    assert all(found[name] > 0 for name in figures - {"failed"})
    if limit:
        assert (found["failed"], found["refused"], found["worst"]) == (0, 0, 20)


def test_the_judge_counts_what_was_sent(tmp_path: Path) -> None:
    record = run(
        tmp_path, "strictness", "--seeds", "1", "--requests", "25", "--profiles", "lan", "--plots", str(tmp_path)
    )
    for one in record["raw"]["runs"]:
        assert len(one["arrivals"]) == 25
        assert one["worst"] <= 20
        assert one["refused"] == one["unanswered"] == 0


def test_the_exchange_is_measured_beside_a_bare_handler(tmp_path: Path) -> None:
    record = run(tmp_path, "simulator", "--rounds", "1", "--requests", "50")
    assert ["simulated exchange" in record["table"][2], "bare aiohttp.web" in record["table"][3]] == [True, True]
    assert record["raw"]["ratios"][0] > 0
    assert 0 < record["raw"]["shares"][0] < 1
