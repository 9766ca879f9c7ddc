"""`okx-async doctor`: with everything, without keys, without a network."""

import asyncio
import json
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from okx_async.cli import tables
from okx_async.cli.app import app
from okx_async.doctor import Finding, Level
from okx_async.stores import SqliteLimiter
from tests.cli.conftest import STRANGER, Process, variables


def levels(stdout: str) -> dict[str, str]:
    record = json.loads(stdout)
    assert record["finished"] is True
    return {finding["check"]: finding["level"] for finding in record["findings"]}


def test_with_everything_there_is_nothing_wrong(simulate: Callable[..., dict[str, Any]], command: Process) -> None:
    record = simulate()
    where = ("--base-url", record["base_url"])
    told = command("doctor", *where, "--user-id", record["user_id"], "--json")
    assert (told.returncode, told.stderr) == (0, "")
    found = levels(told.stdout)
    assert "fail" not in found.values()
    assert found["permission"] == found["user id"] == found["keys"] == "ok"

    command.environment["COLUMNS"] = "40"
    seen = command("doctor", *where, "--user-id", "1")
    assert (seen.returncode, seen.stderr) == (1, "")
    lines = seen.stdout.splitlines()
    assert all(len(line) <= 40 or len(line.split()) == 1 for line in lines)  # a path is never broken
    assert "fail user id: 1 was given, but the" in [line.rstrip() for line in lines]
    assert lines[-1].strip() or lines[-2].strip()
    for name in ("OKX_API_KEY", "OKX_SECRET_KEY", "OKX_PASSPHRASE"):
        assert command.environment[name] not in told.stdout + seen.stdout


def test_without_keys_and_network_the_rest_is_checked(command: Process) -> None:
    told = command("doctor", "--base-url", "http://127.0.0.1:9", "--json")  # the discard port: nothing listens there
    assert (told.returncode, told.stderr) == (1, "")
    found = levels(told.stdout)
    assert found["python"] == "ok"
    assert found["keys"] == "warn"
    assert found["host"] == "fail"
    assert found["clock"] == found["account"] == "skip"


@pytest.mark.share(2)
@pytest.mark.parametrize("url", ["redis://127.0.0.1:9", "memcached://here", "sqlite:////dev/null"])
def test_limits_that_cannot_be_used_bar_no_look_at_the_exchange(
    url: str, simulate: Callable[..., dict[str, Any]], command: Process
) -> None:
    if url.startswith("redis"):
        pytest.importorskip("redis")
    where = simulate()["base_url"]
    command.environment["OKX_LIMITS"] = url
    told = command("doctor", "--base-url", where, "--json")
    assert told.returncode == 1
    found = levels(told.stdout)
    assert [check for check, level in found.items() if level == "fail"] == ["limits"]
    assert found["host"] == found["permission"] == "ok"


async def test_limits_on_other_terms_bar_no_look_at_the_exchange_either(
    simulate: Callable[..., dict[str, Any]], command: Process, tmp_path: Path
) -> None:
    limiter = SqliteLimiter(tmp_path / "limits.sqlite3", lease=12.0)
    command.environment["OKX_LIMITS"] = f"sqlite://{tmp_path / 'limits.sqlite3'}"
    where = simulate()["base_url"]
    async with limiter.slot(("key",)):
        told = await asyncio.to_thread(command, "doctor", "--base-url", where, "--json")
    await limiter.aclose()
    assert told.returncode == 1
    found = levels(told.stdout)
    assert [check for check, level in found.items() if level == "fail"] == ["limits"]
    assert found["host"] == found["permission"] == "ok"
    assert "lease=8 here, 12 there" in told.stdout


@pytest.mark.parametrize("limits", ["", "sqlite:", "process"])
def test_time_limits_that_the_other_commands_refuse_are_told(limits: str, command: Process) -> None:
    command.environment = {**variables(STRANGER), "OKX_LIMITS": limits}
    options = ("--base-url", "http://127.0.0.1:9", "--connect-timeout", "5", "--timeout", "10", "--json")
    told = command("doctor", *options)
    assert (told.returncode, levels(told.stdout).get("timeouts")) == (1, None if limits == "process" else "warn")
    refused = command("positions", *options)
    if limits == "process":
        assert refused.returncode == 1  # nothing listens there
        return
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "error: --connect-timeout + --timeout must be at most 7 s with a limiter whose lease is 8 s, got 15 s: "
        "lower one of them, or use limits of this process alone (OKX_LIMITS=process)\n"
    )


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_reports_that_checks_are_missing(stop: signal.Signals, command: Process) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        process = command.start("doctor", "--base-url", f"http://127.0.0.1:{silent.getsockname()[1]}")
        connection, _ = silent.accept()  # the request arrives and is not answered
        process.send_signal(stop)
        out, err = process.communicate(timeout=20)
        connection.close()
    assert process.returncode == 1
    assert "python: " in out
    assert err == f"{'interrupted' if stop is signal.SIGINT else 'stopped by SIGTERM'}: not everything was looked at\n"


@pytest.mark.parametrize(
    "args",
    [["--region", "mars"], ["--base-url", "http://example.com"], ["--user-id", "a b"]],
    ids=" ".join,
)
def test_wrong_usage_is_reported_first(args: list[str]) -> None:
    result = CliRunner().invoke(app, ["doctor", *args])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")


def test_markup_and_control_characters_are_neutralised(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    tables.print_finding(Finding("host", Level.FAIL, "[red]\x1b[31mno", "[link]do"))
    out = capsys.readouterr().out
    assert "[red]?[31mno" in out
    assert "→ [link]do" in out
    tables.print_counts({Level.OK: 2, Level.FAIL: 1})
    assert capsys.readouterr().out == "2 ok, 1 wrong\n"
