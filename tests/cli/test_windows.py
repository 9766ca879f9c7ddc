"""The command line where the system lacks what only Unix has: forks, user ids, alarms, handlers of the loop."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from tests.cli.conftest import LIMIT, WITHOUT_HANDLERS, Process

EACH = f"""{WITHOUT_HANDLERS}
import json, multiprocessing.connection, os, signal, sqlite3, subprocess, time
import aiohttp, redis.asyncio, rich.live, ssl, typer, zoneinfo  # with all of their modules, before something is missing
for name in ("fork", "register_at_fork", "getuid", "geteuid", "killpg", "statvfs", "O_NOFOLLOW"):
    delattr(os, name)
for name in ("SIGALRM", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "alarm", "setitimer", "pthread_sigmask"):
    delattr(signal, name)
for name in ("CLOCK_BOOTTIME", "clock_gettime"):
    delattr(time, name)
for name in ("fcntl", "grp", "pwd", "resource", "termios", "pty"):
    sys.modules[name] = None
sys.platform = "win32"
ssl.SSLContext._load_windows_store_certs = lambda *_: None
from contextlib import redirect_stdout
from io import StringIO
from okx_async.cli import main
for arguments in json.loads(sys.argv[1]):
    sys.argv[1:] = arguments
    with redirect_stdout(StringIO()) as printed:
        try:
            main()
        except SystemExit as end:
            code = end.code
    print(json.dumps([code, printed.getvalue()]), flush=True)
"""
"""Python that runs one command after the other and prints of each its exit code and what it printed."""


def test_commands_work_and_say_what_cannot_be_shared(command: Process, simulate: Callable[..., dict[str, Any]]) -> None:
    where = ["--base-url", simulate("--position", "BTC-USDT-SWAP:-3", "--position", "ETH-USDT-SWAP:2")["base_url"]]
    commands = [
        *(["doctor", *where], ["limits"], ["positions", *where], ["torture", "--seeds", "1"]),
        *(["close", "BTC-USDT-SWAP", "--mgn-mode", "cross", "--yes", *where], ["flatten", "--yes", *where]),
    ]
    done = subprocess.run(  # noqa: S603 - our own text
        [sys.executable, "-c", EACH, json.dumps(commands)],
        env=command.env(),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    codes, printed = zip(*map(json.loads, done.stdout.splitlines()), strict=True)
    assert codes == (0, 2, 0, 0, 0, 0), (printed, done.stderr)
    told = "limits can be shared by a file on Linux and macOS only, this is win32"
    assert f"{told}: this command line has limits of its own" in printed[0]
    assert f"error: {told}" in done.stderr
    assert f"warning: limits are not shared with other programs: {told}" in done.stderr
    assert "FLAT" in printed[-1]
