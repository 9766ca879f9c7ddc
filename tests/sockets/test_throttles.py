"""Refusals for rate and calls out of time: the key is blocked, the close repeated after the window, the error true."""

import asyncio
import time
from typing import Any

import pytest

from okx_async import (
    Attempt,
    Client,
    ClockSkewError,
    ClosePosition,
    Limiter,
    OutcomeUnknownError,
    Priority,
    Quota,
    RateLimitedError,
    SlotTimeoutError,
)
from okx_async.simulator import SimulatedExchange
from tests.sockets.conftest import Clients

pytestmark = pytest.mark.usefixtures("no_uid_check")


@pytest.fixture
def attempts() -> list[Attempt]:
    return []


@pytest.fixture
def client(exchange: SimulatedExchange, clients: Clients, attempts: list[Attempt]) -> Client:
    exchange.open_position("BTC-USDT-SWAP", 1)
    return clients(
        exchange.base_url,
        credentials=exchange.credentials,
        user_id=exchange.user_id,
        limiter=Limiter(Quota(20, 0.3), doubt_grace=0.1),  # short windows: the exchange counts none of these
        on_attempt=attempts.append,
    )


def statistics(client: Client) -> Any:
    assert isinstance(client.limiter, Limiter)
    return client.limiter.statistics(client.limiter_key("BTC-USDT-SWAP"))


async def test_refused_for_rate_it_is_repeated_after_the_window(
    exchange: SimulatedExchange, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    exchange.open_position("ETH-USDT-SWAP", 1)
    statuses = {"BTC-USDT-SWAP": 200, "ETH-USDT-SWAP": 429}
    for inst_id, status in statuses.items():
        exchange.inject(code="50011", status=status, inst_id=inst_id)
    closes = await asyncio.gather(*(client.close_position(inst_id, "cross") for inst_id in statuses))
    for closed, (inst_id, status) in zip(closes, statuses.items(), strict=True):
        assert [(attempt.code, attempt.status, attempt.token) for attempt in closed.attempts] == [
            ("50011", status, "settled"),
            ("0", 200, "settled"),
        ]
        first, second = [row for row in exchange.journal if row.key == (exchange.user_id, inst_id)]
        assert second.at - first.at >= 2.0  # the pause of the exchange's own quota, not of ours
    assert exchange.positions == ()
    assert "its key pauses for 2." in caplog.text
    assert "to be repeated: 50011" in caplog.text


async def test_a_request_for_the_time_that_is_refused_for_rate_blocks_its_key(
    exchange: SimulatedExchange, client: Client
) -> None:
    exchange.inject("31 s ahead")
    exchange.inject("time refused for rate")
    with pytest.raises(ClockSkewError):
        await client.close_position("BTC-USDT-SWAP", "cross")
    assert isinstance(client.limiter, Limiter)
    state = client.limiter.statistics((exchange.base_url, "public/time"))
    assert state.refused == 1
    assert state.blocked_until > time.monotonic() + 1.5


async def test_out_of_time_the_error_of_the_last_attempt_is_raised(
    exchange: SimulatedExchange, client: Client, attempts: list[Attempt]
) -> None:
    exchange.inject(code="50011", times=9)
    began = time.monotonic()
    with pytest.raises(RateLimitedError) as caught:
        await client.close_position("BTC-USDT-SWAP", "cross", max_wait=1.0)
    assert time.monotonic() - began < 0.9  # at once: the block is longer than what is left
    assert caught.value.code == "50011"
    assert caught.value.attempts == tuple(attempts)
    assert len(attempts) == 1
    assert statistics(client).refused == 1
    assert statistics(client).blocked_until - time.monotonic() > 1.0


async def test_a_block_holds_all_calls_of_its_key_and_no_others(exchange: SimulatedExchange, client: Client) -> None:
    exchange.inject(code="50011", inst_id="BTC-USDT-SWAP")
    exchange.open_position("ETH-USDT-SWAP", 1)
    with pytest.raises(RateLimitedError):
        await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0)
    with pytest.raises(SlotTimeoutError) as caught:
        await client.close_position("BTC-USDT-SWAP", "cross", max_wait=1.0)
    assert 1.0 < caught.value.wait <= 2.0
    await client.close_position("ETH-USDT-SWAP", "cross", max_wait=0)


async def test_too_many_requests_without_a_code_is_unknown_and_blocks(
    exchange: SimulatedExchange, client: Client, attempts: list[Attempt]
) -> None:
    exchange.inject(body=b"Too Many Requests", status=429, content_type="text/plain")
    with pytest.raises(OutcomeUnknownError):
        await client.close_position("BTC-USDT-SWAP", "cross")
    assert [attempt.token for attempt in attempts] == ["in doubt"]
    assert statistics(client).blocked_until - time.monotonic() > 1.5
    with pytest.raises(SlotTimeoutError):
        await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0.5)
    assert len(exchange.journal) == 1


async def test_no_slot_in_time(exchange: SimulatedExchange, client: Client, attempts: list[Attempt]) -> None:
    key = client.limiter_key("BTC-USDT-SWAP")
    for _ in range(20):
        async with client.limiter.slot(key):
            pass
    began = time.monotonic()
    with pytest.raises(SlotTimeoutError) as caught:
        await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0)
    assert 0.2 < caught.value.wait <= 0.303
    assert caught.value.key == key
    await client.close_position("BTC-USDT-SWAP", "cross", max_wait=2.0)
    assert time.monotonic() - began >= 0.25
    assert len(attempts) == 1  # the first call had no slot, so it made no attempt
    assert len(exchange.journal) == 1


async def test_callbacks_that_raise_disturb_nothing(
    exchange: SimulatedExchange, clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    def raising(_: object) -> None:
        raise ValueError("theirs")

    exchange.open_position("BTC-USDT-SWAP", 1)
    client = clients(exchange.base_url, credentials=exchange.credentials, user_id=exchange.user_id, on_attempt=raising)
    legs = [ClosePosition("BTC-USDT-SWAP", "cross"), ClosePosition("ETH-USDT-SWAP", "cross")]
    results = await client.close_positions(legs, on_result=raising)
    assert [result.ok for result in results] == [True, False]
    assert caplog.text.count("ValueError: theirs") == 4


async def test_panic_goes_first(exchange: SimulatedExchange, client: Client, attempts: list[Attempt]) -> None:
    await client.limiter.block(client.limiter_key("BTC-USDT-SWAP"), 0.1)
    legs = [ClosePosition("BTC-USDT-SWAP", "cross", tag=name) for name in ("first", "second", "panic")]
    lanes = [Priority.NORMAL, Priority.NORMAL, Priority.PANIC]
    await asyncio.gather(*(client.close_positions([leg], priority=lane) for leg, lane in zip(legs, lanes, strict=True)))
    assert min(attempts, key=lambda attempt: attempt.sent or 0).request.tag == "panic"
    assert [row.code for row in exchange.journal] == ["0", "51023", "51023"]
