"""The lookup of the user id over real sockets: it never keeps a close from being sent."""

import asyncio
import logging
from typing import Any

import pytest

from okx_async import AuthenticationError, Client, Limiter, NotSentError
from okx_async.simulator import SimulatedExchange
from tests.sockets.conftest import Clients

CONFIG = "/api/v5/account/config"
POST = "/api/v5/trade/close-position"


def without_uid(clients: Clients, exchange: SimulatedExchange, **arguments: Any) -> Client:
    """Return a client whose user id is not given."""
    return clients(exchange.base_url, **{"credentials": exchange.credentials, "user_id": None, **arguments})


def calls(exchange: SimulatedExchange, path: str) -> int:
    return sum(row.path == path for row in exchange.journal)


async def test_many_calls_at_once_ask_once(exchange: SimulatedExchange, clients: Clients) -> None:
    client = without_uid(clients, exchange)
    legs = [f"X{n}-USDT-SWAP" for n in range(20)]
    for leg in legs:
        exchange.open_position(leg, 1)
    closed = await asyncio.gather(*(client.close_position(leg, "cross") for leg in legs))
    assert {one.attempts[0].key for one in closed} == {(exchange.base_url, exchange.user_id, leg) for leg in legs}
    assert calls(exchange, CONFIG) == 1
    assert client.limiter_key("BTC-USDT-SWAP") == (exchange.base_url, exchange.user_id, "BTC-USDT-SWAP")


async def test_a_check_of_the_given_one_takes_no_connection_from_warm_up(
    exchange: SimulatedExchange, clients: Clients
) -> None:
    options = {"user_id": exchange.user_id, "max_connections": 2}
    client = clients(exchange.base_url, credentials=exchange.credentials, **options)
    assert await client.warm_up(2) == 2
    other = clients(exchange.base_url, **options)
    with pytest.raises(AuthenticationError):  # though closes would go out by the given id
        await other.warm_up(2)


async def test_warm_up_asks_too(exchange: SimulatedExchange, clients: Clients) -> None:
    client = without_uid(clients, exchange)
    assert await client.warm_up(3) == 3
    assert client.limiter_key("X")[1] == exchange.user_id
    assert (calls(exchange, CONFIG), calls(exchange, POST)) == (1, 0)


async def test_a_given_user_id_is_checked_behind_the_close(
    exchange: SimulatedExchange, clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    exchange.inject(path=CONFIG, counted=False, delay=0.2)
    client = without_uid(clients, exchange, user_id=exchange.user_id)
    exchange.open_position("BTC-USDT-SWAP", 1)
    await client.close_position("BTC-USDT-SWAP", "cross")
    assert client._wiring.uid_lookup._task is not None
    assert not client._wiring.uid_lookup._task.done()
    await client._wiring.uid_lookup._task
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_mismatch_is_logged_and_nothing_else(
    exchange: SimulatedExchange, clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    client = without_uid(clients, exchange, user_id="987")
    exchange.open_position("BTC-USDT-SWAP", 1)
    closed = await client.close_position("BTC-USDT-SWAP", "cross")
    assert closed.attempts[0].key == (exchange.base_url, "987", "BTC-USDT-SWAP")
    assert client._wiring.uid_lookup._task is not None
    await client._wiring.uid_lookup._task
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "user_id='987' was given" in record.message
    assert exchange.user_id in record.message


@pytest.mark.parametrize(
    "fault",
    [
        {"code": "50001"},
        {"code": "50011"},
        {"body": b"<html>", "status": 502, "content_type": "text/html"},
        {"body": b"<html>", "status": 403},
        {"body": b'{"code":"0","data":[{}],"msg":""}', "status": 200},
        {"disconnect": True},
        {"delay": 3.0},
    ],
    ids=["busy", "too many", "page", "forbidden page", "no uid", "hang-up", "slow"],
)
async def test_the_close_goes_out_without_it(
    exchange: SimulatedExchange, clients: Clients, fault: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    exchange.inject(path=CONFIG, counted=False, **fault)
    exchange.open_position("BTC-USDT-SWAP", 1)
    client = without_uid(clients, exchange, timeout=10.0)
    began = asyncio.get_running_loop().time()
    closed = await client.close_position("BTC-USDT-SWAP", "cross")
    took = asyncio.get_running_loop().time() - began
    assert took < 1.9  # a slow answer is awaited for 1 s
    key = closed.attempts[0].key
    assert isinstance(key, tuple)
    assert key[1].startswith("key:")
    assert key[1] in "".join(record.message for record in caplog.records if record.levelname == "WARNING")
    assert exchange.positions == ()


async def test_asked_again_until_it_is_known(exchange: SimulatedExchange, clients: Clients) -> None:
    """Then both keys bind, the fallback first, until the exchange counts no request sent under the fallback."""
    exchange.inject(path=CONFIG, code="50001", counted=False)
    limiter = Limiter(doubt_grace=0.0)
    client = without_uid(clients, exchange, limiter=limiter)
    fallback = client.limiter_key("BTC-USDT-SWAP")
    for n in range(4):
        exchange.open_position(f"BTC-USD-260327-6000{n}-C", 1)
    await client.close_position("BTC-USD-260327-60000-C", "cross")
    family = (*fallback[:2], "BTC-USD")
    assert limiter.statistics(family).cooling == 1
    await clients.until(lambda: client._wiring.identity.user_id)

    known = client.limiter_key("BTC-USD-260327-60001-C")
    assert known[1] == exchange.user_id
    closed = await client.close_position("BTC-USD-260327-60001-C", "cross")
    assert closed.attempts[0].key == known
    assert (limiter.statistics(family).cooling, limiter.statistics(known).cooling) == (2, 1)

    await clients.until(lambda: client._wiring.identity.keys(known, asyncio.get_running_loop().time()) == (known,))
    before = limiter.statistics(family).granted
    await client.close_position("BTC-USD-260327-60002-C", "cross")
    assert limiter.statistics(family).granted <= before  # only the user id's own key from now on
    assert limiter.statistics(known).cooling >= 1


@pytest.mark.parametrize("code", ["50105", "50113", "50119"])
async def test_a_refused_key_sends_nothing(exchange: SimulatedExchange, clients: Clients, code: str) -> None:
    exchange.inject(path=CONFIG, code=code, counted=False)
    exchange.open_position("BTC-USDT-SWAP", 1)
    client = without_uid(clients, exchange)
    ends = await asyncio.gather(
        *(client.close_position("BTC-USDT-SWAP", "cross") for _ in range(5)), return_exceptions=True
    )
    assert {type(end) for end in ends} == {AuthenticationError}
    assert len({id(end) for end in ends}) == 5  # each caller has an exception of its own
    assert {end.code for end in ends if isinstance(end, AuthenticationError)} == {code}
    assert calls(exchange, POST) == 0
    await client.close_position("BTC-USDT-SWAP", "cross")  # asked again, and the key is good by now
    assert (calls(exchange, CONFIG), calls(exchange, POST)) == (2, 1)


async def test_a_key_that_may_not_read_may_still_trade(exchange: SimulatedExchange, clients: Clients) -> None:
    exchange.inject(path=CONFIG, code="50120", counted=False)
    exchange.open_position("BTC-USDT-SWAP", 1)
    await without_uid(clients, exchange).close_position("BTC-USDT-SWAP", "cross")


async def test_a_host_that_refuses_connections(clients: Clients) -> None:
    client = clients("http://127.0.0.1:9", user_id=None)
    with pytest.raises(NotSentError, match=r"nothing was sent: no connection to 127\.0\.0\.1:9: "):
        await client.close_position("BTC-USDT-SWAP", "cross")
    assert clients.fate(client) == "free"


async def test_two_clients_of_one_key_share_the_user_id(exchange: SimulatedExchange, clients: Clients) -> None:
    limiter = Limiter()
    one, two = without_uid(clients, exchange, limiter=limiter), without_uid(clients, exchange, limiter=limiter)
    await one.warm_up(0)
    assert two.limiter_key("X") == one.limiter_key("X") == (exchange.base_url, exchange.user_id, "X")


async def test_no_time_to_ask(exchange: SimulatedExchange, clients: Clients) -> None:
    """With max_wait=0 a cold client sends at once, under the fallback."""
    exchange.inject(path=CONFIG, counted=False, delay=0.5)
    exchange.open_position("BTC-USDT-SWAP", 1)
    client = without_uid(clients, exchange)
    closed = await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0)
    assert closed.attempts[0].waited < 0.3
    assert client._wiring.identity.user_id is None
