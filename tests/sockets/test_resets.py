"""A request in doubt has its connection reset: bytes of it that the kernel still holds are never delivered."""

import asyncio
import socket
from typing import cast

import aiohttp
import pytest

from okx_async import ClosePosition, OutcomeUnknownError
from tests.sockets.conftest import Clients, Connection, Script, Stub, silent

pytestmark = [pytest.mark.loops, pytest.mark.usefixtures("no_uid_check")]


async def begins(connection: Connection) -> None:
    await connection.request()
    connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")


async def page(connection: Connection) -> None:
    await connection.request()
    connection.answer(b"<html>", "502 Bad Gateway")


async def unknown(connection: Connection) -> None:
    await connection.request()
    connection.answer({"code": "50004", "data": [], "msg": "Endpoint request timeout"}, "400 Bad Request")


async def too_long(connection: Connection) -> None:
    await connection.request()
    connection.answer(b" " * 3_000_000)


@pytest.mark.parametrize("script", [silent, begins, page, unknown, too_long])
async def test_the_peer_of_a_request_in_doubt_sees_a_reset(stub: Stub, clients: Clients, script: Script) -> None:
    stub.script = script
    client = clients(stub.base_url, timeout=0.1)
    with pytest.raises(OutcomeUnknownError):
        await client.close_position("BTC-USDT-SWAP", "cross")
    await stub.all_ended()
    assert [connection.ending for connection in stub.connections] == ["RST"]


async def test_the_peer_of_a_cancelled_request_sees_a_reset(stub: Stub, clients: Clients) -> None:
    stub.script = silent
    client = clients(stub.base_url)
    task = asyncio.ensure_future(client.close_position("BTC-USDT-SWAP", "cross"))
    await clients.until(lambda: stub.requests)
    task.cancel()
    await asyncio.wait({task})
    await stub.all_ended()
    assert [connection.ending for connection in stub.connections] == ["RST"]


async def test_on_a_callers_session_where_the_answer_has_begun(stub: Stub, clients: Clients) -> None:
    stub.script = begins
    async with aiohttp.ClientSession() as session:
        client = clients(stub.base_url, session=session, timeout=0.5)  # in which the answer begins for sure
        with pytest.raises(OutcomeUnknownError):
            await client.close_position("BTC-USDT-SWAP", "cross")
        await stub.all_ended()
        assert [connection.ending for connection in stub.connections] == ["RST"]


async def test_on_a_callers_session_a_connection_back_in_the_pool_is_left_alone(
    stub: Stub, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers_read = asyncio.Event()
    read_headers = aiohttp.ClientResponse.start

    async def script(connection: Connection) -> None:
        await connection.request()
        connection.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n")
        await headers_read.wait()
        connection.write(b"<html>")
        await connection.request()
        connection.answer(b"theirs")

    async def start(response: aiohttp.ClientResponse, connection: aiohttp.connector.Connection) -> object:
        started = await read_headers(response, connection)
        headers_read.set()
        return started

    stub.script = script
    monkeypatch.setattr(aiohttp.ClientResponse, "start", start)
    async with aiohttp.ClientSession() as session:
        client = clients(stub.base_url, session=session)
        with pytest.raises(OutcomeUnknownError):
            await client.close_position("BTC-USDT-SWAP", "cross")
        async with session.get(stub.base_url) as response:
            assert await response.read() == b"theirs"
    assert len(stub.connections) == 1


@pytest.mark.skipif(
    not hasattr(aiohttp.base_protocol.BaseProtocol, "_pause_transport_reading"),
    reason="aiohttp before 3.14 leaves behind what waited for the window, and asyncio reports it",
)
async def test_bytes_that_have_not_left_never_do(clients: Clients) -> None:
    """The peer's receive window is full when the request is written; after the reset it gets nothing more."""
    loop = asyncio.get_running_loop()
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # inherited by what it accepts
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.settimeout(0)
        client = clients(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=0.2)
        connector = client._wiring.transport._open().connector
        assert connector is not None
        warm = asyncio.ensure_future(client.warm_up(1))
        peer, _ = await loop.sock_accept(listening)
        assert await warm == 1
        with peer:
            ((idle, _),) = next(iter(connector._conns.values()))
            line = cast("asyncio.Transport", idle.transport)  # not by class on every event loop
            filling = b"x" * 10_000_000
            line.write(filling)  # the kernels take a part; the request queues behind all of it
            assert line.get_write_buffer_size()
            with pytest.raises(OutcomeUnknownError):
                await client.close_position("BTC-USDT-SWAP", "cross")
            peer.settimeout(0)
            received = 0
            end = ""
            while not end:
                try:
                    got = len(await loop.sock_recv(peer, 1 << 20))
                except ConnectionResetError:
                    end = "RST"
                else:
                    received += got
                    end = "" if got else "FIN"
            assert end == "RST"
            assert received < len(filling)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"code": "0", "data": [], "msg": ""}, "200 OK"),
        ({"code": "51023", "data": [], "msg": "Position doesn't exist."}, "200 OK"),
        ({"code": "51115", "data": [], "msg": "Cancel all pending close orders."}, "429 Too Many Requests"),
        ({"code": "50113", "msg": "Invalid Sign"}, "401 Unauthorized"),
    ],
)
async def test_a_decided_request_leaves_its_connection_to_the_next(
    stub: Stub, clients: Clients, body: dict[str, object], status: str
) -> None:
    async def script(connection: Connection) -> None:
        while True:
            await connection.request()
            connection.answer(body, status)

    stub.script = script
    client = clients(stub.base_url)
    results = [(await client.close_positions([ClosePosition("BTC-USDT-SWAP", "cross")]))[0] for _ in range(3)]
    assert {result.error.code if result.error else "0" for result in results} == {body["code"]}
    assert len(stub.requests) == 3
    assert len(stub.connections) == 1


async def test_a_reset_meets_no_other_request(stub: Stub, clients: Clients) -> None:
    """A new close in each turn of the loop, every other one answered with a page.

    A connection back in the pool is taken at once, before it is known that the answer over it was a page.
    """

    async def script(connection: Connection) -> None:
        while True:
            request = await connection.request()
            if int(request.inst_id.removeprefix("X")) % 2:
                connection.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n")
                for _ in range(4):  # turns, so that the body arrives apart
                    await asyncio.sleep(0)
                connection.write(b"<html>")
            else:
                connection.answer({"code": "0", "data": [], "msg": ""})

    asyncio.get_running_loop().set_debug(False)  # which would take most of the time of 200 requests
    stub.script = script
    client = clients(stub.base_url)
    tasks = []
    for n in range(200):
        tasks.append(asyncio.ensure_future(client.close_position(f"X{n}", "cross")))
        await asyncio.sleep(0)
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(end, OutcomeUnknownError) for end in ends] == [bool(n % 2) for n in range(200)]
