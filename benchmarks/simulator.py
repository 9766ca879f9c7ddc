"""What the simulated exchange costs: requests a second and core, beside a bare aiohttp.web handler.

Run: python -m benchmarks.simulator [--rounds N] [--requests N] [--json FILE]

Each server in a process of its own; a raw client (bytes made in advance, 32 keep-alive connections, each sending when
its answer is there) in this one. Counted is the servers' CPU time, so what else the machine does matters less. Rounds
take turns within one run.

* the exchange: every request is a close of another position, signed, counted, executed, in the journal;
* the bare handler reads the same bytes and answers with as many bytes, and does nothing else;
* the client's share: the same closes by ``okx.Client`` in this process, and how the CPU time is shared between the two.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import hmac
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection

from aiohttp import web

import okx_async as okx
from benchmarks._table import Report, arguments, spread
from okx_async.simulator import SimulatedExchange

PATH = "/api/v5/trade/close-position"
CONNECTIONS = 32
JOURNAL = 10_000  # rows, fewer than a run's requests: what a bounded journal costs is in the figure


@dataclass(frozen=True, slots=True)
class Server:
    """One of the two, in its process."""

    port: int
    credentials: okx.Credentials
    user_id: str
    pipe: Connection

    def ready(self, positions: int) -> float:
        """Let it prepare for a round, and return its CPU time so far."""
        return self._ask(positions)

    def spent(self) -> float:
        """Return its CPU time so far."""
        return self._ask(0)

    def _ask(self, positions: int) -> float:
        self.pipe.send(positions)
        told: float = self.pipe.recv()
        return told


def inst_id(number: int) -> str:
    """Return the instrument of the n-th close of a round."""
    return f"S{number}-USDT-SWAP"


async def exchange(pipe: Connection) -> None:
    """Serve the simulated exchange."""
    async with SimulatedExchange(journal_cap=JOURNAL) as simulated:
        keys = simulated.credentials
        port = int(simulated.base_url.rpartition(":")[2])
        pipe.send((port, (keys.api_key, keys.secret_key, keys.passphrase), simulated.user_id))
        while (positions := await asyncio.to_thread(pipe.recv)) is not None:
            if positions:
                for number in range(positions):
                    simulated.open_position(inst_id(number), 1)
                gc.collect()
            pipe.send(time.process_time())


async def bare(pipe: Connection) -> None:
    """Serve a handler that does nothing."""
    body = b'{"code":"0","data":[{"clOrdId":"","instId":"S1000-USDT-SWAP","posSide":"net","tag":""}],"msg":""}'

    async def handler(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_post(PATH, handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    pipe.send((runner.addresses[0][1], ("key", "secret", "passphrase"), "1"))
    while (positions := await asyncio.to_thread(pipe.recv)) is not None:
        if positions:
            gc.collect()
        pipe.send(time.process_time())
    await runner.cleanup()


def _serve(name: str, pipe: Connection) -> None:
    asyncio.run(exchange(pipe) if name == "exchange" else bare(pipe))


@contextmanager
def server(name: str) -> Iterator[Server]:
    """Run a server in a process of its own."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(name, theirs), daemon=True)
    process.start()
    try:
        port, keys, user_id = ours.recv()
        yield Server(port, okx.Credentials(*keys), user_id, ours)
    finally:
        ours.send(None)
        process.join(5)
        process.kill()


def requests(credentials: okx.Credentials, count: int) -> list[bytes]:
    """Return signed closes, one for each instrument."""
    text = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    made = []
    for number in range(count):
        body = b'{"instId":"%s","mgnMode":"cross"}' % inst_id(number).encode()
        mac = hmac.digest(credentials.secret_key.encode(), f"{text}POST{PATH}".encode() + body, "sha256")
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nOK-ACCESS-KEY: {credentials.api_key}\r\n"
            f"OK-ACCESS-SIGN: {base64.b64encode(mac).decode()}\r\nOK-ACCESS-TIMESTAMP: {text}\r\n"
            f"OK-ACCESS-PASSPHRASE: {credentials.passphrase}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


@dataclass(slots=True)
class Crowd:
    """What the connections share: the requests still to be sent, and what came back."""

    waiting: list[bytes]
    done: asyncio.Future[None]
    accepted: int = 0
    open: int = CONNECTIONS


@dataclass(slots=True)
class Line(asyncio.Protocol):
    """One connection: the next request goes out when the answer to the last is there."""

    crowd: Crowd
    transport: asyncio.Transport | None = None
    buffer: bytearray = field(default_factory=bytearray)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - by loop.create_connection
        self.transport = transport
        self.next()

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer."""
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]):
            return
        self.crowd.accepted += b'"code":"0"' in body
        self.buffer.clear()
        self.next()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Count the connection out; the last one ends the round, whatever is left to send."""
        self.crowd.open -= 1
        if not self.crowd.open and not self.crowd.done.done():
            self.crowd.done.set_result(None)

    def next(self) -> None:
        """Send the next request, or end."""
        assert self.transport is not None  # noqa: S101 - called when it is
        if self.crowd.waiting:
            self.transport.write(self.crowd.waiting.pop())
        else:
            self.transport.close()


async def crowd(server: Server, count: int) -> tuple[float, float]:
    """Send so many requests; return the server's CPU seconds for each, and the time that each took."""
    before = server.ready(count)
    loop = asyncio.get_running_loop()
    all_of_them = Crowd(requests(server.credentials, count), loop.create_future())
    began = time.perf_counter()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: Line(all_of_them), "127.0.0.1", server.port)
    await all_of_them.done
    took = time.perf_counter() - began
    if all_of_them.accepted != count:
        raise RuntimeError(f"{all_of_them.accepted} of {count} requests were accepted")
    return (server.spent() - before) / count, took / count


async def clients(server: Server, count: int) -> tuple[float, float]:
    """Let okx.Client close as many; return the CPU seconds of a close here and at the exchange."""
    legs = [okx.ClosePosition(inst_id(number), "cross") for number in range(count)]
    async with okx.Client(
        server.credentials,
        base_url=f"http://127.0.0.1:{server.port}",
        user_id=server.user_id,
        limiter=okx.Limiter(),
        max_connections=CONNECTIONS,
    ) as client:
        await client.warm_up(CONNECTIONS)
        before, ours = server.ready(count), time.process_time()
        results = await client.close_positions(legs)
        ours = time.process_time() - ours
        theirs = server.spent() - before
    if not all(result.ok for result in results):
        raise RuntimeError("not every close was accepted")
    return ours / count, theirs / count


def main() -> None:
    """Run both in turns and print the table."""
    parser = arguments(__doc__, rounds=9, requests=2000)
    args = parser.parse_args()
    raw: dict[str, list[float]] = {"exchange": [], "bare": [], "client": [], "exchange of the client": []}
    took = []
    with server("exchange") as simulated, server("bare") as nothing:
        asyncio.run(crowd(simulated, args.requests))  # the first round warms what it calls
        asyncio.run(crowd(nothing, args.requests))
        for _ in range(args.rounds):
            cpu, wall = asyncio.run(crowd(simulated, args.requests))
            raw["exchange"].append(cpu)
            took.append(wall)
            raw["bare"].append(asyncio.run(crowd(nothing, args.requests))[0])
            here, there = asyncio.run(clients(simulated, args.requests))
            raw["client"].append(here)
            raw["exchange of the client"].append(there)
    ratios = [other / one for one, other in zip(raw["exchange"], raw["bare"], strict=True)]
    shares = [there / (here + there) for here, there in zip(raw["client"], raw["exchange of the client"], strict=True)]
    report = Report(
        "The simulated exchange",
        ["", "requests a second and core", "µs of CPU a request", "of the bare handler's rate"],
        [],
    )
    for name, title in (("exchange", "simulated exchange, a close accepted and filled"), ("bare", "bare aiohttp.web")):
        report.add(
            title,
            spread(1 / cpu for cpu in raw[name]),
            spread((cpu * 1e6 for cpu in raw[name]), 1),
            spread(ratios, 2) if name == "exchange" else "1",
        )
    rate, share = spread(1 / wall for wall in took), spread(100 * share for share in shares)
    report.notes += [
        f"okx_async {okx.__version__}. One process reached {rate} a second, the raw client beside it.",
        f"Of the CPU time of closes by okx.Client, {share} % is the exchange's.",
    ]
    report.raw = {"cpu_seconds": raw, "ratios": ratios, "shares": shares, "seconds": took}
    report.publish(args.json)


if __name__ == "__main__":
    main()
