"""Fixtures of the command line: processes with an environment of their own, and `okx-async simulate`."""

import fcntl
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer import testing as _testing

from okx_async import Credentials
from okx_async.simulator import SimulatedExchange
from tests.cli.warm import Nursery, WarmPopen
from tests.schemas import check

# not -X dev: asyncio's debug mode reports slow callbacks on stderr
COMMAND = [sys.executable, "-W", "error", "-b", "-m", "okx_async.cli"]
LIMIT = 20  # s, for a process that should have ended
WITHOUT_HANDLERS = """
import asyncio, sys
sys.modules["uvloop"] = None
def none(*arguments):
    raise NotImplementedError
asyncio.SelectorEventLoop.add_signal_handler = asyncio.SelectorEventLoop.remove_signal_handler = none
"""
"""Python that makes the event loop one as Windows has it, which takes no signal handlers."""
STRANGER = Credentials("0af1c5d2-1f3a-4c8e-9a3b-5f7e21d0c9ab", "9F3C51E0B7A24D6888E1C0FFEE0DDBA1", "Fjord-8888!x")
"""A key that is not the simulator's: it could be one of the real exchange."""

# Else each `CliRunner` makes all commands anew from their signatures, which takes longer than most runs of one.
_runners: Any = _testing
_runners._get_command = cache(_runners._get_command)


def variables(keys: Credentials) -> dict[str, str]:
    return {"OKX_API_KEY": keys.api_key, "OKX_SECRET_KEY": keys.secret_key, "OKX_PASSPHRASE": keys.passphrase}


class Process:
    """Starts `okx-async`, without the variables of the caller's environment that could matter."""

    def __init__(self, nursery: Nursery | None = None) -> None:
        self.environment: dict[str, str] = {}
        self._nursery = nursery

    def env(self) -> dict[str, str]:
        here = {"PYTHONPATH", "PYTHONSAFEPATH"}  # which package is tried: `make mutants` tries copies
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in here or not name.startswith(("OKX_", "PYTHON", "COLUMNS"))
        }
        return {**kept, **self.environment}

    def start(self, *args: str, **options: Any) -> subprocess.Popen[str]:
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        terminal, hang_up = streams.pop("terminal", None), streams.pop("hang_up", signal.SIG_DFL)
        missing, before = streams.pop("missing", ()), streams.pop("before", "")
        if self._nursery is not None and not missing and None not in streams.values():
            told: dict[str, Any] = {"hang_up": hang_up, "terminal": terminal, "before": before}
            return WarmPopen(self._nursery, list(args), self.env(), **told, **streams)
        called = [*COMMAND[:-2], "-c", f"{before}\nfrom okx_async.cli import main\nmain()"] if before else COMMAND

        def prepare() -> None:
            # Runs in the child. Tests started in the background ignore signals, and their children would inherit that.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGHUP, hang_up)
            if terminal is not None:  # the controlling terminal of a new session, which ends with it
                os.setsid()
                fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
            for number in missing:
                os.close(number)

        streams["preexec_fn"] = prepare
        # Without certificates, else aiohttp reads all of the system at its import.
        env = {"SSL_CERT_FILE": os.devnull, **self.env()}
        return subprocess.Popen([*called, *args], env=env, text=True, **streams)  # noqa: S603 - our own command

    def __call__(self, *args: str) -> subprocess.CompletedProcess[str]:
        with self.start(*args) as process:
            out, err = process.communicate(timeout=LIMIT)
        if "--json" in args and out:
            check(args[0], out)
        return subprocess.CompletedProcess([*COMMAND, *args], process.returncode, out, err)


@pytest.fixture
def keys(exchange: SimulatedExchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put STRANGER's keys into the environment."""
    exchange.add_key(credentials=STRANGER)
    for name, value in {**variables(STRANGER), "COLUMNS": "100"}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def command(tmp_path: Path, nursery: Nursery | None) -> Process:
    made = Process(nursery)
    made.environment["XDG_STATE_HOME"] = str(tmp_path / "state")  # not the limits of whoever runs the tests
    return made


@pytest.fixture
def simulate(command: Process) -> Iterator[Callable[..., dict[str, Any]]]:
    """Start `okx-async simulate --json` and put its keys into the environment of the commands to come."""
    running: list[subprocess.Popen[str]] = []

    def start(*args: str) -> dict[str, Any]:
        process = command.start("simulate", "--json", *args)
        running.append(process)
        assert process.stdout is not None
        record = check("simulate", process.stdout.readline())
        command.environment |= record["environment"]
        return record

    yield start
    for process in running:
        process.send_signal(signal.SIGTERM)
        rest, told = process.communicate(timeout=LIMIT)
        assert process.returncode == 0
        assert rest == ""
        assert told.startswith("stopped: ")
        assert "Traceback" not in told
