"""A flatten whose process is killed (-9) half-way, over real sockets: the next one finishes and proves it."""

import asyncio
import signal
import sys

import pytest

from okx_async import FlattenState
from okx_async.simulator import SimulatedExchange
from okx_async.simulator.api.endpoints import CLOSE_PATH
from tests.sockets.conftest import Clients

FLATTEN = """
import asyncio, sys
import okx_async as okx

async def main():
    async with okx.Client(okx.Credentials.from_env(), base_url=sys.argv[1], timeout=30.0) as client:
        await client.flatten()

asyncio.run(main())
"""
BOOK = [f"S{number}-USDT-SWAP" for number in range(6)]


@pytest.mark.share(2)
@pytest.mark.parametrize("executed", [True, False], ids=["executed", "not executed"])
async def test_killed_half_way_it_is_run_again_and_proves_flat(executed: bool, clients: Clients) -> None:  # noqa: FBT001 - both
    async with SimulatedExchange(seed=1, fill_delay=0.2) as exchange:
        for inst_id in BOOK:
            exchange.open_position(inst_id, 3)
        # Half of the closes are not answered before the process is killed, so their outcome is unknown.
        for inst_id in BOOK[::2]:
            if executed:
                exchange.inject("12 s", inst_id=inst_id)
            else:
                exchange.inject("50004", executed=False, delay=12.0, inst_id=inst_id)
        keys = exchange.credentials
        names = {"OKX_API_KEY": keys.api_key, "OKX_SECRET_KEY": keys.secret_key, "OKX_PASSPHRASE": keys.passphrase}
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", FLATTEN, exchange.base_url, env=names)
        try:
            while sum(row.path == CLOSE_PATH for row in exchange.journal) < len(BOOK):
                assert process.returncode is None
                await asyncio.sleep(0.01)  # the exchange has no event for it
        finally:
            process.kill()
            assert await process.wait() == -signal.SIGKILL
        client = clients(exchange.base_url, credentials=keys, user_id=exchange.user_id)
        report = await client.flatten()
        assert report.flat
        assert not exchange.positions
        assert {row.state for row in report.rows} <= {FlattenState.CLOSED, FlattenState.ALREADY_FLAT}
        done = [trade.before.inst_id for trade in exchange.trades if trade.cause == "close"]
        assert sorted(done) == BOOK  # each once, by either process
        assert exchange.rejections == []
