"""Commands without stdout and stderr, with a full disk and with pipes that have no reader: exit codes stay the same."""

import io
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from okx_async.cli import streams, tables
from okx_async.cli.exits import emit
from okx_async.doctor import Level
from tests.cli.conftest import LIMIT, Process

MISSING: dict[str, Any] = {"missing": (0, 1, 2), "stdin": None, "stdout": None, "stderr": None}


def _no_reader() -> dict[str, Any]:
    ours, theirs = os.pipe()
    os.close(ours)
    return {"stdout": theirs, "stderr": theirs}


def _full() -> dict[str, Any]:
    full = os.open("/dev/full", os.O_WRONLY)
    return {"stdout": full, "stderr": full}


@pytest.mark.share(3)
@pytest.mark.parametrize(
    ("output", "as_json", "which"),
    [
        ("missing", True, slice(1, 3)),  # of each kind of output some that write to both streams
        pytest.param("missing", True, slice(None), marks=pytest.mark.long),
        pytest.param("missing", False, slice(4, 7), marks=pytest.mark.long),
        ("full", False, slice(1, 5, 3)),
        ("no reader", True, slice(2, 6, 3)),
    ],
)
def test_exit_codes_do_not_depend_on_the_output(
    output: str, which: slice, command: Process, simulate: Callable[..., dict[str, Any]], *, as_json: bool
) -> None:
    lines = ["--position", "BTC-USDT-SWAP:3", "--position", "ETH-USDT-SWAP:3", "--position", "SOL-USDT-SWAP:3"]
    where = ["--base-url", simulate(*lines)["base_url"], *["--json"] * as_json]
    options = {"missing": MISSING, "full": _full(), "no reader": _no_reader()}[output]
    runs = [
        (["positions", *where], 0),
        (["close", "BTC-USDT-SWAP", "--mgn-mode", "cross", "--yes", *where], 0),
        (["close", "DOT-USDT-SWAP", "--mgn-mode", "cross", "--yes", *where], 1),  # refused: it is flat
        (["flatten", "--dry-run", *where], 0),
        (["flatten", "--yes", *where], 0),
        (["doctor", *where], 0),
        (["torture", "--seeds", "1", *["--json"] * as_json], 0),
        (["close", "BTC-USDT-SWAP", *where], 2),
        (["--version"], 0),
        (["close", "--help"], 0),
    ][which]
    codes = [command.start(*args, **options).wait(LIMIT) for args, _ in runs]
    assert codes == [code for _, code in runs]
    if which == slice(None):
        assert command("positions", *where[:2]).stdout == "no open positions\n"


@pytest.mark.share(2)
@pytest.mark.parametrize("where", ["device", "file"])
def test_json_that_a_disk_did_not_take_is_no_success(
    where: str, command: Process, simulate: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """A file of at most 20 bytes is a disk that becomes full half way."""
    url = simulate("--position", "BTC-USDT-SWAP:3")["base_url"]
    # Without compiled modules: cut short as well, they would stay behind, and no later process could import them.
    limit = "import resource, sys; sys.dont_write_bytecode = True; resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))"
    small = limit if where == "file" else ""
    runs = [
        (["positions", "--base-url", url], 1),
        (["close", "BTC-USDT-SWAP", "--mgn-mode", "cross", "--base-url", url], 1),  # closed all the same
        (["close", "BTC-USDT-SWAP"], 2),
        (["simulate"], 1),  # no client could know where it is
    ]
    if where == "file":
        del runs[:2]  # the file of limits would find no room either
    for arguments, code in runs:
        with Path("/dev/full" if where == "device" else tmp_path / "out").open("w") as out:
            process = command.start(*arguments, "--json", stdout=out, before=small)
            _, err = process.communicate(timeout=LIMIT)
        assert process.returncode == code, (arguments, err)
        assert ("the JSON was not written to stdout: " in err) is (code == 1)
        assert "Traceback" not in err
    left = "no open positions\n" if where == "device" else "BTC-USDT-SWAP"
    assert left in command("positions", "--base-url", url).stdout


def test_a_simulated_exchange_serves_without_streams(command: Process) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = command.start("simulate", "--port", str(port), **MISSING)
    by = time.monotonic() + LIMIT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except ConnectionRefusedError:
            assert process.poll() is None
            assert time.monotonic() < by
            time.sleep(0.02)
    process.terminate()
    assert process.wait(LIMIT) == 0


def test_missing_descriptors_are_no_sockets(command: Process, tmp_path: Path) -> None:
    told = tmp_path / "told"
    process = command.start(
        before=f"""
import os, pathlib, sys
sys.argv[1:] = ["--version"]
from okx_async.cli import streams
streams.guard_streams()
kept = os.open(os.devnull, os.O_RDONLY)
print("dropped")
pathlib.Path({str(told)!r}).write_text(str([kept > 2, *map(os.get_inheritable, range(3))]))
""",
        **MISSING,
    )
    assert process.wait(LIMIT) == 0
    assert told.read_text() == str([True] * 4)


def test_closed_streams_drop_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    monkeypatch.setattr(sys, "stderr", None)
    emit({"flat": True})
    streams.guard_streams()
    for stream in (sys.stdout, sys.stderr):
        assert stream.write("words") == len("words")
        stream.writelines(["more ", "words"])
        stream.flush()
        stream.close()


@pytest.mark.share(2)
@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_streams_that_a_program_has_closed_change_no_exit_code(
    name: str, command: Process, simulate: Callable[..., dict[str, Any]]
) -> None:
    """Such as one that runs the command by `runpy`."""
    where = ["--base-url", simulate("--position", "BTC-USDT-SWAP:3")["base_url"]]
    for arguments in (["flatten", "--yes", *where], ["doctor", *where], ["limits"], ["positions", *where]):
        process = command.start(*arguments, before=f"import sys; sys.{name}.close()")
        out, err = process.communicate(timeout=LIMIT)
        assert (process.returncode, "Traceback" in err, "raised" in err) == (0, False, False), (arguments, err)
        assert (out == "") is (name == "stdout")
    assert command("positions", *where).stdout == "no open positions\n"


def test_a_stream_that_is_closed_meanwhile_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    with io.StringIO() as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        streams.guard_streams()
        assert not sys.stdout.isatty()
    assert not sys.stdout.isatty()
    tables.print_counts({Level.OK: 1})


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_keeps_its_characters_in_any_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    """A question mark in an id would be the id of another instrument."""
    written = io.BytesIO()
    with io.TextIOWrapper(written, encoding, errors="replace") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        emit({"inst_id": "测试é😀-USDT-SWAP"})
        stream.flush()
        assert json.loads(written.getvalue().decode(encoding)) == {"inst_id": "测试é😀-USDT-SWAP"}


def test_json_is_written_of_a_path_that_is_no_utf_8(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"path": os.fsdecode(b"/srv/jos\xe9/limits"), "keys": [Decimal("1.5")], "busy": None})
    assert json.loads(capsys.readouterr().out) == {"path": "/srv/jos\ufffd/limits", "keys": ["1.5"], "busy": None}
