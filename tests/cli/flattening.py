"""The command flatten in a thread of the test, a terminal that answers it, and a book of two positions."""

import asyncio
import io
from collections.abc import Callable
from typing import Any

from okx_async.cli.exits import ExitCode
from okx_async.cli.flatten import flatten
from okx_async.cli.flatten_consent import FlattenOptions
from okx_async.cli.target import Target
from okx_async.simulator import SimulatedExchange

CLOSE_PATH = "/api/v5/trade/close-position"
ALL = FlattenOptions(None, None, auto_cxl=True, deadline=10.0, dry_run=False, look_again=0.0)


class Terminal(io.StringIO):
    """A terminal in place of stdin: calls `meanwhile`, then answers."""

    def __init__(self, answer: str, meanwhile: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.answer, self.meanwhile = answer, meanwhile

    def isatty(self) -> bool:
        return True

    def readline(self, *_: Any) -> Any:
        self.meanwhile()
        return self.answer


async def run(
    exchange: SimulatedExchange, options: FlattenOptions = ALL, *, yes: bool = True, as_json: bool = False
) -> ExitCode:
    """Run the command in a thread, since it has an event loop of its own."""
    target = Target(demo=False, region="global", base_url=exchange.base_url)
    return await asyncio.to_thread(flatten, options, target, yes=yes, as_json=as_json)


def closes(exchange: SimulatedExchange) -> list[str]:
    return [row.key[1] for row in exchange.journal if row.path == CLOSE_PATH and row.key is not None]


def book(exchange: SimulatedExchange) -> None:
    exchange.open_position("BTC-USDT-SWAP", -3)
    exchange.open_position("ETH-USDT-SWAP", 7, "isolated")
