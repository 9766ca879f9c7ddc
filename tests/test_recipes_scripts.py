"""The scripts of unattended-flatten.md and of the page about JSON."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from okx_async.simulator import SimulatedExchange
from tests.desk import Desk
from tests.pages import DOCS, HOW_TO, blocks


@pytest.mark.skipif(not shutil.which("jq"), reason="there is no jq on this machine")
@pytest.mark.parametrize("case", ["refused", "nothing read", "wrong usage"])
async def test_the_script_that_reads_json_says_what_is_left(case: str, okx_async_program: Path, tmp_path: Path) -> None:
    [script] = blocks(DOCS / "reference" / "json.md", "bash")
    async with SimulatedExchange() as exchange:
        desk = Desk(tmp_path, exchange, okx_async_program)
        if case == "refused":
            exchange.inject(code="51108", times=None)
        elif case == "nothing read":
            exchange.inject(code="50030", path=None, times=None)
        else:
            script = script.replace("--yes", "--yes --deadline soon")
        code, printed = await desk.run("bash", "-c", script)
    assert (code, "jq:" in printed) == (0, False), printed
    said = {"refused": "BTC-USDT-SWAP: refused 51108", "nothing read": "\n50030 on ", "wrong usage": "(exit code 2)"}
    assert said[case] in printed


@pytest.fixture
def exit_script(tmp_path: Path) -> Path:
    [text] = blocks(HOW_TO / "unattended-flatten.md", "sh")
    path = tmp_path / "exit.sh"
    path.write_text(text)
    path.chmod(0o755)
    return path


async def test_the_script_is_silent_about_a_flat_account(
    exit_script: Path, okx_async_program: Path, tmp_path: Path
) -> None:
    async with SimulatedExchange() as exchange:
        desk = Desk(tmp_path, exchange, okx_async_program)
        code, printed = await desk.run(str(exit_script))
        assert (code, desk.calls) == (0, []), printed
        assert not [one for one in exchange.positions if one.user_id == desk.live.user_id]
    assert (tmp_path / "exits.jsonl").read_text().count("\n") == 1


async def test_the_script_tries_three_times_and_tells(
    exit_script: Path, okx_async_program: Path, tmp_path: Path
) -> None:
    async with SimulatedExchange() as exchange:
        desk = Desk(tmp_path, exchange, okx_async_program)
        exchange.inject(code="51108", times=None)
        code, printed = await desk.run(str(exit_script))
        assert code == 1, printed
    assert [call.split()[0] for call in desk.calls] == ["sleep", "sleep", "sleep", "curl"]
    assert desk.calls[-1].endswith("?code=1")
    assert (tmp_path / "exits.jsonl").read_text().count('"flat":false') == 3


async def test_the_script_does_not_repeat_wrong_usage(
    exit_script: Path, okx_async_program: Path, tmp_path: Path
) -> None:
    async with SimulatedExchange() as exchange:
        desk = Desk(tmp_path, exchange, okx_async_program)
        desk.add("okx-async", f'#!/bin/sh\nexec {shlex.quote(str(okx_async_program))} "$@"\n')  # no keys
        code, _ = await desk.run(str(exit_script))
    assert code == 2
    assert [call.split()[0] for call in desk.calls] == ["curl"]


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    units = {
        unit.split(None, 2)[1].rpartition("/")[2]: unit for unit in blocks(HOW_TO / "unattended-flatten.md", "ini")
    }
    assert {name.partition(".")[2] for name in units} == {"service", "timer"}
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("there is no systemd-analyze on this machine")
    for name, unit in units.items():
        (tmp_path / name).write_text(unit.replace("/usr/local/bin/exit.sh", "/bin/true"))
    done = subprocess.run(  # noqa: S603 - a program of this machine, and files of ours
        [verify, "verify", *(str(tmp_path / name) for name in units)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
