"""The command line as users have it: a process with its own environment, and a simulated exchange to talk to."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from typing import Any

import pytest

# not -X dev: asyncio's debug mode writes on stderr which callbacks were slow
COMMAND = [sys.executable, "-W", "error", "-b", "-m", "okx_async.cli"]
LIMIT = 20  # s, for a process that should have ended


class Process:
    """Starts `okx-async` with nothing of the caller's environment that could matter."""

    def __init__(self) -> None:
        self.environment: dict[str, str] = {}

    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OKX_", "PYTHON", "COLUMNS"))}
        return {**kept, **self.environment}

    def start(self, *args: str, **options: Any) -> subprocess.Popen[str]:
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        terminal, hang_up = streams.pop("terminal", None), streams.pop("hang_up", signal.SIG_DFL)

        def prepare() -> None:
            # In the child: tests that were started in the background ignore signals, and what they start would too.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGHUP, hang_up)
            if (
                terminal is not None
            ):  # it becomes the terminal of a session of its own, whose end is that of the terminal
                os.setsid()
                fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

        streams["preexec_fn"] = prepare
        return subprocess.Popen([*COMMAND, *args], env=self.env(), text=True, **streams)  # noqa: S603 - our own command

    def __call__(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own command
            [*COMMAND, *args],
            env=self.env(),
            text=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT,
            check=False,
        )


@pytest.fixture
def command() -> Process:
    return Process()


@pytest.fixture
def simulate(command: Process) -> Iterator[Callable[..., dict[str, Any]]]:
    """Start `okx-async simulate --json` and put its keys into the environment of the commands to come."""
    running: list[subprocess.Popen[str]] = []

    def start(*args: str) -> dict[str, Any]:
        process = command.start("simulate", "--json", *args)
        running.append(process)
        assert process.stdout is not None
        record: dict[str, Any] = json.loads(process.stdout.readline())
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
