"""A server that hangs up: before the first byte of a request nothing was sent, afterwards the outcome is unknown."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import suppress

import aiohttp
import pytest

from okx_async import Attempt, NotSentError, OutcomeUnknownError
from tests.sockets.conftest import Clients, Connection, Stub

pytestmark = [pytest.mark.loops, pytest.mark.usefixtures("no_uid_check")]

OWN = pytest.mark.parametrize("own", [True, False], ids=["own session", "caller's session"])


class Balancer:
    """A load balancer without a backend: it hangs up in the turn of the loop in which a connection is there."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.listening.settimeout(0)
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.accepted = 0
        self.resets = False

    def hang_up(self) -> None:
        with suppress(BlockingIOError):
            while True:
                sock, _ = self.listening.accept()
                self.accepted += 1
                if self.resets:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.close()


@pytest.fixture
async def balancer() -> AsyncIterator[Balancer]:
    made = Balancer()
    asyncio.get_running_loop().add_reader(made.listening, made.hang_up)
    yield made
    asyncio.get_running_loop().remove_reader(made.listening)
    made.listening.close()


@OWN
@pytest.mark.parametrize("resets", [False, True], ids=["FIN", "RST"])
async def test_accepted_and_hung_up_at_once(balancer: Balancer, clients: Clients, *, own: bool, resets: bool) -> None:
    balancer.resets = resets
    attempts: list[Attempt] = []
    async with aiohttp.ClientSession() as session:
        client = clients(balancer.url, session=None if own else session, on_attempt=attempts.append)
        words = "no connection to" if resets else "the connection had ended"
        with pytest.raises(NotSentError, match=f"nothing was sent: .*{words}") as caught:
            await client.close_position("BTC-USDT-SWAP", "cross", max_wait=5.0)
        with pytest.raises(NotSentError, match="nothing was sent"):
            await client.positions()
    assert caught.value.attempts == tuple(attempts)
    assert {attempt.token for attempt in attempts} == {"refunded"}
    assert clients.fate(client) == "free"
    assert resets or balancer.accepted >= 4 * len(attempts)  # some connections for each attempt


@OWN
async def test_another_connection_is_tried_at_once(stub: Stub, clients: Clients, *, own: bool) -> None:
    """Idle connections that have ended while the loop was busy cost no attempt, and no pause."""

    async def script(line: Connection) -> None:
        await line.request()
        line.answer({"code": "0", "data": [], "msg": ""})
        await line.request()
        line.answer({"code": "0", "data": [], "msg": ""})

    stub.script = script
    async with aiohttp.ClientSession() as session:
        client = clients(stub.base_url, session=None if own else session)
        assert await client.warm_up(3) == 3
        await clients.until(lambda: len(stub.connections) == 3)
        for line in stub.connections:
            line.transport.close()
        await asyncio.sleep(0)  # the kernel has the ends, and the loop has not read them
        closed = await client.close_position("BTC-USDT-SWAP", "cross")
    assert [attempt.token for attempt in closed.attempts] == ["settled"]
    assert len(stub.requests) == 1


@OWN
@pytest.mark.parametrize("read", [False, True], ids=["not read", "read"])
async def test_what_may_have_been_read_is_unknown(stub: Stub, clients: Clients, *, own: bool, read: bool) -> None:
    async def script(line: Connection) -> None:
        if read:
            await line.request()
        else:
            line.transport.pause_reading()
            await asyncio.sleep(0.1)  # the request is in the kernel by then
        line.transport.abort()

    stub.script = script
    async with aiohttp.ClientSession() as session:
        client = clients(stub.base_url, session=None if own else session)
        with pytest.raises(OutcomeUnknownError):
            await client.close_position("BTC-USDT-SWAP", "cross")
        assert clients.fate(client) == "in doubt"
    assert len(stub.connections) == 1
