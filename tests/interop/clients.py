"""Published clients of OKX, each in an environment of its own, driven through a small program.

A program reads orders from its stdin, one JSON object a line, and answers each with a line: the view of the client's
user. `make interop` installs the clients; a further one needs a program, a row in CLIENTS, and its lines there.

An order has ``base_url``, ``api_key``, ``secret_key``, ``passphrase``, ``demo``, ``paced`` (whether the client uses its
own throttler), ``call``, ``arguments`` and ``times`` (the number of calls at once). Calls:

    account()                                                   rows of user_id, pos_mode
    positions(inst_ids)                                         rows of inst_id, mgn_mode, pos_side, pos
    close(inst_id, mgn_mode, pos_side?, cl_ord_id?, auto_cxl?)  rows of inst_id, cl_ord_id

The answer is a list, one object for each call: ``code`` as the client's user gets it ("0" if the call returned),
``rows``, and ``error``, the name of the exception ("" if there is none).
"""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from okx_async import Credentials
from okx_async.simulator import SimulatedExchange

PROGRAMS = Path(__file__).parent / "programs"
ENVIRONMENTS = Path(__file__).parent.parent.parent / ".venv-interop"
LIMIT = 50  # s for an order


@dataclass(frozen=True, slots=True)
class Client:
    """One client: its program, its environment, and its errors."""

    name: str
    program: str
    environment: str
    errors: Mapping[str, str] = field(default_factory=dict)
    """The exception that it raises for a code."""
    paced: bool = False
    """Whether it keeps to the limit within one process."""

    @property
    def modules(self) -> Path:
        """The folder of its packages for Node."""
        return ENVIRONMENTS / self.environment / "node_modules"

    def command(self) -> list[str]:
        """Return the command line of its program; FileNotFoundError names what is not installed."""
        python = ENVIRONMENTS / self.environment / "bin" / "python"
        on_node = self.program.endswith("js")
        interpreter = shutil.which("node") if on_node else str(python)
        if interpreter is None:
            raise FileNotFoundError("node")
        if not (needed := self.modules if on_node else python).exists():
            raise FileNotFoundError(str(needed))
        return [interpreter, str(PROGRAMS / self.program)]


_CCXT = {
    "50011": "RateLimitExceeded",
    "50101": "AuthenticationError",
    "50102": "InvalidNonce",
    "50105": "AuthenticationError",
    "50111": "AuthenticationError",
    "50113": "AuthenticationError",
    "51023": "ExchangeError",
    "51115": "InvalidOrder",
}

CLIENTS = (
    Client("python-okx", "python_okx.py", "python-okx"),
    Client("ccxt", "ccxt_async.py", "ccxt", _CCXT),
    Client("ccxt with its throttler", "ccxt_async.py", "ccxt", _CCXT, paced=True),
    Client("okx-api on Node", "okx_api.cjs", "okx-api"),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """The outcome of one call, as the client's user sees it."""

    code: str
    rows: list[dict[str, str]]
    error: str


class Program:
    """A running client."""

    def __init__(self, client: Client) -> None:
        self.client = client
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "NODE_", "OKX_"))}
        self._process = subprocess.Popen(  # noqa: S603 - a program of this folder
            client.command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**kept, "NODE_PATH": str(client.modules)},
        )

    async def __call__(
        self,
        exchange: SimulatedExchange,
        call: str,
        *,
        keys: Credentials | None = None,
        demo: bool = False,
        times: int = 1,
        **arguments: Any,
    ) -> list[Seen]:
        """Make a call, `times` of them at once, and return what the client's user sees."""
        keys = keys or exchange.credentials
        order = {
            "base_url": exchange.base_url,
            "api_key": keys.api_key,
            "secret_key": keys.secret_key,
            "passphrase": keys.passphrase,
            "demo": demo,
            "paced": self.client.paced,
            "call": call,
            "arguments": arguments,
            "times": times,
        }
        # A thread that reads cannot be stopped, but the process that it reads from can.
        overdue = asyncio.get_running_loop().call_later(LIMIT, self._process.kill)
        try:
            line = await asyncio.to_thread(self._ask, json.dumps(order))
        finally:
            overdue.cancel()
        return [Seen(**one) for one in json.loads(line)]

    def end(self) -> int:
        """Close its stdin, and return its exit code."""
        self._process.communicate(timeout=LIMIT)
        return self._process.returncode

    def _ask(self, order: str) -> str:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise AssertionError("both are pipes")
        stdin.write(f"{order}\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise RuntimeError(f"{self.client.name} ended with {self._process.wait()}, see stderr")
        return line
