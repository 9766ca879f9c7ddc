"""`simulate` as a process: what it prints works, and it ends when it is told to."""

from __future__ import annotations

import shlex
import signal
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Process


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


def test_a_port_in_use_is_exit_1(command: Process) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = command("simulate", "--port", str(taken.getsockname()[1]), "--json")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: cannot listen on 127.0.0.1:")
    assert "Traceback" not in result.stderr
