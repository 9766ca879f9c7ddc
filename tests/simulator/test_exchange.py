from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

import okx_async.simulator as package
from okx_async._models import Credentials
from okx_async.simulator import SimulatedExchange

if TYPE_CHECKING:
    from collections.abc import Callable

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


def test_public_names_are_those_of_the_package() -> None:
    assert {getattr(package, name).__module__ for name in package.__all__} == {"okx_async.simulator"}


@pytest.mark.parametrize(
    ("inst_id", "pos", "mgn_mode", "ccy", "expected"),
    [
        ("BTC-USDT-SWAP", 3, "cross", None, (Decimal(3), "USDT")),
        ("BTC-USDT-SWAP", "-0.5", "isolated", None, (Decimal("-0.5"), "USDT")),
        ("BTC-USD-SWAP", Decimal(2), "cross", None, (Decimal(2), "BTC")),
        ("BTC-USD_UM-SWAP", 1, "cross", None, (Decimal(1), "USD")),
        ("BTC-USDT", "0.1", "cross", None, (Decimal("0.1"), "USDT")),
        ("BTC-USDT", "0.1", "cross", "BTC", (Decimal("0.1"), "BTC")),
    ],
)
def test_a_position_is_in_the_books(
    inst_id: str, pos: int | str | Decimal, mgn_mode: str, ccy: str | None, expected: tuple[Decimal, str]
) -> None:
    exchange = SimulatedExchange()
    holding = exchange.open_position(inst_id, pos, mgn_mode, ccy=ccy)
    assert exchange.positions == (holding,)
    assert (holding.pos, holding.ccy) == expected
    assert (holding.user_id, holding.inst_id, holding.mgn_mode) == (exchange.user_id, inst_id, mgn_mode)


def test_an_instrument_that_is_not_listed_is_listed() -> None:
    exchange = SimulatedExchange()
    assert "NEWCOIN-USDT-SWAP" not in exchange.instruments
    exchange.open_position("NEWCOIN-USDT-SWAP", 1)
    assert "NEWCOIN-USDT-SWAP" in exchange.instruments


@pytest.mark.parametrize(
    ("pos_mode", "args", "error", "rule"),
    [
        ("net_mode", ("btc-usdt-swap", 1), ValueError, "no instrument id"),
        ("net_mode", ("BTC-USDT-SWAP", "many"), ValueError, "must be a number"),
        ("net_mode", ("BTC-USDT-SWAP", "NaN"), ValueError, "finite"),
        ("net_mode", ("BTC-USDT-SWAP", 0.5), TypeError, "Decimal"),
        ("net_mode", ("BTC-USDT-SWAP", True), TypeError, "Decimal"),
        ("net_mode", ("BTC-USDT-SWAP", 1, "crossed"), ValueError, "mgn_mode"),
        ("net_mode", ("BTC-USDT-SWAP", 1, "cross", "long"), ValueError, "must be net in net_mode"),
        ("long_short_mode", ("BTC-USDT-SWAP", 1), ValueError, "must be long or short"),
        ("long_short_mode", ("BTC-USDT", 1, "cross", "long"), ValueError, "must be net"),
        ("long_short_mode", ("BTC-USDT-SWAP", -1, "cross", "short"), ValueError, "not negative"),
    ],
)
def test_positions_that_cannot_be(pos_mode: Any, args: Any, error: type[Exception], rule: str) -> None:
    exchange = SimulatedExchange(pos_mode=pos_mode)
    with pytest.raises(error, match=rule):
        exchange.open_position(*args)
    assert exchange.positions == ()


def test_a_short_side_is_negative_in_the_books_and_not_in_the_answer(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(pos_mode="long_short_mode")
    assert desk.exchange.open_position("BTC-USDT-SWAP", 3, pos_side="short").pos == -3
    assert desk.pos() == {"BTC-USDT-SWAP/cross/short": "3"}


@pytest.mark.parametrize(("pos", "side"), [(3, "sell"), (-3, "buy"), (0, "sell")])
def test_a_pending_order_closes_by_default(pos: int, side: str) -> None:
    exchange = SimulatedExchange()
    exchange.open_position("BTC-USDT-SWAP", pos)
    order = exchange.add_pending_order("BTC-USDT-SWAP")
    assert (order.side, order.closing, order.px) == (side, True, "60087.9")
    assert exchange.pending_orders == (order,)


@pytest.mark.parametrize(("pos_side", "side"), [("long", "sell"), ("short", "buy")])
def test_a_pending_order_of_a_side_closes_it_by_default(pos_side: str, side: str) -> None:
    exchange = SimulatedExchange(pos_mode="long_short_mode")
    order = exchange.add_pending_order("BTC-USDT-SWAP", pos_side=pos_side, reduce_only=False)
    assert (order.side, order.closing) == (side, True)


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


def test_a_second_actor_may_take_the_position_away_and_open_another(desk: Desk) -> None:
    first = desk.exchange.open_position("BTC-USDT-SWAP", 3)
    desk.advance(1)
    desk.exchange.open_position("BTC-USDT-SWAP", 0)
    assert desk.close().code == "51023"
    desk.advance(1)
    second = desk.exchange.open_position("BTC-USDT-SWAP", 5)
    assert (second.pos_id, second.c_time) == (first.pos_id, first.c_time + 2000)


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


@pytest.mark.parametrize("option", [{"latency": -1}, {"jitter": -1}, {"fill_delay": -1}, {"fill_delay": (2, 1)}])
def test_times_that_cannot_be(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="negative"):
        SimulatedExchange(**option)


@pytest.mark.parametrize(("latency", "jitter"), [(0.0, 0.0), (0.1, 0.0), (0.1, 0.05), (0.0, 0.05)])
def test_the_way_is_latency_and_a_uniform_part(latency: float, jitter: float) -> None:
    exchange = SimulatedExchange(latency=latency, jitter=jitter, seed=7)
    again = SimulatedExchange(latency=latency, jitter=jitter, seed=7)
    ways = [exchange._way() for _ in range(1000)]
    assert ways == [again._way() for _ in range(1000)]
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
