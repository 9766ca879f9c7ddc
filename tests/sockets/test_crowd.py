"""What one loop has to do when many connections die at once."""

import asyncio
import time

import pytest

from okx_async import Client
from tests.sockets.conftest import Clients, Connection, Stub

pytestmark = pytest.mark.usefixtures("no_uid_check")

DYING = 100


async def standstill(stub: Stub, client: Client, clients: Clients, in_line: int) -> float:
    """Return for how long the loop stands still when all connections die, with so many closes in line."""
    known = len(stub.requests)
    flying = [asyncio.ensure_future(client.close_position(f"A{n}-USDT-SWAP", "cross")) for n in range(DYING)]
    await clients.until(lambda: len(stub.requests) == known + DYING)
    key = client.limiter_key("B-USDT-SWAP")
    await client.limiter.block(key, 60.0)
    waiting = [asyncio.ensure_future(client.close_position("B-USDT-SWAP", "cross")) for _ in range(in_line)]
    await clients.until(lambda: clients.statistics(client, key).waiting == in_line)
    for line in stub.connections:
        line.transport.abort()
    worst, last = 0.0, time.process_time()
    while not all(task.done() for task in flying):
        await asyncio.sleep(0)
        now = time.process_time()
        worst, last = max(worst, now - last), now
    for task in flying:
        task.exception()
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return worst


async def test_connections_that_die_together_cost_the_same_whatever_the_crowd(stub: Stub, clients: Clients) -> None:
    async def script(line: Connection) -> None:
        await line.ended.wait()

    stub.script = script
    asyncio.get_running_loop().set_debug(False)
    alone = await standstill(stub, clients(stub.base_url, timeout=60.0), clients, 0)
    crowded = await standstill(stub, clients(stub.base_url, timeout=60.0), clients, 5_000)
    assert crowded < 3 * alone + 0.1
