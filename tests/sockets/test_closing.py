"""The end of a client: queued calls end at once, sent ones get their time, nothing stays open."""

import asyncio
import gc

import aiohttp
import pytest

from okx_async import Client, Limiter, NotSentError, OutcomeUnknownError, Quota
from tests.sockets.conftest import Clients, Connection, Stub, silent

pytestmark = [pytest.mark.loops, pytest.mark.usefixtures("no_uid_check")]


async def test_queued_calls_end_at_once_and_sent_ones_are_awaited(stub: Stub, clients: Clients) -> None:
    answer = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        await answer.wait()
        connection.answer({"code": "0", "data": [], "msg": ""})

    stub.script = script
    client = clients(stub.base_url, timeout=30.0)
    sent = asyncio.ensure_future(client.close_position("BTC-USDT-SWAP", "cross"))
    await client.limiter.block(client.limiter_key("ETH-USDT-SWAP"), 30.0)
    queued = [asyncio.ensure_future(client.close_position("ETH-USDT-SWAP", "cross")) for _ in range(3)]
    await clients.until(lambda: stub.requests)
    closing = asyncio.ensure_future(client.aclose())
    await asyncio.wait(queued)
    for task in queued:
        with pytest.raises(NotSentError, match="the client was closed, nothing was sent"):
            task.result()
    assert not sent.done()
    assert not closing.done()
    answer.set()
    await closing
    assert (await sent).attempts[0].token == "settled"
    assert clients.fate(client, client.limiter_key("ETH-USDT-SWAP")) == "free"


async def test_without_an_answer_in_time_their_outcome_is_unknown(stub: Stub, clients: Clients) -> None:
    stub.script = silent
    client = clients(stub.base_url, timeout=0.1)
    sent = asyncio.ensure_future(client.close_position("BTC-USDT-SWAP", "cross"))
    await clients.until(lambda: stub.requests)
    await client.aclose()
    with pytest.raises(OutcomeUnknownError, match="the client was closed before the answer"):
        await sent
    assert clients.fate(client) == "in doubt"


async def test_calls_that_wait_for_a_connection_are_not_sent(stub: Stub, clients: Clients) -> None:
    stub.script = silent
    client = clients(stub.base_url, timeout=0.1, max_connections=1)
    tasks = [asyncio.ensure_future(client.close_position("BTC-USDT-SWAP", "cross")) for _ in range(3)]
    await clients.until(lambda: stub.requests)
    await client.aclose()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(end) for end in ends] == [OutcomeUnknownError, NotSentError, NotSentError]


async def test_a_call_whose_slot_comes_with_the_close_is_not_sent(stub: Stub, clients: Clients) -> None:
    client = clients(stub.base_url)
    key = client.limiter_key("BTC-USDT-SWAP")
    async with client.limiter.slot(key) as slot:
        for _ in range(19):
            async with client.limiter.slot(key):
                pass
        queued = asyncio.ensure_future(client.close_position("BTC-USDT-SWAP", "cross"))
        await clients.until(lambda: clients.statistics(client, key).waiting)
        slot.refund()  # handed over; the client is closed before the waiter runs
        await client.aclose()
    with pytest.raises(NotSentError):
        await queued
    assert stub.requests == []
    assert clients.statistics(client, key).free == 1


async def test_closing_twice_or_without_use(stub: Stub, clients: Clients) -> None:
    client = clients(stub.base_url)
    await client.aclose()
    await client.aclose()
    async with clients(stub.base_url) as client:
        pass
    await client.aclose()
    assert stub.connections == []


async def test_a_second_end_waits_for_the_first(stub: Stub, clients: Clients) -> None:
    answer = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        await answer.wait()
        connection.answer({"code": "0", "data": [], "msg": ""})

    stub.script = script
    client = clients(stub.base_url, timeout=30.0)
    sent = asyncio.ensure_future(client.close_position("BTC-USDT-SWAP", "cross"))
    await clients.until(lambda: stub.requests)
    ends = [asyncio.ensure_future(client.aclose()) for _ in range(3)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert not any(end.done() for end in ends)
    answer.set()
    await asyncio.gather(*ends)
    assert sent.done()
    assert len((await sent).attempts) == 1
    await stub.all_ended()


async def test_a_close_that_is_cancelled_leaves_no_connection(stub: Stub, clients: Clients) -> None:
    stub.script = silent
    client = clients(stub.base_url, timeout=30.0)
    sent = asyncio.ensure_future(client.close_position("BTC-USDT-SWAP", "cross"))
    await clients.until(lambda: stub.requests)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await client.aclose()
    await stub.all_ended()
    with pytest.raises(OutcomeUnknownError):
        await sent


async def test_a_close_of_the_client_that_is_cancelled_ends_the_queued_calls(stub: Stub, clients: Clients) -> None:
    stub.script = silent
    for turns in range(1, 6):
        client = clients(stub.base_url, timeout=30.0, limiter=Limiter(Quota(1)))
        closes = [asyncio.ensure_future(client.close_position("BTC-USDT-SWAP", "cross")) for _ in range(3)]
        await clients.until(lambda: stub.requests)
        stub.requests.clear()
        end = asyncio.ensure_future(client.aclose())
        for _ in range(turns):
            await asyncio.sleep(0)
        end.cancel()
        await asyncio.wait({end, *closes})
        assert isinstance(closes[0].exception(), OutcomeUnknownError)
        for close in closes[1:]:
            assert "the client was closed, nothing was sent" in str(close.exception())
    await stub.all_ended()


@pytest.mark.parametrize("use", ["close_position", "close_positions", "positions", "warm_up", "enter"])
async def test_use_after_the_end(stub: Stub, clients: Clients, use: str) -> None:
    client = clients(stub.base_url)
    await client.aclose()
    with pytest.raises(RuntimeError, match="this client is closed"):
        await call(client, use)
    assert repr(client).endswith(" closed>")


@pytest.mark.parametrize("use", ["close_position", "close_positions", "positions", "warm_up", "enter", "aclose"])
async def test_use_from_a_second_loop(stub: Stub, clients: Clients, use: str) -> None:
    client = clients(stub.base_url)
    await client.close_position("BTC-USDT-SWAP", "cross")

    def elsewhere() -> None:
        with pytest.raises(RuntimeError, match="belongs to another event loop: make one for each"):
            asyncio.run(call(client, use))

    await asyncio.to_thread(elsewhere)
    assert await client.warm_up(1) == 1  # here it still works


async def call(client: Client, use: str) -> None:
    match use:
        case "close_position":
            await client.close_position("BTC-USDT-SWAP", "cross")
        case "close_positions":
            await client.close_positions([])
        case "positions":
            await client.positions()
        case "warm_up":
            await client.warm_up(1)
        case "enter":
            async with client:
                pass
        case "aclose":
            await client.aclose()


async def test_a_client_left_open_warns(stub: Stub, clients: Clients) -> None:
    client = Client(clients.credentials, base_url=stub.base_url, user_id="123")
    await client.close_position("BTC-USDT-SWAP", "cross")
    transport = client._wiring.transport
    with pytest.warns(ResourceWarning, match=r"unclosed <Client .*: use it as `async with`, or await aclose"):
        del client
    await transport.aclose()


async def test_a_client_of_a_callers_session_or_never_used_does_not(
    stub: Stub, clients: Clients, recwarn: pytest.WarningsRecorder
) -> None:
    async with aiohttp.ClientSession() as session:
        client = Client(clients.credentials, base_url=stub.base_url, user_id="123", session=session)
        await client.close_position("BTC-USDT-SWAP", "cross")
        del client
    Client(clients.credentials)
    gc.collect()
    assert list(recwarn) == []
