"""What one loop has to do when many connections die at once, and what a flood costs."""

import asyncio
import subprocess
import sys
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


CHILD = """
import asyncio, resource, sys
import okx_async as okx

async def main(url):
    keys = okx.Credentials("k", "s", "p")
    async with okx.Client(keys, base_url=url, user_id="1", limiter=okx.Limiter()) as client:
        client._wiring.uid_lookup._start = lambda: None
        await client.close_position("BTC-USDT-SWAP", "cross")
        await client.warm_up(1)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await asyncio.sleep(2.0)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ru_maxrss is in KiB there")
async def test_a_flood_over_idle_connections_costs_no_memory(stub: Stub) -> None:
    async def script(line: Connection) -> None:
        if len(stub.connections) == 1:
            await line.request()
            line.answer({"code": "0", "data": [], "msg": ""})
        await asyncio.sleep(0.2)
        while not line.ended.is_set():
            if line.transport.get_write_buffer_size() < 1_000_000:
                line.write(b"HTTP/1.1 204 No Content\r\n\r\n" * 4000)
            await asyncio.sleep(0)

    stub.script = script
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, stub.base_url, stdout=subprocess.PIPE)
    told, _ = await child.communicate()
    assert int(told) < 10_000
