"""The figures that are promised: the window over a jittery network, and warm connections. Ratios, never times."""

from __future__ import annotations

import asyncio
import statistics

import pytest

from okx_async import Client, ClosePosition, Limiter
from okx_async.simulator import SimulatedExchange
from tests.sockets.conftest import Clients, Line, Stub

CLOSE = "/api/v5/trade/close-position"
OPTIONS = [ClosePosition(f"BTC-USD-260327-{60000 + n}-C", "cross") for n in range(140)]


async def closes_over_a_jittery_network(seed: int) -> tuple[list[float], float]:
    """Return the arrivals of 140 closes of one family, and the mean of what a round trip took."""
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
        assert len(trips) == 140
        return [row.at for row in exchange.journal if row.path == CLOSE], statistics.mean(trips)


async def test_no_window_holds_more_than_twenty_and_hardly_one_less() -> None:
    asyncio.get_running_loop().set_debug(False)  # 700 requests: it would measure the debug mode
    runs = await asyncio.gather(*(closes_over_a_jittery_network(seed) for seed in range(5)))
    shares = []
    for arrivals, round_trip in runs:
        assert len(arrivals) == 140
        assert max(sum(begin <= at < begin + 2.0 for at in arrivals) for begin in arrivals) <= 20
        rate = (140 - 20) / (arrivals[-1] - arrivals[0])
        shares.append(rate / (20 / (2 + round_trip)))
    assert statistics.median(shares) >= 0.93


@pytest.mark.usefixtures("quiet")
async def test_a_hundred_instruments_at_once_go_out_at_once(stub: Stub, clients: Clients) -> None:
    """Each answer waits until all requests are there: with any queue on the way, none would ever be answered."""
    asyncio.get_running_loop().set_debug(False)
    here = asyncio.Event()

    async def script(line: Line) -> None:
        while True:
            await line.request()
            if len(stub.requests) == 100:
                here.set()
            await here.wait()
            line.answer({"code": "0", "data": [], "msg": ""})

    stub.script = script
    client = clients(stub.base_url)
    assert await client.warm_up(100) == 100
    async with asyncio.timeout(20):
        results = await client.close_positions([ClosePosition(f"X{n}-USDT-SWAP", "cross") for n in range(100)])
    assert all(result.ok for result in results)
    assert len(stub.lines) == 100  # each over a connection that stood ready
