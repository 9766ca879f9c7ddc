"""The clients that people use today, each as it is published and in an environment of its own.

A client is a program that reads orders from its stdin, one JSON object a line, and answers each with a line: what
its user sees. `make interop` installs them; adding one is such a program, a row in CLIENTS, and its lines there.

An order: ``base_url``, ``api_key``, ``secret_key``, ``passphrase``, ``demo``, ``paced`` (whether the client is to use
a throttler of its own, if it has one), ``call``, ``arguments`` and ``times``: so many calls at once. Calls:

    account()                                                   rows of user_id, pos_mode
    positions(inst_ids)                                         rows of inst_id, mgn_mode, pos_side, pos
    close(inst_id, mgn_mode, pos_side?, cl_ord_id?, auto_cxl?)  rows of inst_id, cl_ord_id

The answer is a list, one object for each call: ``code`` as the client's user gets it, "0" if the call just returned;
``rows``; ``error``: the name of the exception that it ended in, "" where the client raises none.
"""

from __future__ import annotations

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

__all__ = ["CLIENTS", "Client", "Program", "Seen"]

PROGRAMS = Path(__file__).parent / "programs"
ENVIRONMENTS = Path(__file__).parent.parent.parent / ".venv-interop"
LIMIT = 50  # s for an order


@dataclass(frozen=True, slots=True)
class Client:
    """One client: its program, its environment, and what its users go by."""

    name: str
    program: str
    environment: str
    errors: Mapping[str, str] = field(default_factory=dict)
    """The exception that it makes of a code."""
    paced: bool = False
    """Whether it keeps to the limit by itself, in one process."""

    @property
    def modules(self) -> Path:
        """Where packages of Node are found."""
        return ENVIRONMENTS / self.environment / "node_modules"

    def command(self) -> list[str]:
        """Return how it is run; FileNotFoundError names what there is not."""
        python = ENVIRONMENTS / self.environment / "bin" / "python"
        of_node = self.program.endswith("js")
        runs = shutil.which("node") if of_node else str(python)
        if runs is None:
            raise FileNotFoundError("node")
        if not (needs := self.modules if of_node else python).exists():
            raise FileNotFoundError(str(needs))
        return [runs, str(PROGRAMS / self.program)]


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
    """What a client's user sees of one call."""

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
        """Let it make a call, `times` of them at once, and return what its user sees."""
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
        # A thread that reads cannot be told to stop; but what it reads from can.
        overdue = asyncio.get_running_loop().call_later(LIMIT, self._process.kill)
        try:
            line = await asyncio.to_thread(self._ask, json.dumps(order))
        finally:
            overdue.cancel()
        return [Seen(**one) for one in json.loads(line)]

    def end(self) -> int:
        """Let it end, and return how it did."""
        self._process.communicate(timeout=LIMIT)
        return self._process.returncode

    def _ask(self, order: str) -> str:
        told, heard = self._process.stdin, self._process.stdout
        if told is None or heard is None:
            raise AssertionError("both are pipes")
        told.write(f"{order}\n")
        told.flush()
        line = heard.readline()
        if not line:
            raise RuntimeError(f"{self.client.name} ended with {self._process.wait()}, see stderr")
        return line
