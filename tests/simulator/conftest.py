"""A desk in front of the exchange: requests without sockets at literal times, and the same over a real one."""

import asyncio
import base64
import hashlib
import hmac
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson
import pytest
from multidict import CIMultiDict
from yarl import URL

from okx_async._credentials import Credentials
from okx_async.simulator import Network, Path, SimulatedExchange, VirtualLoop, run
from okx_async.simulator import Wire as VirtualWire
from okx_async.simulator.http.messages import Request
from okx_async.simulator.virtual.transport import MemoryTransport

CLOSE = "/api/v5/trade/close-position"
WALL = 1768519672.0  # 2026-01-15T23:27:52Z


@dataclass(frozen=True)
class Reply:
    status: int
    raw: bytes
    delay: float = 0.0

    @property
    def body(self) -> Any:
        return orjson.loads(self.raw)

    @property
    def code(self) -> Any:
        return self.body["code"]

    @property
    def data(self) -> Any:
        return self.body["data"]


def signed(
    credentials: Credentials, method: str, raw_path: str, body: bytes, wall: float, **changes: str
) -> CIMultiDict[str]:
    """Build the headers of a private request; a change to "" leaves a header out, `_` stands for a dash."""
    text = datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    mac = hmac.new(credentials.secret_key.encode(), f"{text}{method}{raw_path}".encode() + body, hashlib.sha256)
    headers = CIMultiDict(
        {
            "OK-ACCESS-KEY": credentials.api_key,
            "OK-ACCESS-PASSPHRASE": credentials.passphrase,
            "OK-ACCESS-TIMESTAMP": text,
            "OK-ACCESS-SIGN": base64.b64encode(mac.digest()).decode(),
        }
    )
    if method == "POST":
        headers["Content-Type"] = "application/json"
    for name, value in changes.items():
        headers[name.replace("_", "-")] = value
    return CIMultiDict({name: value for name, value in headers.items() if value})


class Desk:
    """An exchange that is asked directly; `now` and `wall` are its clocks."""

    def __init__(self, **options: Any) -> None:
        self.now, self.wall = 1000.0, WALL
        self.exchange = SimulatedExchange(
            clock=lambda: self.now, wall_clock=lambda: self.wall, **{"seed": 1, **options}
        )
        self.credentials = self.exchange.credentials

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds

    def send(
        self, method: str, raw_path: str, headers: CIMultiDict[str], body: bytes = b"", *, broken: int = 0
    ) -> Reply:
        request = Request(method, raw_path, headers, body, "192.0.2.1", broken)
        answer = self.exchange.decide(request, self.now, int(self.wall * 1000))
        return Reply(answer.status, answer.body, answer.delay)

    def post(self, body: bytes, raw_path: str = CLOSE, *, skew: float = 0.0, **headers: str) -> Reply:
        made = signed(self.credentials, "POST", raw_path, body, self.wall + skew, **headers)
        return self.send("POST", raw_path, made, body)

    def close(self, inst_id: str = "BTC-USDT-SWAP", mgn_mode: str = "cross", **params: Any) -> Reply:
        return self.post(orjson.dumps({"instId": inst_id, "mgnMode": mgn_mode, **params}))

    def get(self, path: str, **headers: str) -> Reply:
        raw_path = f"/api/v5/{path}"
        return self.send("GET", raw_path, signed(self.credentials, "GET", raw_path, b"", self.wall, **headers))

    def pos(self, query: str = "") -> dict[str, str]:
        """Return instId/mgnMode/posSide to pos, as account/positions tells."""
        self.advance(0.25)
        return {
            f"{row['instId']}/{row['mgnMode']}/{row['posSide']}": row["pos"]
            for row in self.get(f"account/positions{query}").data
        }


@pytest.fixture
def open_desk() -> Callable[..., Desk]:
    return Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()


class Wire:
    """Private requests over real sockets."""

    def __init__(self, session: aiohttp.ClientSession, wall: Callable[[], float]) -> None:
        self.session, self._wall = session, wall

    async def request(
        self, exchange: SimulatedExchange, method: str, raw_path: str, body: bytes = b"", **headers: str
    ) -> Reply:
        made = signed(exchange.credentials, method, raw_path, body, self._wall(), **headers)
        url = URL(exchange.base_url + raw_path, encoded=True)
        async with self.session.request(method, url, data=body or None, headers=made) as response:
            return Reply(response.status, await response.read())

    async def close(
        self, exchange: SimulatedExchange, inst_id: str = "BTC-USDT-SWAP", mgn_mode: str = "cross"
    ) -> Reply:
        return await self.request(exchange, "POST", CLOSE, orjson.dumps({"instId": inst_id, "mgnMode": mgn_mode}))


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Wire(session, lambda: datetime.now(UTC).timestamp())


START = 1000.0


class Recorder(asyncio.Protocol):
    """Writes down what happens, and when."""

    transport: MemoryTransport

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.seen: list[tuple[float, object]] = []

    def note(self, what: object) -> None:
        self.seen.append((round(self.loop.clock() - START, 6), what))

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.note("made")

    def data_received(self, data: bytes) -> None:
        self.note(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.note("lost" if exc is None else type(exc).__name__)

    def pause_writing(self) -> None:
        self.note("full")

    def resume_writing(self) -> None:
        self.note("room")

    @property
    def data(self) -> bytes:
        return b"".join(what for _, what in self.seen if isinstance(what, bytes))


class Line:
    """A connection that is open at both ends."""

    def __init__(self, loop: VirtualLoop, network: Network) -> None:
        self.loop, self.network = loop, network
        self.client, self.server = Recorder(loop), Recorder(loop)

    async def open(self, *, lingers: bool = True) -> None:
        await self.loop.create_server(lambda: self.server, "127.0.0.1", 80)
        sock = socket.socket()
        if not lingers:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await self.loop.sock_connect(sock, ("127.0.0.1", 80))
        await self.loop.create_connection(lambda: self.client, sock=sock)
        connected = self.loop.clock() - START  # a round trip
        self.wire: VirtualWire = self.network.wires[1]
        await asyncio.sleep(4 - connected)
        assert self.client.seen == [(round(connected, 6), "made")]
        assert [what for _, what in self.server.seen] == ["made"]
        self.client.seen.clear()
        self.server.seen.clear()


def _play(
    script: Callable[[Line], Awaitable[None]],
    *,
    lingers: bool = True,
    inward: Path = Path(1.0),  # noqa: B008 - frozen
    outward: Path = Path(2.0),  # noqa: B008 - frozen
) -> Line:
    """Run a script on an open line, and let it come to an end. It begins at 4 s."""
    network = Network(seed=7, inward=inward, outward=outward)

    async def main(loop: VirtualLoop) -> Line:
        line = Line(loop, network)
        await line.open(lingers=lingers)
        await script(line)
        await asyncio.sleep(100)
        return line

    return run(main, VirtualLoop(network))


@pytest.fixture
def play() -> Callable[..., Line]:
    return _play
