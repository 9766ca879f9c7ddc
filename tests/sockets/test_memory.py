"""The memory of a process whose server sends too much: none of it is kept, so that all stays below 150 MB.

Each story runs in a child process, whose peak is its own; the server is in this one.
"""

import asyncio
import subprocess
import sys

import orjson
import pytest

from tests.sockets.conftest import Connection, Stub

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

MOST = 150_000
"""KiB: the interpreter and its modules take about a third of it."""
CHILD = """
import asyncio, logging, sys
from pathlib import Path
import okx_async as okx

logging.disable()

def memory(name):
    status = Path("/proc/self/status").read_text().partition(name + ":")[2]
    return int(status.split()[0])

async def main(url):
    keys = okx.Credentials("k", "s", "p")
    async with okx.Client(keys, base_url=url, user_id="1", limiter=okx.Limiter()) as client:
        client._wiring.uid_lookup._start = lambda: None
        await client.close_position("BTC-USDT-SWAP", "cross")
        before = memory("VmRSS")
        seen = await STORY(client)
        peak = memory("VmHWM")  # `ru_maxrss` counts the process that started this one
    print(peak, peak - before, seen)

async def idle(client):
    await client.warm_up(1)
    await asyncio.sleep(1.0)
    return 1

async def errors(client):
    kept = []
    for number in range(40):
        try:
            await client.close_position(f"A{number}-USDT-SWAP", "cross")
        except okx.OkxError as error:
            kept.append(error)
    return sum(error.__traceback__ is not None for error in kept)

async def orders(client):
    report = await client.flatten(inst_ids=["BTC-USDT-SWAP"], deadline=1.5)
    return 0 if report.open_orders is None else len(report.open_orders)

asyncio.run(main(sys.argv[1]))
"""


async def peak_of(story: str, stub: Stub) -> tuple[int, int, int]:
    """Return the peak of a child and what the story added to it, KiB, and what the story returned."""
    code = CHILD.replace("STORY", story)
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stub.base_url, stdout=subprocess.PIPE)
    told, _ = await child.communicate()
    peak, more, seen = map(int, told.split())
    return peak, more, seen


async def test_a_flood_over_idle_connections(stub: Stub) -> None:
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
    peak, more, _ = await peak_of("idle", stub)
    assert peak < MOST
    assert more < 10_000


LARGE = [
    pytest.param("502 Bad Gateway", b"<html>" + b"x" * 900_000, id="an error page"),
    pytest.param("200 OK", b'{"code":"51000","data":[],"msg":"' + b"x" * 900_000 + b'"}', id="a long refusal"),
    pytest.param("200 OK", b'{"code":"0","data":[' + b'{"a":1},' * 20_000 + b'{"sCode":"51000"}]}', id="many items"),
]


@pytest.mark.share(4)
@pytest.mark.parametrize(("status", "body"), LARGE)
async def test_errors_that_are_kept_with_their_tracebacks(stub: Stub, status: str, body: bytes) -> None:
    async def script(line: Connection) -> None:
        while True:
            request = await line.request()
            if request.inst_id == "BTC-USDT-SWAP":
                line.answer({"code": "0", "data": [], "msg": ""})
            else:
                line.answer(body, status)

    stub.script = script
    peak, more, kept = await peak_of("errors", stub)
    assert kept == 40
    assert peak < MOST
    assert more < 20_000  # with their answers 36 MB, parsed more


async def test_order_lists_of_many_pages_with_bulky_records(stub: Stub) -> None:
    bulky = {f"field{number}": "x" * 990 for number in range(9)}

    def page(after: str, field: str) -> bytes:
        first = int(after or 10_000)
        data = [{"instId": "BTC-USDT-SWAP", field: str(first - number), **bulky} for number in range(1, 101)]
        return orjson.dumps({"code": "0", "data": data, "msg": ""})

    async def script(line: Connection) -> None:
        while True:
            request = await line.request()
            path, after = request.path, request.path.partition("after=")[2].partition("&")[0]
            if "orders" in path:
                line.answer(page(after, "algoId" if "algo" in path else "ordId"))
            else:
                line.answer({"code": "0", "data": [], "msg": ""})

    stub.script = script
    peak, more, seen = await peak_of("orders", stub)
    assert seen == 0  # not all could be read, so none are told
    assert len([request for request in stub.requests if "orders" in request.path]) > 20
    assert peak < MOST
    assert more < 80_000
