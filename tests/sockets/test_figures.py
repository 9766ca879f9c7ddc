"""The promised figures of the window over a jittery network and of warm connections: ratios, never times."""

import asyncio
import statistics

import pytest

from okx_async import Client, ClosePosition, Limiter
from okx_async.simulator import SimulatedExchange
from tests.sockets.conftest import Clients, Connection, Stub, most_in_a_window

CLOSE = "/api/v5/trade/close-position"
CLOSES = 100
OPTIONS = [ClosePosition(f"BTC-USD-260327-{60000 + n}-C", "cross") for n in range(CLOSES)]


async def closes_over_a_jittery_network(seed: int) -> tuple[list[float], float]:
    """Return the arrivals of the closes, all of one family, and the mean round trip."""
    async with SimulatedExchange(latency=0.010, jitter=0.240, seed=seed) as exchange:
        for leg in OPTIONS:
            exchange.open_position(leg.inst_id, 1)
        async with Client(
            exchange.credentials, base_url=exchange.base_url, user_id=exchange.user_id, limiter=Limiter()
        ) as client:
            results = await client.close_positions(OPTIONS)
        assert all(result.ok for result in results)
        assert exchange.positions == ()
        assert exchange.rejections == []
        trips = [a.settled - a.sent for result in results for a in result.result().attempts if a.settled and a.sent]
        assert len(trips) == CLOSES
        return [row.at for row in exchange.journal if row.path == CLOSE], statistics.mean(trips)


async def test_no_window_holds_more_than_twenty_and_hardly_one_less() -> None:
    asyncio.get_running_loop().set_debug(False)  # 700 requests: it would measure the debug mode
    runs = await asyncio.gather(*(closes_over_a_jittery_network(seed) for seed in range(7)))
    shares = []
    for arrivals, round_trip in runs:
        assert len(arrivals) == CLOSES
        assert most_in_a_window(arrivals) <= 20
        rate = (CLOSES - 20) / (arrivals[-1] - arrivals[0])
        shares.append(rate / (20 / (2 + round_trip)))
    assert statistics.median(shares) >= 0.93


@pytest.mark.usefixtures("no_uid_check")
async def test_a_hundred_instruments_at_once_go_out_at_once(stub: Stub, clients: Clients) -> None:
    """Each answer waits until all requests have arrived: a queue on the way would leave them all unanswered."""
    asyncio.get_running_loop().set_debug(False)
    all_arrived = asyncio.Event()

    async def script(connection: Connection) -> None:
        while True:
            await connection.request()
            if len(stub.requests) == 100:
                all_arrived.set()
            await all_arrived.wait()
            connection.answer({"code": "0", "data": [], "msg": ""})

    stub.script = script
    client = clients(stub.base_url)
    assert await client.warm_up(100) == 100
    async with asyncio.timeout(20):
        results = await client.close_positions([ClosePosition(f"X{n}-USDT-SWAP", "cross") for n in range(100)])
    assert all(result.ok for result in results)
    assert len(stub.connections) == 100  # the warm ones
