"""`okx-async rehearse --record` and `--replay`."""

import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from okx_async.cli import rehearse as command
from okx_async.cli.exits import ExitCode
from okx_async.cli.recordings import replay_file
from okx_async.simulator import Account, Behaviour, SimulatedExchange
from tests.cli.conftest import Process
from tests.cli.test_rehearse import QUICK, demo, run
from tests.schemas import check

__all__ = ["demo"]  # the fixture
SIDE = "wrong-side-is-51000"


@pytest.mark.usefixtures("demo")
async def test_a_second_signal_gives_up_the_recording_and_not_the_report(
    exchange: SimulatedExchange, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "save", stopped)
    assert await run(exchange, QUICK, record=str(tmp_path / "x"), as_json=True) is ExitCode.FAILED
    out, err = capsys.readouterr()
    assert orjson.loads(out)["flat"] is True
    assert err == "interrupted: the recording was not written\n"


async def test_a_rehearsal_is_recorded_and_held_against_the_simulator(
    exchange: SimulatedExchange, demo: Account, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exchange.restyle("51023", status=404)
    file = tmp_path / "recording.json"
    await run(exchange, QUICK, SIDE, record=str(file))
    out, err = capsys.readouterr()
    assert err.splitlines() == [
        "finding out what the recording settles, for some seconds",
        f"recorded: {file}, without keys, user id and addresses",
    ]
    text = file.read_text()
    keys = demo.credentials
    for secret in (keys.api_key, keys.secret_key, keys.passphrase, demo.user_id, "127.0.0.1"):
        assert secret not in text
    assert SimulatedExchange.from_recording(file).behaviour.refusals["no position"].status == 404
    assert SimulatedExchange.from_recording(file).behaviour != Behaviour()

    assert replay_file(str(file), as_json=False) is ExitCode.FAILED
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert "requests compared with the simulated exchange, 0 without an answer left out" in lines[0]
    assert lines[1] == QUICK
    assert lines[2].startswith("  status: POST trade/close-position 51023: recorded 404, simulated 200 (request ")
    assert lines[3:] == ["with the settings of the recording (SimulatedExchange.from_recording):", "no difference"]
    assert err == ""

    assert replay_file(str(file), as_json=True) is ExitCode.FAILED
    record = check("rehearse", capsys.readouterr().out)
    (difference,) = record["differences"]
    assert (difference["assumption"], difference["kind"], record["unexplained"]) == (QUICK, "status", [])
    assert record["settings"]["refusals"] == {"no position": {"code": "51023", "status": 404, "shape": "full"}}
    assert record["compared"] > 5
    assert record["by"].startswith("okx-async ")


@pytest.mark.usefixtures("demo")
async def test_without_a_difference_it_is_done(
    exchange: SimulatedExchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "recording.json"
    assert await run(exchange, QUICK, record=str(file)) is ExitCode.DONE
    capsys.readouterr()
    assert replay_file(str(file), as_json=False) is ExitCode.DONE
    assert capsys.readouterr().out.splitlines()[1:] == ["no difference"]


@pytest.mark.usefixtures("demo")
async def test_a_file_that_cannot_be_written_is_said_before_anything_is_sent(
    exchange: SimulatedExchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe, link, target = (tmp_path / name for name in ("pipe", "link", "target"))
    os.mkfifo(pipe)
    target.write_text("theirs")
    link.symlink_to(target)
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    for path, words in (
        (tmp_path, "no regular file"),
        (tmp_path / "nowhere" / "recording.json", "cannot be written"),
        (pipe, "no regular file"),
        (link, "no regular file"),
        (tmp_path / "dangling", "no regular file"),
    ):
        assert await run(exchange, QUICK, record=str(path)) is ExitCode.USAGE
        assert words in capsys.readouterr().err
    assert exchange.journal == []
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert target.read_text() == "theirs"


@pytest.mark.usefixtures("demo")
async def test_a_recording_that_fails_in_the_end_is_no_success(
    exchange: SimulatedExchange, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("okx_async.cli.recordings.write_recording", full)
    assert await run(exchange, QUICK, record=str(tmp_path / "r.json")) is ExitCode.FAILED
    assert "the recording was not written: [Errno 28] No space left on device" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"{}", "no recording"),
        (b'{"format":"okx-async recording","version":9}', "newer version"),
        (b'{"format":"okx-async recording","version":1,"requests":[{"\\u001b[2J":1}]}', "is not known"),
        (None, "No such file"),
    ],
    ids=["other", "newer", "control characters", "missing"],
)
def test_files_that_cannot_be_used(
    tmp_path: Path, text: bytes | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "recording.json"
    if text is not None:
        file.write_bytes(text)
    assert replay_file(str(file), as_json=True) is ExitCode.USAGE
    out, err = capsys.readouterr()
    assert (out, "\x1b" in err) == ("", False)
    assert words in err


def test_a_stranger_s_text_drives_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = "\x1b[2J\x07"
    entry = {
        "trial": odd,
        "at": 0,
        "took": 0,
        "method": odd,
        "path": odd,
        "status": 200,
        "answer": {"json": {"code": odd}},
    }
    document = {"format": "okx-async recording", "version": 1, "requests": [entry]}
    file = tmp_path / "recording.json"
    file.write_bytes(orjson.dumps(document))
    assert replay_file(str(file), as_json=False) is ExitCode.FAILED
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out


def test_a_replay_needs_no_keys_and_no_network(command: Process, tmp_path: Path) -> None:
    file = tmp_path / "recording.json"
    asked = {"trial": "x", "at": 0.0, "took": 0.01, "host": "openapi.okx.com", "method": "GET", "status": 200}
    asked |= {"path": "/api/v5/public/time", "answer": {"json": {"code": "0", "data": [{"ts": "1"}], "msg": ""}}}
    file.write_bytes(orjson.dumps({"format": "okx-async recording", "version": 1, "requests": [asked]}))
    ended = command("rehearse", "--replay", str(file))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[1] == "no difference"


def test_a_recording_without_requests_is_no_proof(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "empty.json"
    file.write_text('{"format": "okx-async recording", "version": 1}')
    assert replay_file(str(file), as_json=True) is ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{file} has no requests" in err


def test_what_sends_nothing_cannot_be_recorded(command: Process, tmp_path: Path) -> None:
    told = command("rehearse", "--replay", str(tmp_path / "a.json"), "--record", str(tmp_path / "b.json"))
    assert (told.returncode, told.stdout) == (2, "")
    assert "leave --record out" in told.stderr
