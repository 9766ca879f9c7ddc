"""Many requests at once: batches, lists of positions, warm connections, the bound on connections."""

import asyncio
from decimal import Decimal
from typing import Any, cast

import pytest

from okx_async import (
    Attempt,
    Client,
    ClosePosition,
    CloseResult,
    InvalidRequestError,
    MgnMode,
    NothingToCloseError,
    NotSentError,
    OutcomeUnknownError,
    RejectedError,
)
from okx_async._http.connector import Connector
from okx_async.simulator import SimulatedExchange
from tests.sockets.conftest import Clients, Connection, Stub

pytestmark = pytest.mark.usefixtures("no_uid_check")

POSITIONS = "/api/v5/account/positions"


@pytest.fixture
def client(exchange: SimulatedExchange, clients: Clients) -> Client:
    return clients(exchange.base_url, credentials=exchange.credentials, user_id=exchange.user_id)


async def test_results_are_in_the_order_of_the_input_and_reported_as_they_come(
    exchange: SimulatedExchange, client: Client
) -> None:
    ids = ["BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"]
    for inst_id in ids:
        exchange.open_position(inst_id, -2)
    exchange.inject(inst_id=ids[0], delay=0.2)
    legs = [ClosePosition(inst_id, "cross") for inst_id in ids]
    told: list[CloseResult] = []
    results = await client.close_positions(iter(legs), on_result=told.append)
    assert [result.request for result in results] == legs
    assert all(result.ok for result in results)
    assert told[-1] is results[0]
    assert sorted(map(id, told)) == sorted(map(id, results))
    assert exchange.positions == ()


async def test_one_leg_stops_no_other(exchange: SimulatedExchange, client: Client) -> None:
    exchange.open_position("BTC-USDT-SWAP", 1)
    exchange.inject(inst_id="ETH-USDT-SWAP", code="50004")
    legs = [
        ClosePosition("btc-usdt-swap", "cross"),
        ClosePosition("BTC-USDT-SWAP", cast("MgnMode", "crossed")),
        ClosePosition("ETH-USDT-SWAP", "cross"),
        ClosePosition("SOL-USDT-SWAP", "cross"),
        ClosePosition("NO-SUCH-SWAP", "cross"),
        ClosePosition("BTC-USDT-SWAP", "cross"),
    ]
    results = await client.close_positions(legs)
    assert [type(result.error) for result in results] == [
        InvalidRequestError,
        InvalidRequestError,
        OutcomeUnknownError,
        NothingToCloseError,
        RejectedError,
        type(None),
    ]
    assert [len(result.error.attempts) for result in results if result.error] == [0, 0, 1, 1, 1]
    with pytest.raises(NothingToCloseError):
        results[3].result()
    assert results[5].result().inst_id == "BTC-USDT-SWAP"


async def test_an_empty_batch_and_one_of_the_wrong_type(client: Client) -> None:
    assert await client.close_positions([]) == []
    with pytest.raises(InvalidRequestError, match="must hold ClosePosition only"):
        await client.close_positions(cast("Any", ["BTC-USDT-SWAP"]))


async def test_an_error_of_the_limiter_is_the_result_of_each_leg_that_meets_it(client: Client) -> None:
    await client.limiter.aclose()
    results = await client.close_positions([ClosePosition("BTC-USDT-SWAP", "cross")] * 3)
    for result in results:
        assert isinstance(result.error, NotSentError)
        assert "this limiter is closed; nothing was sent" in str(result.error)


async def test_positions_are_asked_ten_at_a_time(exchange: SimulatedExchange, client: Client) -> None:
    ids = [f"X{n}-USDT-SWAP" for n in range(23)]
    for n, inst_id in enumerate(ids):
        exchange.open_position(inst_id, n)  # the first one is flat
    found = await client.positions([*ids, ids[5]])
    assert {position.inst_id: position.pos for position in found} == {ids[n]: Decimal(n) for n in range(1, 23)}
    assert len(found) == 22
    asked = [row.path for row in exchange.journal]
    assert [path.count(",") + 1 for path in asked] == [10, 10, 3]


async def test_all_positions_and_none(exchange: SimulatedExchange, client: Client) -> None:
    assert await client.positions() == []
    exchange.open_position("BTC-USDT-SWAP", -1)
    assert [position.pos for position in await client.positions()] == [Decimal(-1)]
    asked = len(exchange.journal)
    assert await client.positions([]) == []
    assert len(exchange.journal) == asked  # no ids never means all
    with pytest.raises(InvalidRequestError, match="inst_ids must be a list of str"):
        await client.positions("BTC-USDT-SWAP")
    with pytest.raises(InvalidRequestError):
        await client.positions(["BTC-USDT-SWAP", "bad id"])


async def test_positions_keep_their_own_limit(exchange: SimulatedExchange, client: Client) -> None:
    await asyncio.gather(*(client.positions() for _ in range(12)))
    assert exchange.rejections == []
    assert exchange.worst_window((exchange.user_id, "account/positions")) <= 10
    assert len(exchange.journal) == 12


@pytest.mark.parametrize(
    "fault", [{"code": "50001"}, {"body": b"<html>", "status": 502}, {"body": b"{}", "status": 200}]
)
async def test_positions_that_cannot_be_read_are_no_empty_list(
    exchange: SimulatedExchange, client: Client, fault: dict[str, Any]
) -> None:
    client._caller._random = lambda: 0.0  # repeats follow at once
    exchange.inject(path=POSITIONS, times=9, **fault)
    with pytest.raises((RejectedError, OutcomeUnknownError)):
        await client.positions()


async def test_warm_connections_are_used(stub: Stub, clients: Clients) -> None:
    client = clients(stub.base_url)
    assert await client.warm_up(0) == 0
    assert await client.warm_up(5) == 5
    assert await client.warm_up(3) == 3  # of the five
    assert len(stub.connections) == 5
    assert stub.requests == []
    await asyncio.gather(*(client.close_position(f"X{n}", "cross") for n in range(5)))
    assert len(stub.connections) == 5


async def test_warm_up_stays_within_the_bound_and_spends_nothing(exchange: SimulatedExchange, clients: Clients) -> None:
    client = clients(exchange.base_url, credentials=exchange.credentials, max_connections=4)
    assert await client.warm_up(100) == 4
    assert exchange.journal == []
    for wrong in (-1, 1.0, True, "3"):
        with pytest.raises(InvalidRequestError, match="connections must be an integer"):
            await client.warm_up(cast("Any", wrong))


async def test_the_pool_stays_within_the_bound_when_warmed_up_many_times_at_once(stub: Stub, clients: Clients) -> None:
    client = clients(stub.base_url, max_connections=4)
    assert await asyncio.gather(*(client.warm_up(4) for _ in range(5))) == [4] * 5
    assert len(stub.connections) == 4


async def test_warm_up_counts_the_connections_of_closes_on_their_way(
    exchange: SimulatedExchange, clients: Clients
) -> None:
    client = clients(exchange.base_url, credentials=exchange.credentials, max_connections=4)
    insts = [f"X{number}-USDT-SWAP" for number in range(4)]
    for inst_id in insts:
        exchange.open_position(inst_id, 1)
    closes = asyncio.ensure_future(client.close_positions([ClosePosition(inst_id, "cross") for inst_id in insts[:3]]))
    warmed = [await client.warm_up(4) for _ in range(3)]
    assert all(result.ok for result in await closes)
    connector = client._wiring.transport._session.connector  # type: ignore[union-attr]
    assert isinstance(connector, Connector)
    assert connector.standing == 4
    assert max(warmed) <= 4


async def test_warm_up_counts_only_what_it_got(clients: Clients) -> None:
    assert await clients("http://127.0.0.1:9").warm_up(3) == 0


async def test_a_cancelled_warm_up_leaves_what_it_opened_in_the_pool(stub: Stub, clients: Clients) -> None:
    for turns in range(1, 8):
        client = clients(stub.base_url)
        task = asyncio.ensure_future(client.warm_up(3))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        await client.aclose()
        await stub.all_ended()  # a connection that was lost would be left in the loop


async def test_no_more_requests_on_the_wire_than_allowed(stub: Stub, clients: Clients) -> None:
    most = now = 0

    async def script(connection: Connection) -> None:
        nonlocal most, now
        while True:
            await connection.request()
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.01)
            now -= 1
            connection.answer({"code": "0", "data": [], "msg": ""})

    stub.script = script
    attempts: list[Attempt] = []
    client = clients(stub.base_url, max_connections=3, on_attempt=attempts.append)
    await asyncio.gather(*(client.close_position(f"X{n}", "cross") for n in range(30)))
    assert most == 3
    assert len(stub.connections) == 3
    assert len(attempts) == 30


async def test_a_long_queue_at_one_key_delays_no_other(stub: Stub, clients: Clients) -> None:
    client = clients(stub.base_url, max_connections=1)
    await client.limiter.block(client.limiter_key("BTC-USDT-SWAP"), 30.0)
    tasks = [asyncio.ensure_future(client.close_position("BTC-USDT-SWAP", "cross")) for _ in range(5)]
    async with asyncio.timeout(5):
        for n in range(5):
            await client.close_position(f"X{n}", "cross")
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
