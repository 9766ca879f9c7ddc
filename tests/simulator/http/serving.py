"""Where a simulated exchange listens, and how many requests it is at."""

import asyncio
from collections.abc import Callable

from okx_async.simulator import SimulatedExchange


def address(exchange: SimulatedExchange) -> tuple[str, int]:
    host, _, port = exchange.base_url.removeprefix("http://").rpartition(":")
    return host, int(port)


def working(exchange: SimulatedExchange) -> int:
    connections = exchange._frontend._connections
    return 0 if connections is None else connections.busy


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds; the test's own time limit says when that is too long."""
    while not condition():  # noqa: ASYNC110 - what is looked at has no event of its own
        await asyncio.sleep(0.01)
