"""Bytes that come before the request was written belong to no request, wherever they are when it is written."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import aiohttp
import orjson
import pytest

from okx_async import Client, NothingToCloseError, NotSentError, OkxError
from tests.sockets import tls
from tests.sockets.conftest import ACCEPTED, Clients, Line, Stub

pytestmark = pytest.mark.usefixtures("quiet")

OWN = pytest.mark.parametrize("own", [True, False], ids=["own session", "caller's session"])


def response(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


TAKEN = response("200 OK", orjson.dumps(ACCEPTED))
NOTHING = response("400 Bad Request", b'{"code":"51023","data":[],"msg":"Position does not exist"}')


class Threaded:
    """A server in a thread of its own, which goes on while the loop of the test stands still.

    The first request is accepted, and `first` is sent after that answer; the others are told that nothing was there.
    """

    def __init__(self, first: tuple[bytes, ...], context: ssl.SSLContext | None) -> None:
        self._first = first
        self._context = context
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.connections: list[socket.socket] = []
        self.requests: list[tuple[int, bytes]] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_side=True)
            number = len(self.connections)
            self.connections.append(sock)
            while data := sock.recv(65536):
                while b"\r\n\r\n" not in data or (data.startswith(b"POST") and not data.endswith(b"}")):
                    data += sock.recv(65536)
                self.requests.append((number, data))
                first = len(self.requests) == 1
                sock.sendall(TAKEN if first else NOTHING)
                for more in self._first if first else ():
                    time.sleep(0.05)
                    sock.sendall(more)
        except OSError:
            pass

    def close(self) -> None:
        for sock in [self._listening, *self.connections]:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()


@contextmanager
def threaded(*first: bytes, context: ssl.SSLContext | None = None) -> Iterator[Threaded]:
    server = Threaded(first, context)
    try:
        yield server
    finally:
        server.close()


async def two_closes(client: Client, pause: Callable[[], object]) -> OkxError | None:
    await client.close_position("BTC-USDT-SWAP", "cross")
    pause()
    await asyncio.sleep(0)
    try:
        await client.close_position("ETH-USDT-SWAP", "cross")
    except OkxError as error:
        return error
    return None


def computes() -> None:
    time.sleep(0.25)


@OWN
@pytest.mark.parametrize("halves", [1, 2], ids=["whole", "in two halves"])
async def test_a_second_answer_that_lies_in_the_kernel(clients: Clients, halves: int, *, own: bool) -> None:
    more = (TAKEN,) if halves == 1 else (TAKEN[:20], TAKEN[20:])
    with threaded(*more) as server:
        async with aiohttp.ClientSession() as session:
            client = clients(f"http://127.0.0.1:{server.port}", session=None if own else session)
            error = await two_closes(client, computes)
    assert isinstance(error, NothingToCloseError)
    assert [number for number, _ in server.requests] == [0, 1]  # the next one went over another connection


async def test_half_an_answer_that_the_loop_has_read(clients: Clients, stub: Stub) -> None:
    """Its other half comes after the next request was written, and would be taken for the answer to that."""
    more = asyncio.Event()

    async def script(line: Line) -> None:
        await line.request()
        line.answer(ACCEPTED)
        await more.wait()
        line.write(TAKEN[:20])
        await line.request()
        line.write(TAKEN[20:])

    async def refuses(line: Line) -> None:
        await line.request()
        line.write(NOTHING)

    stub.script = script
    client = clients(stub.base_url)
    await client.close_position("BTC-USDT-SWAP", "cross")
    more.set()
    await asyncio.sleep(0.05)
    stub.script = refuses
    with pytest.raises(NothingToCloseError):
        await client.close_position("ETH-USDT-SWAP", "cross")
    assert len(stub.lines) == 2


@OWN
async def test_over_tls_too(clients: Clients, monkeypatch: pytest.MonkeyPatch, *, own: bool) -> None:
    monkeypatch.setattr(tls.CONTEXT, tls.trusting())
    with threaded(TAKEN, context=tls.serving()) as server:
        async with aiohttp.ClientSession() as session:
            client = clients(f"https://localhost:{server.port}", session=None if own else session)
            error = await two_closes(client, computes)
    assert isinstance(error, NothingToCloseError)
    assert [number for number, _ in server.requests] == [0, 1]


@OWN
async def test_session_tickets_are_no_answer(clients: Clients, monkeypatch: pytest.MonkeyPatch, *, own: bool) -> None:
    """They are readable after the handshake, and the connection serves all the same, and stays."""
    monkeypatch.setattr(tls.CONTEXT, tls.trusting())
    with threaded(context=tls.serving()) as server:
        async with aiohttp.ClientSession() as session:
            client = clients(f"https://localhost:{server.port}", session=None if own else session)
            assert await client.warm_up(1) == 1
            time.sleep(0.1)  # the tickets lie in the kernel
            closed = await client.close_position("BTC-USDT-SWAP", "cross")
            for _ in range(3):
                with pytest.raises(NothingToCloseError):
                    await client.close_position("ETH-USDT-SWAP", "cross")
    assert len(closed.attempts) == 1
    assert len(server.connections) == 1


@OWN
async def test_a_server_that_speaks_first_gets_no_request(clients: Clients, stub: Stub, *, own: bool) -> None:
    async def script(line: Line) -> None:
        line.write(TAKEN)
        await line.ended.wait()

    stub.script = script
    async with aiohttp.ClientSession() as session:
        client = clients(stub.base_url, session=None if own else session)
        # What it says may arrive a moment after the connection: a request that was written by then is lost to it.
        await client.warm_up(1)
        await asyncio.sleep(0.05)
        try:
            closed = await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0.2)
        except NotSentError:
            assert clients.fate(client) == "free"
        else:
            assert len(closed.attempts) >= 1
    assert stub.lines[0].requests == []


async def test_an_idle_connection_that_is_flooded_ends(clients: Clients, stub: Stub) -> None:
    async def script(line: Line) -> None:
        await line.request()
        line.answer(ACCEPTED)
        await asyncio.sleep(0.02)
        while not line.ended.is_set():
            line.write(b"HTTP/1.1 204 No Content\r\n\r\n" * 100)
            await asyncio.sleep(0)

    stub.script = script
    client = clients(stub.base_url)
    await client.close_position("BTC-USDT-SWAP", "cross")
    await stub.all_ended()
    assert stub.lines[0].ending == "RST"


async def test_a_warm_connection_that_is_flooded_ends(clients: Clients, stub: Stub) -> None:
    async def script(line: Line) -> None:
        await asyncio.sleep(0.05)
        while not line.ended.is_set():
            line.write(b"x" * 1000)
            await asyncio.sleep(0)

    stub.script = script
    client = clients(stub.base_url)
    assert await client.warm_up(2) == 2
    await stub.all_ended()
    assert len(stub.lines) == 2
