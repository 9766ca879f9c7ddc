"""How connections end, and the server itself, whatever is still on its way."""

import asyncio
import time
from contextlib import suppress

import aiohttp
import pytest

from okx_async.simulator import SimulatedExchange
from okx_async.simulator.http.frontend import HttpFrontend
from tests.simulator.conftest import CLOSE, Wire
from tests.simulator.http.serving import address, until, working


def others() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks() - {task for task in [asyncio.current_task()] if task}


async def test_a_client_that_gives_up_has_sent_its_request_all_the_same(wire: Wire) -> None:
    async with SimulatedExchange(latency=0.1) as exchange:
        exchange.open_position("BTC-USDT-SWAP", 3)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await wire.close(exchange)
        await until(lambda: bool(exchange.journal))
        assert exchange.journal[0].executed


@pytest.mark.parametrize("executed", [True, False])
async def test_a_cut_connection(wire: Wire, *, executed: bool) -> None:
    async with SimulatedExchange() as exchange:
        exchange.open_position("BTC-USDT-SWAP", 3)
        exchange.inject(disconnect=True, executed=executed)
        with pytest.raises(aiohttp.ClientError):
            await wire.close(exchange)
        assert bool(exchange.positions) is not executed
        assert exchange.journal[-1].status == 0


async def test_it_stops_at_once_and_leaves_nothing_behind(wire: Wire) -> None:
    before = others()
    async with SimulatedExchange(latency=30) as exchange:
        idle = [await asyncio.open_connection(*address(exchange)) for _ in range(3)]
        half = [await asyncio.open_connection(*address(exchange)) for _ in range(3)]
        for _, writer in half:
            writer.write(b"POST " + CLOSE.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        silent = [asyncio.create_task(wire.close(exchange)) for _ in range(20)]
        await until(lambda: working(exchange) == 23)
        began = time.monotonic()
    assert time.monotonic() - began < 1.0
    results = await asyncio.gather(*silent, return_exceptions=True)
    assert {isinstance(result, aiohttp.ClientError) for result in results} == {True}
    for reader, writer in idle + half:
        with suppress(ConnectionResetError):  # an end all the same
            assert await reader.read() == b""
        writer.close()
        with suppress(ConnectionResetError):
            await writer.wait_closed()
    assert others() == before


async def test_it_does_not_wait_for_clients_that_gave_up(wire: Wire) -> None:
    async with SimulatedExchange(latency=30) as exchange:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await wire.close(exchange)
        connections = exchange._frontend._connections
        assert connections is not None
        await until(lambda: any(connection._ended for connection in connections.open))
        began = time.monotonic()
    assert time.monotonic() - began < 1.0


async def test_idle_keep_alive_connections_do_not_delay_the_end(wire: Wire) -> None:
    before = others()
    async with SimulatedExchange() as exchange:
        await asyncio.gather(*(wire.close(exchange) for _ in range(50)))
        began = time.monotonic()
    assert time.monotonic() - began < 1.0
    assert others() == before


async def test_it_stops_when_its_user_fails(wire: Wire) -> None:
    exchange = SimulatedExchange()
    urls = []

    async def use() -> None:
        async with exchange:
            urls.append(exchange.base_url)
            await wire.close(exchange)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await use()
    with pytest.raises(aiohttp.ClientConnectorError):
        await wire.session.get(urls[0])


async def test_stopping_what_never_started_is_nothing() -> None:
    front = HttpFrontend(SimulatedExchange()._gateway, clock=time.monotonic, wall_clock=time.time, latency=lambda: 0.0)
    await front.stop()


@pytest.mark.parametrize(("reset", "error"), [(False, aiohttp.ClientPayloadError), (True, ConnectionResetError)])
async def test_a_body_ends_in_the_middle(wire: Wire, error: type[Exception], *, reset: bool) -> None:
    async with SimulatedExchange() as exchange:
        exchange.inject(body="0123456789", cut=5, reset=reset, pause=0.01)
        with pytest.raises((error, aiohttp.ClientPayloadError)):
            await wire.close(exchange)
        assert (await wire.close(exchange)).code == "51023"


@pytest.mark.parametrize("reset", [False, True])
async def test_a_connection_ends_orderly_or_in_a_reset(*, reset: bool) -> None:
    async with SimulatedExchange() as exchange:
        exchange.inject(disconnect=True, reset=reset, counted=False)
        reader, writer = await asyncio.open_connection(*address(exchange))
        writer.write(b"POST " + CLOSE.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        if reset:
            with pytest.raises(ConnectionResetError):
                await reader.read()
        else:
            assert await reader.read() == b""
        writer.close()
        with suppress(ConnectionResetError):
            await writer.wait_closed()


async def test_a_client_that_has_had_enough_of_a_long_answer_is_no_error(wire: Wire) -> None:
    async with SimulatedExchange() as exchange:
        exchange.inject("20 MB")
        async with wire.session.post(exchange.base_url + CLOSE, data=b"{}") as refused:
            assert refused.status == 400  # without authentication it gets no further
        request = asyncio.ensure_future(wire.close(exchange))
        await until(lambda: len(exchange.journal) == 2)
        request.cancel()
        with suppress(asyncio.CancelledError):
            await request
        await until(lambda: not working(exchange))
        assert (await wire.close(exchange)).code == "51023"
