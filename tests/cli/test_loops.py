"""The loop of the commands: uvloop's where it can be loaded."""

import asyncio
import json
import sys
from types import ModuleType

import pytest

from okx_async.cli import loops
from tests.cli.conftest import STRANGER, Process, variables

TELL = """
import sys
from okx_async.cli import signals
kept = signals._handled
def told(terminate):
    import asyncio
    sys.stderr.write(type(asyncio.get_running_loop()).__module__ + "\\n")
    return kept(terminate)
signals._handled = told
"""


async def module() -> str:
    return type(asyncio.get_running_loop()).__module__


def test_uvloop_is_used_if_it_is_there() -> None:
    pytest.importorskip("uvloop")
    assert loops.run(module()) == "uvloop"


@pytest.mark.parametrize("broken", [None, ModuleType("uvloop")], ids=["not installed", "something else"])
def test_without_it_the_loop_is_asyncios(monkeypatch: pytest.MonkeyPatch, broken: ModuleType | None) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", broken)
    assert loops.run(module()).startswith("asyncio")


@pytest.mark.parametrize("there", [True, False])
def test_a_command_runs_on_it(command: Process, *, there: bool) -> None:
    if there:
        pytest.importorskip("uvloop")
    before = TELL if there else f"import sys; sys.modules['uvloop'] = None\n{TELL}"
    command.environment |= variables(STRANGER)
    process = command.start("positions", "--base-url", "http://127.0.0.1:9", before=before)
    _, err = process.communicate(timeout=20)
    assert err.splitlines()[0].startswith("uvloop" if there else "asyncio")


def few(files: int) -> str:
    return f"import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, ({files}, {files}))"


@pytest.mark.share(3)
@pytest.mark.parametrize("files", [6, 14])  # with 6 uvloop would end the process
@pytest.mark.share(2)
@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (("close", "BTC-USDT-SWAP", "--mgn-mode", "cross", "--yes", "--json"), "outcome"),
        (("positions", "--json"), "outcome"),
        (("doctor", "--json"), "findings"),
    ],
)
def test_a_command_says_that_it_may_not_open_enough_files(
    arguments: tuple[str, ...], key: str, files: int, command: Process
) -> None:
    command.environment |= variables(STRANGER)
    process = command.start(*arguments, before=few(files), missing=[0])
    out, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "Too many open files, and 15 more are needed (ulimit -n 1024)" in out
    assert key in json.loads(out)
    assert "Traceback" not in err
    assert "Warning" not in err


@pytest.mark.share(2)
@pytest.mark.parametrize("files", [6, 14])
def test_a_simulated_exchange_that_may_not_open_enough_files_ends(files: int, command: Process) -> None:
    process = command.start("simulate", "--json", before=few(files), missing=[0])
    assert process.communicate(timeout=20)[0] == ""
    assert process.returncode == 1


def test_a_machine_without_the_null_device_bars_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a chroot may be: it says nothing of how many files may be opened."""
    monkeypatch.setattr("os.devnull", "/nowhere/null")
    assert loops.run(module()) in {"asyncio.unix_events", "uvloop"}
