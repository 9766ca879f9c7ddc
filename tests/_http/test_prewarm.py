import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp

from okx_async import Client, Limiter
from okx_async._http.connector import Connector
from okx_async.simulator import SimulatedExchange


def connector_of(client: Client) -> Connector:
    session = client._wiring.transport._session
    assert session is not None
    assert isinstance(session.connector, Connector)
    return session.connector


def test_called_again_and_again_it_lets_no_connection_grow_old(happen: Callable[..., Any]) -> None:
    async def story(world: Any, _: Client) -> list[float]:
        ages = []
        async with world.client(keepalive=1.0) as client:
            for _call in range(100):
                assert await client.warm_up(3) == 3
                connector = connector_of(client)
                standing = {sock.fileno() for sock in connector._sockets}
                now = world.loop.time()
                ages += [now - since for number, since in connector._made.items() if number in standing]
                await asyncio.sleep(0.03)
        return ages

    ages = happen(story)
    assert max(ages) <= 0.1 + 0.1  # of `keepalive`, and what a connection takes to be there
    assert max(ages) > 0.05  # those that are young enough stay


def test_what_a_request_has_used_is_replaced_as_well(happen: Callable[..., Any]) -> None:
    async def story(world: Any, _: Client) -> tuple[int, bool]:
        world.exchange.open_position("BTC-USDT-SWAP", 1)
        async with world.client(keepalive=10.0) as client:
            await client.warm_up(2)
            await asyncio.sleep(5.0)
            await client.close_position("BTC-USDT-SWAP", "cross")
            before = set(connector_of(client)._sockets)
            assert await client.warm_up(2) == 2
            await asyncio.sleep(1.0)  # the last of the old ones has gone
            return connector_of(client).standing, any(sock.fileno() >= 0 for sock in before)

    assert happen(story) == (2, False)


def test_with_a_place_less_for_each_request_on_the_wire(happen: Callable[..., Any]) -> None:
    async def story(world: Any, _: Client) -> tuple[int, int]:
        async with world.client(max_connections=3) as client:
            await asyncio.sleep(1.0)  # the user id has been asked for
            world.exchange.open_position("BTC-USDT-SWAP", 1)
            world.exchange.inject(inst_id="BTC-USDT-SWAP", delay=2.0)
            close = asyncio.ensure_future(client.close_position("BTC-USDT-SWAP", "cross"))
            await asyncio.sleep(0.5)
            warmed = await client.warm_up(9)
            standing = connector_of(client).standing
            await close
            return warmed, standing

    assert happen(story) == (2, 3)


async def test_traces_report_no_failed_request(exchange: SimulatedExchange) -> None:
    failed: list[object] = []

    async def on_exception(_: object, __: object, params: aiohttp.TraceRequestExceptionParams) -> None:
        failed.append(params.exception)

    trace = aiohttp.TraceConfig()
    trace.on_request_exception.append(on_exception)
    async with (
        aiohttp.ClientSession(trace_configs=[trace]) as session,
        Client(exchange.credentials, base_url=exchange.base_url, session=session, limiter=Limiter()) as client,
    ):
        assert await client.warm_up(3) == 3
        assert session.trace_configs == [trace]
        await client.positions()
        assert not session.closed
    assert failed == []
