"""A loop that stands still for longer than a time-out: what lies in the socket is read before it is judged."""

import asyncio
import socket
import sys
import time
from contextlib import ExitStack
from typing import Any

import aiohttp
import pytest

from okx_async import NotSentError, OutcomeUnknownError, RejectedError
from tests.sockets.conftest import ACCEPTED, Clients, Connection, Stub
from tests.sockets.threaded import response, threaded
from tests.sockets.tls import serving, trusting

pytestmark = [pytest.mark.loops, pytest.mark.usefixtures("no_uid_check")]

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
async def test_a_long_answer_that_waits_in_the_socket_is_read_to_its_end(clients: Clients, *, own: bool) -> None:
    """A loop reads it in pieces, each in a turn of its own; over TLS in more."""
    body = b'{"code":"51000","data":[],"msg":"%s"}' % (b"x" * 150_000)
    context = serving("127.0.0.1")
    with threaded(delay=0.1, context=context, answer=response("400 Bad Request", body)) as server:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting())) as session:
            client = clients(f"https://127.0.0.1:{server.port}", session=None if own else session, timeout=0.4)
            if own:
                connector: Any = client._wiring.transport._open().connector
                connector._ssl = trusting()
            task = asyncio.ensure_future(client.close_position("BTC-USDT-SWAP", "cross"))
            await clients.until(lambda: server.requests)
            time.sleep(0.7)  # noqa: ASYNC251
            with pytest.raises(RejectedError, match="51000"):
                await task


@OWN
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_a_connection_that_stood_ready_meanwhile_is_used(clients: Clients, *, own: bool, secure: bool) -> None:
    with threaded(context=serving("127.0.0.1") if secure else None) as server:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting())) as session:
            url = f"http{'s' if secure else ''}://127.0.0.1:{server.port}"
            client = clients(url, session=None if own else session, connect_timeout=0.4)
            if own:
                connector: Any = client._wiring.transport._open().connector
                connector._ssl = trusting()
            task = asyncio.ensure_future(client.close_position("BTC-USDT-SWAP", "cross"))
            for _ in range(2):
                await asyncio.sleep(0)
            time.sleep(0.6)  # noqa: ASYNC251
            assert len((await task).attempts) == 1
            warm = asyncio.ensure_future(client.warm_up(2))
            for _ in range(2):
                await asyncio.sleep(0)
            time.sleep(0.6)  # noqa: ASYNC251
            assert await warm == 2


@OWN
async def test_a_connection_that_never_stands_ends_all_the_same(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, *, own: bool
) -> None:
    """The time that a loop stood still is given back once."""
    monkeypatch.setattr("okx_async._rest.retry.MAX_REPEATS", 0)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening, ExitStack() as stack:
        for _ in range(2):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(listening.getsockname())
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            client = clients(url, session=None if own else session, connect_timeout=0.2)
            task = asyncio.ensure_future(client.close_position("BTC-USDT-SWAP", "cross"))
            await asyncio.sleep(0.01)
            time.sleep(0.5)  # noqa: ASYNC251
            begun = time.monotonic()
            with pytest.raises(NotSentError, match=r"nothing was sent: no connection within connect_timeout=0\.2 s"):
                await task
            assert time.monotonic() - begun < 0.55
            assert clients.fate(client) == "free"


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
