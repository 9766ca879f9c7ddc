"""One close, cancelled at each turn of the event loop in turn: its caller is told the truth and no token is lost."""

import asyncio
from collections.abc import Iterator
from itertools import count
from typing import Any

import aiohttp
import pytest

from okx_async import Attempt, Client, ClosePosition, CloseResult, Outcome
from okx_async.simulator import SimulatedExchange
from tests.sockets.conftest import Clients, Connection, Stub

NOTE = "BTC-USDT-SWAP: already sent, outcome unknown"


class Turns:
    """Counts the turns of a loop, and cancels a task at the start of one of them."""

    def __init__(self, loop: Any) -> None:
        self._original = loop._run_once
        self._task: asyncio.Task[Any] | None = None
        self._left = 0

    def cancel_at(self, turn: int, task: asyncio.Task[Any]) -> None:
        self._task, self._left = task, turn

    def __call__(self) -> None:
        if self._task is not None:
            if not self._left:
                self._task.cancel()
                self._task = None
            self._left -= 1
        self._original()


@pytest.fixture
def turns() -> Iterator[Turns]:
    loop: Any = asyncio.get_event_loop_policy().get_event_loop()
    counting = loop._run_once = Turns(loop)
    yield counting
    del loop._run_once


async def close(client: Client, turns: Turns, turn: int) -> tuple[bool, list[str]]:
    """Return whether the close was cancelled, and the notes of the exception."""
    notes: list[str] = []

    async def call() -> None:
        try:
            await client.close_position("BTC-USDT-SWAP", "cross")
        except asyncio.CancelledError as cancelled:
            notes.extend(getattr(cancelled, "__notes__", ()))
            raise

    task = asyncio.ensure_future(call())
    turns.cancel_at(turn, task)
    await asyncio.wait({task})
    turns.cancel_at(-1, task)
    return task.cancelled(), notes


def told(attempts: list[Attempt]) -> list[tuple[Outcome, str]]:
    return [(attempt.outcome, attempt.token) for attempt in attempts]


@pytest.mark.usefixtures("no_uid_check")
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
async def test_a_close_cancelled_at_any_turn(
    *, warm: bool, stub: Stub, clients: Clients, turns: Turns, caplog: pytest.LogCaptureFixture
) -> None:
    sent = unsent = 0
    for turn in count():
        attempts: list[Attempt] = []
        client = clients(stub.base_url, on_attempt=attempts.append)
        if warm:
            await client.close_position("ETH-USDT-SWAP", "cross")
        attempts.clear()
        stub.requests.clear()
        caplog.clear()

        cancelled, notes = await close(client, turns, turn)
        fate = clients.fate(client)
        await client.aclose()
        await stub.all_ended()

        received = [request.inst_id for request in stub.requests]
        if not cancelled:
            assert (notes, fate, received) == ([], "settled", ["BTC-USDT-SWAP"])
            assert told(attempts) == [(Outcome.ACCEPTED, "settled")]
            break
        warnings = [record for record in caplog.records if record.levelname == "WARNING"]
        if notes:
            assert (notes, fate, len(received) <= 1) == ([NOTE], "in doubt", True), turn
            assert told(attempts) == [(Outcome.UNKNOWN, "in doubt")], turn
            assert len(warnings) == 1, turn
            sent += len(received)
        else:
            assert (fate, received) == ("free", []), turn
            assert told(attempts) in ([], [(Outcome.NOT_SENT, "refunded")]), turn
            assert not warnings, turn
            unsent += 1
    # Both kinds of moment occurred; over a warm connection the request leaves in the first turn of its task.
    assert unsent >= (1 if warm else 3)
    assert sent >= 2


async def test_a_close_cancelled_at_any_turn_while_the_user_id_is_asked(clients: Clients, turns: Turns) -> None:
    async with SimulatedExchange() as exchange, aiohttp.ClientSession() as session:
        sent = unsent = 0
        for turn in count():
            attempts: list[Attempt] = []
            account = exchange.add_account()
            exchange.open_position("BTC-USDT-SWAP", 1, account=account)
            client = clients(
                exchange.base_url, credentials=account.credentials, user_id=None, on_attempt=attempts.append
            )

            cancelled, notes = await close(client, turns, turn)
            fates = {clients.fate(client, (exchange.base_url, user_id, "BTC-USDT-SWAP")) for user_id in names(client)}
            fates |= {clients.fate(client, (exchange.base_url, account.user_id, "BTC-USDT-SWAP"))}
            await client.aclose()
            async with session.get(exchange.base_url + "/api/v5/public/time") as response:  # all before it was counted
                await response.read()

            mine = [row for row in exchange.journal if row.uid == account.user_id and row.method == "POST"]
            if not cancelled:
                assert (notes, fates, len(mine)) == ([], {"free", "settled"}, 1)
                break
            assert fates == ({"free", "in doubt"} if notes else {"free"}), turn
            assert len(mine) <= len(notes), turn
            tokens = [attempt.token for attempt in attempts]
            assert tokens == ["in doubt"] if notes else tokens in ([], ["refunded"]), turn
            sent, unsent = sent + bool(notes), unsent + (not notes)
        assert sent >= 2
        assert unsent >= 10


def names(client: Client) -> list[str]:
    return [client._wiring.identity.fallback]


@pytest.mark.usefixtures("no_uid_check")
async def test_a_close_cancelled_in_the_queue_was_not_sent(stub: Stub, clients: Clients) -> None:
    client = clients(stub.base_url)
    key = client.limiter_key("BTC-USDT-SWAP")
    await client.limiter.block(key, 30.0)
    task = asyncio.ensure_future(client.close_position("BTC-USDT-SWAP", "cross"))
    await clients.until(lambda: clients.statistics(client, key).waiting)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert not hasattr(caught.value, "__notes__")
    assert clients.statistics(client, key).free == 20
    assert stub.requests == []


@pytest.mark.usefixtures("no_uid_check")
async def test_a_cancelled_batch_has_reported_every_leg_that_was_decided(stub: Stub, clients: Clients) -> None:
    pending = asyncio.Event()

    async def script(connection: Connection) -> None:
        while True:
            request = await connection.request()
            if request.inst_id == "ETH-USDT-SWAP":
                pending.set()  # and never an answer
            else:
                connection.answer({"code": "0", "data": [], "msg": ""})

    stub.script = script
    client = clients(stub.base_url)
    results: list[CloseResult] = []
    legs = [ClosePosition(inst_id, "cross") for inst_id in ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP")]
    task = asyncio.ensure_future(client.close_positions(legs, on_result=results.append))
    await clients.until(lambda: pending.is_set() and len(results) == 2)
    task.cancel()
    async with asyncio.timeout(2):
        await asyncio.wait({task})
    assert task.cancelled()
    assert {result.request.inst_id for result in results if result.ok} == {"BTC-USDT-SWAP", "SOL-USDT-SWAP"}
    assert clients.fate(client, client.limiter_key("ETH-USDT-SWAP")) == "in doubt"
