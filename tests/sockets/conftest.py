"""Shared by the socket tests: a server that plays scripts, and clients that are closed after the test."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import orjson
import pytest

from okx_async import Client, Credentials, Limiter, Statistics
from okx_async._calls.uid_lookup import UidLookup

CREDENTIALS = Credentials("0af1c5d2-1f3a-4c8e-9a3b-5f7e21d0c9ab", "9F3C51E0B7A24D6888E1C0FFEE0DDBA1", 'Fj0rd/"Kay&k<7')
ACCEPTED = {"code": "0", "data": [{"clOrdId": "", "instId": "BTC-USDT-SWAP", "posSide": "net", "tag": ""}], "msg": ""}

TURNS = 100


@dataclass(frozen=True)
class Request:
    """One complete request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def inst_id(self) -> str:
        return str(orjson.loads(self.body)["instId"])


class Connection(asyncio.Protocol):
    """One connection as the server sees it: the bytes and requests received, and how it ended."""

    transport: asyncio.Transport

    def __init__(self, stub: "Stub") -> None:
        self._stub = stub
        self._parsed = 0
        self._read = 0
        self._news = asyncio.Event()
        self.received = b""
        self.requests: list[Request] = []
        self.ending = ""
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # not by class on every event loop
        self._stub.made(self)

    def data_received(self, data: bytes) -> None:
        self.received += data
        while True:
            head, found, rest = self.received[self._parsed :].partition(b"\r\n\r\n")
            if not found:
                break
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            length = int(headers.get("content-length", "0"))
            if len(rest) < length:
                break
            self._parsed += len(head) + 4 + length
            method, path, _ = first.split(" ")
            self.requests.append(Request(method, path, headers, rest[:length]))
            self._stub.requests.append(self.requests[-1])
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ending = "RST" if isinstance(exc, ConnectionResetError) else "FIN"
        self.ended.set()
        self._news.set()

    async def request(self) -> Request:
        """Return the next request; EOFError if the connection ends first."""
        while self._read == len(self.requests):
            if self.ended.is_set():
                raise EOFError
            self._news.clear()
            await self._news.wait()
        self._read += 1
        return self.requests[self._read - 1]

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def answer(self, body: object, status: str = "200 OK", *headers: str) -> None:
        """Send a complete response; anything but bytes goes out as JSON."""
        payload = body if isinstance(body, bytes) else orjson.dumps(body)
        self.write(response(status, payload, "Content-Type: application/json", *headers))


Script: TypeAlias = Callable[[Connection], Awaitable[None]]

OWN = pytest.mark.parametrize("own", [True, False], ids=["own session", "caller's session"])


def response(status: str, body: bytes, *headers: str) -> bytes:
    """Return the bytes of a complete response."""
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]).encode() + body


def most_in_a_window(times: list[float], seconds: float = 2.0) -> int:
    """Return the largest number of arrivals in a window, counted by hand."""
    return max(sum(begin <= at < begin + seconds for at in times) for begin in times)


async def silent(connection: Connection) -> None:
    """Read one request and never answer."""
    await connection.request()


async def accept_all(connection: Connection) -> None:
    """Accept each close."""
    while True:
        await connection.request()
        connection.answer(ACCEPTED)


class Stub:
    """A server whose every connection follows `script`, which may be changed at any time."""

    def __init__(self) -> None:
        self.script: Script = accept_all
        self.base_url = ""
        self.connections: list[Connection] = []
        self.requests: list[Request] = []
        self._tasks: list[asyncio.Task[None]] = []

    def made(self, connection: Connection) -> None:
        self.connections.append(connection)
        self._tasks.append(asyncio.ensure_future(self._play(connection)))

    async def _play(self, connection: Connection) -> None:
        with suppress(EOFError):
            await self.script(connection)

    async def all_ended(self) -> None:
        """Wait until no connection is open."""
        async with asyncio.timeout(5):
            for connection in self.connections:
                await connection.ended.wait()

    async def run(self) -> AsyncIterator["Stub"]:
        server = await asyncio.get_running_loop().create_server(lambda: Connection(self), "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield self
        server.close()
        for connection in self.connections:
            connection.transport.abort()
        for task in self._tasks:
            task.cancel()
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        assert [end for end in ends if isinstance(end, Exception)] == []  # a script failed


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    async for running in Stub().run():
        yield running


@pytest.fixture
def no_uid_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep clients from checking the user id that they are given, so that the stub sees the test's requests only."""
    monkeypatch.setattr(UidLookup, "_start", lambda _: None)


class Clock:
    """A real clock that can be set forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


class Clients:
    """Makes clients, each with a limiter of its own on one clock, and finds out where their tokens are."""

    credentials = CREDENTIALS

    def __init__(self) -> None:
        self.clock = Clock()
        self.made: list[Client] = []

    def __call__(self, base_url: str, **arguments: Any) -> Client:
        arguments = {"user_id": "123", "limiter": Limiter(clock=self.clock), **arguments}
        client = Client(arguments.pop("credentials", CREDENTIALS), base_url=base_url, **arguments)
        client._caller._random = lambda: 0.0  # repeats follow at once
        self.made.append(client)
        return client

    @staticmethod
    async def until(condition: Callable[[], object]) -> None:
        """Wait for a condition that has no event of its own."""
        async with asyncio.timeout(10):
            turns = 0
            while not condition():  # tried at each turn of the loop, and when it takes long not at so many
                turns += 1
                await asyncio.sleep(0 if turns < TURNS else 0.001)

    @staticmethod
    def statistics(client: Client, key: Hashable) -> Statistics:
        assert isinstance(client.limiter, Limiter)
        return client.limiter.statistics(key)

    def fate(self, client: Client, key: Hashable = None) -> str:
        """Return where the one token that was taken is now, by setting the clock forward until it is free."""
        if key is None:
            key = client.limiter_key("BTC-USDT-SWAP")
        now = self.statistics(client, key)
        assert now.free + now.in_flight + now.cooling == now.limit
        if now.free == now.limit:
            return "free"
        if now.in_flight:
            return "in flight"
        assert now.cooling == 1
        for fate, seconds in (("settled", 2.003), ("in doubt", 5.0)):
            self.clock.ahead += seconds
            if self.statistics(client, key).free == now.limit:
                return fate
        return "lost"


@pytest.fixture
async def clients() -> AsyncIterator[Clients]:
    made = Clients()
    yield made
    for client in made.made:
        await client.aclose()
