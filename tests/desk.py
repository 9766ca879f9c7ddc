"""A folder with the programs that a page names, and the shell that finds them.

The command line talks to a simulated exchange, with the keys of demo trading if it says `--demo`. Programs of the
machine are stand-ins that write down how they were called; they print nothing.
"""

import asyncio
import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path

from okx_async import Credentials
from okx_async.simulator import SimulatedExchange
from tests.pages import DOCS

LIMIT = 100  # s for all sessions of a page, on a machine with much to do
MACHINE = ("pip", "python", "uvicorn", "systemctl", "curl", "sleep")
OKX_ASYNC = """#!/bin/sh
case " $* " in
*" --demo "*) export OKX_API_KEY="$DEMO_KEY" OKX_SECRET_KEY="$DEMO_SECRET" OKX_PASSPHRASE="$DEMO_PASSPHRASE" ;;
*) export OKX_API_KEY="$LIVE_KEY" OKX_SECRET_KEY="$LIVE_SECRET" OKX_PASSPHRASE="$LIVE_PASSPHRASE" ;;
esac
case $1 in
close | flatten | positions | doctor) set -- "$@" --base-url "$EXCHANGE" ;;
simulate) exec {python} -c "$UNTIL_IT_SPEAKS" "$@" ;;
esac
exec {program} "$@"
"""
UNTIL_IT_SPEAKS = """
import subprocess, sys
command = [sys.executable, "-b", "-m", "okx_async.cli", *sys.argv[1:]]
with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
    print(process.stdout.readline())
    process.terminate()
    print(process.stdout.read())
sys.exit(process.returncode)
"""
STAND_IN = '#!/bin/sh\necho "$(basename "$0") $*" >>"$CALLS"\n'


class Desk:
    """A folder with programs, and the shell that finds them; the exchange is a simulated one."""

    def __init__(self, folder: Path, exchange: SimulatedExchange, program: Path) -> None:
        self.folder = folder
        self.exchange = exchange
        self.live, self.demo = exchange.add_account(), exchange.add_account(demo=True)
        for account in (self.live, self.demo):
            exchange.open_position("BTC-USDT-SWAP", "0.01", account=account)
            exchange.open_position("ETH-USDT-SWAP", -12, "isolated", account=account)
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.add("okx-async", OKX_ASYNC.format(python=shlex.quote(sys.executable), program=shlex.quote(str(program))))
        for name in MACHINE:
            self.add(name, STAND_IN)

    def add(self, name: str, text: str) -> None:
        """Write a program."""
        path = self.programs / name
        path.write_text(text)
        path.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """The calls of stand-ins, so far."""
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    async def run(self, *command: str) -> tuple[int, str]:
        """Run a program with a terminal that says yes; return its exit code and all that it printed."""
        terminal, theirs = pty.openpty()
        printed = b""
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=self.folder,
                env=self._environment(),
                stdin=theirs,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            assert process.stdout is not None
            async with asyncio.timeout(LIMIT):
                while part := await process.stdout.read(1 << 16):
                    printed += part
                    if printed.endswith(b"[y/N] "):  # what is typed before the question is no answer
                        os.write(terminal, b"yes\n")
                await process.wait()
        finally:
            os.close(theirs)
            os.close(terminal)
        return process.returncode or 0, printed.decode()

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OKX_", "PYTHON", "COLUMNS"))}
        return {
            **kept,
            "PATH": f"{self.programs}:{kept['PATH']}",
            "PYTHONPATH": str(DOCS.parent),
            "XDG_STATE_HOME": str(self.folder / "state"),  # not the limits of this user
            "CALLS": str(self.folder / "calls"),
            "EXCHANGE": self.exchange.base_url,
            "UNTIL_IT_SPEAKS": UNTIL_IT_SPEAKS,
            **_keys("LIVE", self.live.credentials),
            **_keys("DEMO", self.demo.credentials),
        }


def _keys(prefix: str, keys: Credentials) -> dict[str, str]:
    return {
        f"{prefix}_KEY": keys.api_key,
        f"{prefix}_SECRET": keys.secret_key,
        f"{prefix}_PASSPHRASE": keys.passphrase,
    }
