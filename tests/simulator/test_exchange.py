import gc
import tracemalloc
from collections.abc import Callable
from math import inf, nan
from typing import Any

import pytest

from okx_async._credentials import Credentials
from okx_async.simulator import SimulatedExchange
from tests.simulator.conftest import Desk, Wire


def test_without_arguments_it_is_one_live_account_in_net_mode() -> None:
    exchange = SimulatedExchange()
    account = exchange.account
    assert exchange.user_id == account.user_id == "44705892343619584"
    assert exchange.credentials is account.credentials
    assert isinstance(exchange.credentials, Credentials)
    assert (account.pos_mode, account.acct_lv, account.demo) == ("net_mode", "2", False)
    assert {"BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP", "BTC-USDT"} <= set(exchange.instruments)
    assert (exchange.positions, exchange.pending_orders) == ((), ())
    assert (exchange.journal, exchange.rejections, exchange.worst_window()) == ([], [], 0)


def test_credentials_are_the_same_in_every_run_whatever_the_seed() -> None:
    assert SimulatedExchange(seed=1).credentials == SimulatedExchange(seed=2).credentials


def test_worst_window_is_of_one_key_or_of_the_worst_close(desk: Desk) -> None:
    for _ in range(3):
        desk.get("account/positions")
    for inst_id, times in (("BTC-USDT-SWAP", 1), ("ETH-USDT-SWAP", 2)):
        for _ in range(times):
            desk.close(inst_id)
            desk.advance(1.999)
    uid = desk.exchange.user_id
    assert desk.exchange.worst_window() == 2
    assert desk.exchange.worst_window((uid, "BTC-USDT-SWAP")) == 1
    assert desk.exchange.worst_window((uid, "account/positions")) == 3
    assert desk.exchange.worst_window((uid, "SOL-USDT-SWAP")) == 0
    assert desk.exchange.worst_window(per=1.9) == 1


def test_a_revoked_key_does_not_exist(desk: Desk) -> None:
    desk.exchange.revoke(desk.credentials)
    reply = desk.close()
    assert (reply.status, reply.body) == (401, {"msg": "API key doesn't exist", "code": "50119"})


def test_a_demo_account(desk: Desk) -> None:
    desk.credentials = desk.exchange.add_account(demo=True).credentials
    assert desk.get("account/config").code == "50101"
    assert desk.get("account/config", x_simulated_trading="1").code == "0"


@pytest.mark.parametrize("skew", [-31.0, 31.0])
def test_a_skewed_server_refuses_the_right_time(desk: Desk, skew: float) -> None:
    assert desk.post(b"{}", skew=skew).code == "50102"
    assert desk.post(b"{}", skew=skew - skew / 31).code == "50014"


@pytest.mark.parametrize(
    "option",
    [
        *({name: value} for name in ("latency", "jitter", "fill_delay", "positions_lag") for value in (-1, nan)),
        *({name: inf} for name in ("latency", "jitter", "positions_lag")),
        {"fill_delay": (2, 1)},
        {"fill_delay": (0, inf)},
    ],
    ids=str,
)
def test_times_that_cannot_be(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="negative"):
        SimulatedExchange(**option)


@pytest.mark.parametrize(("latency", "jitter"), [(0.0, 0.0), (0.1, 0.0), (0.1, 0.05), (0.0, 0.05)])
def test_the_way_is_latency_and_a_uniform_part(latency: float, jitter: float) -> None:
    exchange = SimulatedExchange(latency=latency, jitter=jitter, seed=7)
    again = SimulatedExchange(latency=latency, jitter=jitter, seed=7)
    ways = [exchange._one_way() for _ in range(1000)]
    assert ways == [again._one_way() for _ in range(1000)]
    assert latency <= min(ways) <= max(ways) <= latency + jitter
    assert max(ways) - min(ways) >= 0.9 * jitter


async def test_it_may_be_started_again_and_not_twice(wire: Wire) -> None:
    exchange = SimulatedExchange()
    with pytest.raises(RuntimeError, match="not running"):
        exchange.base_url  # noqa: B018 - the property raises
    for n in (1, 2):
        async with exchange:
            with pytest.raises(RuntimeError, match="running already"):
                await exchange.__aenter__()
            await wire.close(exchange)
        assert len(exchange.journal) == n


def test_a_close_fills_the_part_that_the_exchange_was_made_with(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(fill=0.25)
    desk.exchange.open_position("BTC-USDT-SWAP", 8)
    assert desk.close().code == "0"
    assert desk.exchange.positions[0].pos == 6
    with pytest.raises(ValueError, match="fill"):
        open_desk(fill=1.5)


def test_a_cap_keeps_memory_bounded(open_desk: Callable[..., Desk]) -> None:
    def bytes_after(desk: Desk, closes: int) -> int:
        for n in range(closes):
            desk.advance(0.25)  # eight in a window: all are admitted
            desk.exchange.open_position("BTC-USDT-SWAP", n % 7 - 3 or 5)
            assert desk.close(clOrdId=f"c{n}" if n % 50 == 0 else "").code == "0"
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        grown = {}
        for cap in (100, None):
            desk = open_desk(journal_cap=cap)
            first = bytes_after(desk, 300)
            grown[cap] = bytes_after(desk, 300) - first
            assert (len(desk.exchange.journal), len(desk.exchange.trades)) == ((100, 100) if cap else (600, 1200))
    finally:
        tracemalloc.stop()
    kept = 300 * 100  # bytes: hardly a tenth of what 300 rows and their changes take
    assert grown[100] < kept < grown[None], grown
