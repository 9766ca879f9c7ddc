"""The benchmarks run, with ours alone: their figures are for `make bench`, on a machine with nothing else to do."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
OURS = ("--only", "okx_async")


def run(folder: Path, program: str, *options: str, table: str = "") -> Any:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", f"benchmarks.{program}", "--folder", str(folder), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((folder / f"{table or program}.json").read_text())
    assert record["table"][0] in done.stdout
    assert all(cells.count("|") == record["table"][0].count("|") for cells in record["table"])
    return record


@pytest.mark.parametrize(
    ("table", "options"),
    [
        ("slots", ["--rounds", "1", "--calls", "100"]),
        ("loops", ["--rounds", "1", "--calls", "100"]),
        ("grants", ["--rounds", "1", "--seconds", "0.2"]),
        ("memory", ["--many", "200"]),
    ],
)
def test_a_limiter_is_measured_without_the_peers(tmp_path: Path, table: str, options: list[str]) -> None:
    record = run(tmp_path, "micro", "--tables", table, *OURS, *options, table=table)
    assert any(line.startswith("| okx_async ") for line in record["table"])


def test_ours_keeps_the_order_of_a_key(tmp_path: Path) -> None:
    [found] = run(tmp_path, "fairness", *OURS, "--rounds", "1", "--per", "0.2")["raw"]
    assert found[0]["inverted pairs, %"] == found[0]["newcomers that overtake, %"] == found[0]["never served"] == 0


def test_ours_does_not_charge_cancelled_waiters(tmp_path: Path) -> None:
    [found] = run(tmp_path, "cancellation", *OURS, "--rounds", "1", "--per", "0.5")["raw"]
    assert found.keys() == {"alone", "in line", "hand-over"}
    assert all(took >= 0.5 for [[took, _]] in found.values())


def test_the_judge_counts_every_request_that_was_sent(tmp_path: Path) -> None:
    options = ("--seeds", "1", "--requests", "25", "--profiles", "lan")
    runs = run(tmp_path, "strictness", *OURS, *options)["raw"]["runs"]
    assert [one["limiter"] for one in runs] == ["okx_async", "okx_async, floor"]
    for one in runs:
        assert len(one["arrivals"]) == 25
        assert one["worst"] <= 20
        assert one["refused"] == one["unanswered"] == 0


def test_ours_is_compared_with_tuned_aiohttp_in_one_process(tmp_path: Path) -> None:
    figures = run(tmp_path, "pair", "--rounds", "2", "--calls", "50")["raw"]["us"]
    assert set(figures) == {"plain, one by one", "plain, 50 at once", "TLS, one by one", "TLS, 50 at once"}
    assert all(us > 0 for found in figures.values() for of_one in found.values() for us in of_one)


def play(folder: Path, table: str, *options: str) -> Any:
    return run(folder, "client", "--tables", table, *OURS, "--rounds", "1", "--pairs", "1", *options, table=table)[
        "raw"
    ]


def test_a_close_is_timed_for_a_client(tmp_path: Path) -> None:
    figures = play(tmp_path, "clients")
    for title in ("one", "fifty", "tls"):
        [found] = figures[title]["okx_async"]
        assert found.keys() == {"cpu", "p50", "p99"}
        assert min(found.values()) > 0


def test_whole_books_are_timed_for_a_client(tmp_path: Path) -> None:
    figures = {title: of["okx_async"] for title, of in play(tmp_path, "books").items()}
    assert all(one["cold"] > 0 < one["warm"] for title in ("book", "book tls", "warmed") for one in figures[title])
    [sixty] = figures["sixty"]
    assert sixty["seconds"] > 4
    assert (sixty["failed"], sixty["refused"], sixty["worst"]) == (0, 0, 20)
    assert figures["desk"][0]["cpu"] > 0


def test_import_and_memory_of_a_client_are_measured(tmp_path: Path) -> None:
    [found] = play(tmp_path, "feet", "--starts", "1")["feet"]["okx_async"]
    assert found["import"] > 0 < found["rss"]


def test_every_stage_of_a_close_is_timed(tmp_path: Path) -> None:
    options = ("--tables", "stages", "--rounds", "1", "--calls", "20")
    figures = run(tmp_path, "client", *options, table="stages")["raw"]["us"]
    assert len(figures) == 8
    assert all(us[0] > 0 for name, us in figures.items() if "left" not in name)


def test_the_exchange_is_measured_beside_a_bare_handler(tmp_path: Path) -> None:
    record = run(tmp_path, "simulator", "--rounds", "1", "--requests", "50")
    assert ["simulated exchange" in record["table"][2], "bare aiohttp.web" in record["table"][3]] == [True, True]
    assert all(min(cpu) > 0 for [cpu] in record["raw"].values())


def test_every_step_of_a_request_in_virtual_time_is_timed(tmp_path: Path) -> None:
    options = ("--tables", "virtual", "--rounds", "1", "--seconds", "2", "--seeds", "1")
    record = run(tmp_path, "simulator", *options, table="virtual")
    assert len(record["table"]) == 2 + 6 + 3
    assert all(us > 0 for [us] in record["raw"]["us"].values())


def test_limits_that_processes_share_are_measured(tmp_path: Path) -> None:
    options = ("--rounds", "1", "--calls", "20", "--seconds", "1", "--processes", "2", "--crowds")
    assert len(run(tmp_path, "stores", *options)["table"]) == 2 + 10
    assert len(run(tmp_path, "stores", *options, "--tables", "sharing", table="sharing")["table"]) == 2 + 2


def test_what_limits_cost_a_server_is_measured(tmp_path: Path) -> None:
    options = ("--rounds", "1", "--calls", "200", "--keys", "100")
    raw = run(tmp_path, "servers", *options, "--tables", "server", table="server")["raw"]
    assert len(raw["scenes"]) == 8
    assert all(trip > 0 for [[trip, _]] in raw["scenes"].values())
    assert all(0 < lag < 5 for lag in raw["lags"])
    raw = run(tmp_path, "servers", *options, "--tables", "server-memory", table="server-memory")["raw"]
    assert all(100 < one["bytes"] < 10_000 for one in raw.values())


def test_ours_keeps_the_limit_on_two_hosts(tmp_path: Path) -> None:
    ours = ("--only", "okx_async, file", "okx_async, server")
    runs = run(tmp_path, "hosts", *ours, "--seconds", "3")["raw"]["runs"]
    assert [(one["limiter"], one["failed"]) for one in runs] == [
        ("okx_async, file", ""),
        *[("okx_async, server", "")] * 2,
    ]
    for one in runs:
        at = one["arrivals"]
        assert len(at) > 20
        assert all(later - first > 2.0 for first, later in zip(at, at[20:], strict=False))


def test_large_batches_are_timed(tmp_path: Path) -> None:
    figures = run(tmp_path, "batches", "--rounds", "1", "--legs", "500", "--seconds", "0.2")["raw"]["figures"]
    spread, one_key, line, frozen = (found for [found] in figures.values())
    assert spread["ordered"] == one_key["ordered"] == 1
    assert line["complaints"] == 0
    assert min(line["longest"], frozen["longest"]) > 0


def test_the_tables_are_put_into_the_page(tmp_path: Path) -> None:
    folder, page = tmp_path / "figures", tmp_path / "docs" / "benchmarks.md"
    run(folder, "micro", "--tables", "memory", *OURS, "--many", "50", table="memory")
    page.parent.mkdir()
    names = ("peers", "memory", "grants")
    page.write_text(
        "\n".join(f"<!-- {name}: written by make bench -->\nto be replaced\n<!-- end of {name} -->" for name in names)
    )
    command = [sys.executable, "-m", "benchmarks.page", str(folder)]
    subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True)  # noqa: S603
    text = page.read_text()
    assert "| okx_async | Limiter(Quota(20, 2.0)) |" in text
    assert "a waiter beyond its task" in text
    assert text.count("to be replaced") == 1


def test_the_exit_is_timed_alone_and_beside_rivals(tmp_path: Path) -> None:
    raw = run(tmp_path, "exit", "--seeds", "1")["raw"]
    assert len(raw) == 12  # books of three sizes, beside three kinds of rivals, and with orders resting
    for name, [[seconds, first]] in raw.items():
        assert 0 < first < seconds, name
        assert seconds < 30.0, name
    assert raw["three pollers, 1"][0][0] < 0.5


def test_metrics_and_traces_are_timed_beside_the_sdk_alone(tmp_path: Path) -> None:
    raw = run(tmp_path, "instrumentation", "--rounds", "1", "--calls", "100")["raw"]
    assert len(raw) == 6
    assert all(us > 0 for [us] in raw.values())
