"""Silence: after a change of the network no idle connection ends, and none of them carries anything any more."""

import asyncio

import aiohttp
import pytest

from okx_async import OutcomeUnknownError
from tests.sockets.conftest import ACCEPTED, OWN, Clients, Connection, Stub

pytestmark = [pytest.mark.loops, pytest.mark.usefixtures("no_uid_check")]


@OWN
async def test_after_one_silence_no_connection_of_before_is_used(stub: Stub, clients: Clients, *, own: bool) -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        if connection in stub.connections[:5]:
            await connection.ended.wait()
        else:
            connection.answer(ACCEPTED)

    stub.script = script
    async with aiohttp.ClientSession() as session:
        client = clients(stub.base_url, timeout=0.5, session=None if own else session)
        assert await client.warm_up(5) == 5
        with pytest.raises(OutcomeUnknownError, match=r"no answer within 0\.5 s"):
            await client.close_position("BTC-USDT-SWAP", "cross")
        assert len((await client.close_position("ETH-USDT-SWAP", "cross")).attempts) == 1
        for connection in stub.connections[:5]:
            await connection.ended.wait()
    assert len(stub.connections) == 6


@OWN
async def test_one_that_was_heard_since_is_kept(stub: Stub, clients: Clients, *, own: bool) -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        if len(stub.requests) == 1:
            await connection.ended.wait()
            return
        while True:
            connection.answer(ACCEPTED)
            await connection.request()

    stub.script = script
    async with aiohttp.ClientSession() as session:
        client = clients(stub.base_url, timeout=0.5, session=None if own else session)
        assert await client.warm_up(2) == 2
        silent = asyncio.ensure_future(client.close_position("BTC-USDT-SWAP", "cross"))
        await clients.until(lambda: stub.requests)
        await client.close_position("ETH-USDT-SWAP", "cross")
        with pytest.raises(OutcomeUnknownError):
            await silent
        await client.close_position("ETH-USDT-SWAP", "cross")
        assert len(stub.connections) == 2


async def test_an_answer_that_has_begun_is_no_silence(stub: Stub, clients: Clients) -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        if len(stub.requests) == 1:
            connection.transport.write(b"HTTP/1.1 200 OK\r\n")
            await connection.ended.wait()
        else:
            connection.answer(ACCEPTED)

    stub.script = script
    client = clients(stub.base_url, timeout=0.3)
    assert await client.warm_up(2) == 2
    with pytest.raises(OutcomeUnknownError):
        await client.close_position("BTC-USDT-SWAP", "cross")
    await client.close_position("ETH-USDT-SWAP", "cross")
    assert len(stub.connections) == 2


@OWN
@pytest.mark.parametrize("patience", [0.1, 9.0])
async def test_time_outs_of_the_callers_count_unless_they_are_short(
    stub: Stub, clients: Clients, monkeypatch: pytest.MonkeyPatch, patience: float, *, own: bool
) -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        if len(stub.requests) == 1:
            await connection.ended.wait()
        else:
            connection.answer(ACCEPTED)

    monkeypatch.setattr("okx_async._http.transport.SILENCE", patience)
    stub.script = script
    async with aiohttp.ClientSession() as session:
        client = clients(stub.base_url, session=None if own else session)
        assert await client.warm_up(3) == 3
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.close_position("BTC-USDT-SWAP", "cross"), 0.2)
        await client.close_position("ETH-USDT-SWAP", "cross")
    assert len(stub.connections) == (4 if patience < 1.0 else 3)
