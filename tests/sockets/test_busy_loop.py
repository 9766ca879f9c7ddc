"""A loop that stands still for longer than a time-out: what lies in the socket is read before it is judged."""

import asyncio
import sys
import time
from typing import Any

import aiohttp
import pytest

from okx_async import NotSentError, OutcomeUnknownError
from tests.sockets.conftest import ACCEPTED, Clients, Connection, Stub
from tests.sockets.threaded import threaded

pytestmark = pytest.mark.usefixtures("no_uid_check")

OWN = pytest.mark.parametrize("own", [True, False], ids=["own session", "caller's session"])


@OWN
@pytest.mark.parametrize("closing", [False, True], ids=["in use", "while it closes"])
async def test_an_answer_that_waits_in_the_socket_is_read(clients: Clients, *, own: bool, closing: bool) -> None:
    with threaded(delay=0.1) as server:
        async with aiohttp.ClientSession() as session:
            client = clients(f"http://127.0.0.1:{server.port}", session=None if own else session, timeout=0.4)
            task = asyncio.ensure_future(client.close_position("BTC-USDT-SWAP", "cross"))
            await clients.until(lambda: server.requests)
            end = asyncio.ensure_future(client.aclose()) if closing else None
            await asyncio.sleep(0)
            time.sleep(0.7)  # noqa: ASYNC251 - the strategy computes
            closed = await task
            if end is not None:
                await end
    assert closed.attempts[0].token == "settled"


@OWN
async def test_a_loop_that_stood_still_gives_no_more_time(stub: Stub, clients: Clients, *, own: bool) -> None:
    async def script(line: Connection) -> None:
        await line.request()
        await asyncio.sleep(1.0)
        line.answer(ACCEPTED)

    stub.script = script
    async with aiohttp.ClientSession() as session:
        client = clients(stub.base_url, session=None if own else session, timeout=0.3)
        task = asyncio.ensure_future(client.close_position("BTC-USDT-SWAP", "cross"))
        await clients.until(lambda: stub.requests)
        time.sleep(0.5)  # noqa: ASYNC251
        begun = time.monotonic()
        with pytest.raises(OutcomeUnknownError, match=r"no answer within 0\.3 s"):
            await task
        assert time.monotonic() - begun < 0.2


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="there aiohttp writes in the step in which it is connected")
async def test_a_loop_that_stands_still_before_the_write_sends_nothing_late(stub: Stub, clients: Clients) -> None:
    stalled = False

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        nonlocal stalled
        if not stalled and "write_bytes" in coroutine.__qualname__:
            stalled = True
            loop.call_soon(time.sleep, 0.5)  # before the task that writes
        return asyncio.Task(coroutine, loop=loop, **options)

    # Trace hooks are shown the body, so aiohttp writes it, in a task of its own.
    async with aiohttp.ClientSession(trace_configs=[aiohttp.TraceConfig()]) as session:
        client = clients(stub.base_url, session=session)
        assert await client.warm_up(1) == 1
        asyncio.get_running_loop().set_task_factory(factory)
        with pytest.raises(NotSentError, match="nothing was sent"):
            await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0.2)
        assert stalled
        assert stub.requests == []
        assert clients.fate(client) == "free"
