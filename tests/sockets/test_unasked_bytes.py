"""Bytes that come before the request was written belong to no request, wherever they are when it is written."""

import asyncio
import time
from collections.abc import Callable

import aiohttp
import pytest

from okx_async import Client, NothingToCloseError, NotSentError, OkxError
from tests.sockets import tls
from tests.sockets.conftest import ACCEPTED, Clients, Connection, Stub
from tests.sockets.threaded import NOTHING, TAKEN, threaded

pytestmark = [pytest.mark.loops, pytest.mark.usefixtures("no_uid_check")]

OWN = pytest.mark.parametrize("own", [True, False], ids=["own session", "caller's session"])


async def two_closes(client: Client, pause: Callable[[], object]) -> OkxError | None:
    await client.close_position("BTC-USDT-SWAP", "cross")
    pause()
    await asyncio.sleep(0)
    try:
        await client.close_position("ETH-USDT-SWAP", "cross")
    except OkxError as error:
        return error
    return None


def computes() -> None:
    time.sleep(0.25)


@OWN
@pytest.mark.parametrize("halves", [1, 2], ids=["whole", "in two halves"])
async def test_a_second_answer_that_lies_in_the_kernel(clients: Clients, halves: int, *, own: bool) -> None:
    more = (TAKEN,) if halves == 1 else (TAKEN[:20], TAKEN[20:])
    with threaded(*more) as server:
        async with aiohttp.ClientSession() as session:
            client = clients(f"http://127.0.0.1:{server.port}", session=None if own else session)
            error = await two_closes(client, computes)
    assert isinstance(error, NothingToCloseError)
    assert [number for number, _ in server.requests] == [0, 1]  # the next one went over another connection


async def test_half_an_answer_that_the_loop_has_read(clients: Clients, stub: Stub) -> None:
    """Its other half comes after the next request was written, and would be taken for the answer to that."""
    more = asyncio.Event()

    async def script(line: Connection) -> None:
        await line.request()
        line.answer(ACCEPTED)
        await more.wait()
        line.write(TAKEN[:20])
        await line.request()
        line.write(TAKEN[20:])

    async def refuses(line: Connection) -> None:
        await line.request()
        line.write(NOTHING)

    stub.script = script
    client = clients(stub.base_url)
    await client.close_position("BTC-USDT-SWAP", "cross")
    more.set()
    await asyncio.sleep(0.05)
    stub.script = refuses
    with pytest.raises(NothingToCloseError):
        await client.close_position("ETH-USDT-SWAP", "cross")
    assert len(stub.connections) == 2


@OWN
async def test_over_tls_too(clients: Clients, monkeypatch: pytest.MonkeyPatch, *, own: bool) -> None:
    monkeypatch.setattr(tls.CONTEXT, tls.trusting())
    with threaded(TAKEN, context=tls.serving()) as server:
        async with aiohttp.ClientSession() as session:
            client = clients(f"https://localhost:{server.port}", session=None if own else session)
            error = await two_closes(client, computes)
    assert isinstance(error, NothingToCloseError)
    assert [number for number, _ in server.requests] == [0, 1]


@OWN
async def test_session_tickets_are_no_answer(clients: Clients, monkeypatch: pytest.MonkeyPatch, *, own: bool) -> None:
    """They are readable after the handshake, and the connection serves all the same, and stays."""
    monkeypatch.setattr(tls.CONTEXT, tls.trusting())
    with threaded(context=tls.serving()) as server:
        async with aiohttp.ClientSession() as session:
            client = clients(f"https://localhost:{server.port}", session=None if own else session)
            assert await client.warm_up(1) == 1
            time.sleep(0.1)  # noqa: ASYNC251 - the tickets lie in the kernel
            closed = await client.close_position("BTC-USDT-SWAP", "cross")
            for _ in range(3):
                with pytest.raises(NothingToCloseError):
                    await client.close_position("ETH-USDT-SWAP", "cross")
    assert len(closed.attempts) == 1
    assert len(server.connections) == 1


@OWN
async def test_a_server_that_speaks_first_gets_no_request(clients: Clients, stub: Stub, *, own: bool) -> None:
    async def script(line: Connection) -> None:
        line.write(TAKEN)
        await line.ended.wait()

    stub.script = script
    async with aiohttp.ClientSession() as session:
        client = clients(stub.base_url, session=None if own else session)
        # What it says may arrive a moment after the connection: a request that was written by then is lost to it.
        await client.warm_up(1)
        await asyncio.sleep(0.05)
        try:
            closed = await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0.2)
        except NotSentError:
            assert clients.fate(client) == "free"
        else:
            assert len(closed.attempts) >= 1
    assert stub.connections[0].requests == []


@OWN
async def test_an_idle_connection_that_is_flooded_ends(clients: Clients, stub: Stub, *, own: bool) -> None:
    async def script(line: Connection) -> None:
        await line.request()
        line.answer(ACCEPTED)
        await asyncio.sleep(0.02)
        while not line.ended.is_set():
            line.write(b"HTTP/1.1 204 No Content\r\n\r\n" * 100)
            await asyncio.sleep(0)

    stub.script = script
    async with aiohttp.ClientSession() as session:
        client = clients(stub.base_url, session=None if own else session)
        await client.close_position("BTC-USDT-SWAP", "cross")
        await stub.all_ended()
    assert stub.connections[0].ending == "RST"


async def test_a_callers_own_request_is_answered_over_a_connection_of_ours(clients: Clients, stub: Stub) -> None:
    async with aiohttp.ClientSession() as session:
        client = clients(stub.base_url, session=session)
        for _ in range(2):
            await client.close_position("BTC-USDT-SWAP", "cross")
            async with session.post(f"{stub.base_url}/of-its-own", data=b"{}") as response:
                assert await response.read()
    assert len(stub.connections) == 1


async def test_a_warm_connection_that_is_flooded_ends(clients: Clients, stub: Stub) -> None:
    async def script(line: Connection) -> None:
        await asyncio.sleep(0.05)
        while not line.ended.is_set():
            line.write(b"x" * 1000)
            await asyncio.sleep(0)

    stub.script = script
    client = clients(stub.base_url)
    assert await client.warm_up(2) == 2
    await stub.all_ended()
    assert len(stub.connections) == 2
