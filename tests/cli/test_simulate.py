"""`okx-async simulate` as a process: the lines that it prints work, and signals end it."""

import json
import shlex
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from typer.testing import CliRunner

from okx_async.cli import simulation
from okx_async.cli.app import app
from okx_async.simulator import Behaviour
from tests.cli.conftest import WITHOUT_HANDLERS, Process


def test_the_printed_lines_work(command: Process) -> None:
    process = command.start("simulate", "--position", "BTC-USDT-SWAP:-3:isolated", "--seed", "1")
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or not lines[-1].startswith("okx-async close"):
        lines.append(process.stdout.readline())
        assert lines[-1], process.communicate(timeout=20)
    for line in lines:
        if line.startswith("export "):
            name, value = shlex.split(line)[1].split("=", 1)
            command.environment[name] = value
    listing, closing = (shlex.split(line)[1:] for line in lines[-2:])
    assert "-3" in command(*listing).stdout
    assert command(*closing).returncode == 0
    assert command(*listing).stdout == "no open positions\n"
    process.send_signal(signal.SIGINT)  # SIGTERM: the fixture `simulate`
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    assert err.startswith("stopped: ")
    assert "0 refused for rate, worst 2 s window of closes 1" in err


@pytest.mark.share(3)
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("before", [WITHOUT_HANDLERS, ""])
def test_signals_end_it_on_any_loop(before: str, stop: signal.Signals, command: Process) -> None:
    process = command.start("simulate", "--json", before=before)
    assert process.stdout is not None
    assert "base_url" in json.loads(process.stdout.readline())
    process.send_signal(stop)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    assert err.startswith("stopped: 0 requests")
    assert err.count("\n") == 1


def test_a_port_in_use_is_exit_1(command: Process) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = command("simulate", "--port", str(taken.getsockname()[1]), "--json")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: cannot listen on 127.0.0.1:")
    assert "Traceback" not in result.stderr


def test_accounts_positions_and_faults(command: Process, simulate: Callable[..., dict[str, Any]]) -> None:
    record = simulate(
        *("--account", "sub,long-short", "--account", "demo", "--account", "read-only"),
        *(
            "--position",
            "BTC-USDT-SWAP:-3",
            "--position",
            "2@BTC-USDT-SWAP:1:cross:short",
            "--position",
            "3@BTC-USDT:2",
        ),
        *("--fault", "50026:1:executed", "--fault", "50120"),
    )
    accounts = record["accounts"]
    uid = record["user_id"]
    assert [(one["pos_mode"], one["demo"], one["main_user_id"] == uid) for one in accounts] == [
        ("net_mode", False, True),
        ("long_short_mode", False, True),
        ("net_mode", True, False),
        ("net_mode", False, False),
    ]
    assert (
        len({one["user_id"] for one in accounts}) == len({one["environment"]["OKX_API_KEY"] for one in accounts}) == 4
    )
    assert record["environment"] == accounts[0]["environment"]
    assert [(one["user_id"], one["inst_id"], one["pos"]) for one in record["positions"]] == [
        (uid, "BTC-USDT-SWAP", "-3"),
        (accounts[1]["user_id"], "BTC-USDT-SWAP", "-1"),
        (accounts[2]["user_id"], "BTC-USDT", "2"),
    ]
    where = ("--base-url", record["base_url"])
    first = command("close", "BTC-USDT-SWAP", "--mgn-mode", "cross", "--yes", *where)
    assert (first.returncode, "50026" in first.stderr) == (3, True), first
    command.environment |= accounts[1]["environment"]
    second = command("close", "BTC-USDT-SWAP", "--mgn-mode", "cross", "--pos-side", "short", "--yes", *where)
    assert (second.returncode, "50120" in second.stderr) == (1, True), second


def test_listening_everywhere_is_announced(command: Process) -> None:
    process = command.start("simulate", "--host", "0.0.0.0", "--json")  # noqa: S104 - that is what is tested
    assert process.stdout is not None
    record = json.loads(process.stdout.readline())
    assert record["base_url"].startswith("http://127.0.0.1:")
    address = urlsplit(record["base_url"])
    with socket.create_connection((address.hostname, address.port), timeout=20):
        pass
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=20)
    assert told.startswith("listening on 0.0.0.0: every client that reaches it")


async def test_the_journal_is_bounded_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "_JOURNAL", 3)
    options = simulation.Options("127.0.0.1", 0, 0.0, 0.0, "sliding", "net_mode", 0.0, None)
    told = []
    async with simulation._exchange(options) as exchange, aiohttp.ClientSession() as session:
        for _ in range(4):
            async with session.get(f"{exchange.base_url}/api/v5/public/time") as response:
                assert response.status == 200
            told.append(simulation._last_words(exchange).partition(",")[0])
    assert told == [
        "stopped: 1 requests",
        "stopped: 2 requests",
        "stopped: the last 3 requests",
        "stopped: the last 3 requests",
    ]


@pytest.mark.parametrize(
    ("option", "text", "words"),
    [
        ("--host", "", "--host is empty, which would be everywhere"),
        ("--account", "rich", "--account must be of"),
        ("--account", "net,demo,long-short", "net or long-short, not both"),
        ("--position", "2@BTC-USDT-SWAP:1", "no account '2', there are 1"),
        ("--position", "BTC-USDT-SWAP", "--position must be"),
        ("--fault", "bad luck", "no fault is called 'bad luck'"),
        ("--fault", "50026:often", "--fault must be"),
        ("--fault", "50011:1:executed", "never executed"),
        ("--window", "round", "window"),
    ],
)
def test_wrong_options_are_exit_2(option: str, text: str, words: str) -> None:
    result = CliRunner().invoke(app, ["simulate", option, text])
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


def recorded(folder: Path, text: str = '{"window": "fixed", "fill_delay": [0.2, 0.4], "lists_flat": "never"}') -> Path:
    file = folder / "recording.json"
    file.write_text(f'{{"format": "okx-async recording", "version": 1, "settings": {text}}}')
    return file


@pytest.mark.parametrize(
    ("args", "window", "fill_delay"),
    [
        ([], "fixed", (0.2, 0.4)),
        (["--window", "sliding"], "sliding", (0.2, 0.4)),  # given, though it is the default
        (["--fill-delay", "0"], "fixed", 0.0),
    ],
)
def test_a_recording_settles_what_no_option_says(
    tmp_path: Path, args: list[str], window: str, fill_delay: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Behaviour] = []

    def run(options: simulation.Options, _scene: object, *, as_json: bool) -> int:
        made.append(simulation._exchange(options).behaviour)
        return int(as_json)

    monkeypatch.setattr(simulation, "run", run)
    ended = CliRunner().invoke(app, ["simulate", "--recording", str(recorded(tmp_path)), *args])
    assert ended.exit_code == 0, ended.output
    (behaviour,) = made
    assert (behaviour.window, behaviour.fill_delay, behaviour.lists_flat) == (window, fill_delay, "never")


@pytest.mark.parametrize(("text", "words"), [('{"window": "oval"}', "settings: "), (None, "No such file")])
def test_a_file_that_is_no_recording_is_named(command: Process, tmp_path: Path, text: str | None, words: str) -> None:
    file = tmp_path / "none.json" if text is None else recorded(tmp_path, text)
    told = command("simulate", "--recording", str(file))
    assert (told.returncode, told.stdout) == (2, "")
    assert f"error: {file}: {words}" in told.stderr
