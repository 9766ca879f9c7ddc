"""The cost of the simulated exchange: over HTTP beside a bare aiohttp.web handler, and in virtual time step by step.

Run: python -m benchmarks.simulator [--rounds N] [--requests N] [--folder DIR]
     python -m benchmarks.simulator --tables virtual [--rounds N] [--seconds N] [--seeds N] (see _virtual.py)

Over HTTP, each server has a process of its own; a raw client (bytes made in advance, 32 keep-alive connections, each
sending when its answer is there) is in this one. Counted is the servers' CPU time, so other work on the machine matters
less. Every request to the exchange is a close of another position, signed, counted, executed, in the journal; the bare
handler reads and answers as many bytes, and does nothing else. For the client's share, ``okx.Client`` sends the closes.
"""

import asyncio
import gc
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection

from aiohttp import web

import okx_async as okx
from benchmarks._processes import serving
from benchmarks._table import Report, arguments, ratios, spread
from benchmarks._virtual import virtual
from benchmarks.clients import CLOSED, KEYS, PATH, headers
from benchmarks.clients.protocol import Line
from okx_async.simulator import SimulatedExchange

CONNECTIONS = 32
JOURNAL = 10_000  # rows, fewer than a run's requests: the cost of a bounded journal is in the figure
IDS = [f"S{number}-USDT-SWAP" for number in range(10_000)]
TITLES = {"exchange": "simulated exchange, a close accepted and filled", "bare": "bare aiohttp.web"}


async def answer(pipe: Connection, open_position: Callable[[str, int], object] | None = None) -> None:
    """Send the CPU time so far whenever a number of positions is asked for, which are opened before that."""
    while (positions := await asyncio.to_thread(pipe.recv)) is not None:
        if positions:
            if open_position:
                for inst_id in IDS[:positions]:
                    open_position(inst_id, 1)
            gc.collect()
        pipe.send(time.process_time())


async def exchange(pipe: Connection) -> None:
    """Serve the simulated exchange."""
    async with SimulatedExchange(journal_cap=JOURNAL) as simulated:
        keys = simulated.credentials
        pipe.send((simulated.base_url, (keys.api_key, keys.secret_key, keys.passphrase), simulated.user_id))
        await answer(pipe, simulated.open_position)


async def bare(pipe: Connection) -> None:
    """Serve a handler that does nothing."""

    async def handler(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=CLOSED, content_type="application/json")

    app = web.Application()
    app.router.add_post(PATH, handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    pipe.send((f"http://127.0.0.1:{runner.addresses[0][1]}", KEYS, "1"))
    await answer(pipe)
    await runner.cleanup()


class Server:
    """One of the two, seen from here."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.url, self.keys, self.user_id = pipe.recv()

    def cpu(self, positions: int = 0) -> float:
        """Let it prepare so many positions for a round, and return its CPU time so far."""
        self._pipe.send(positions)
        told: float = self._pipe.recv()
        return told


def request(inst_id: str, keys: Sequence[str]) -> bytes:
    """Return the bytes of a signed close."""
    body = f'{{"instId":"{inst_id}","mgnMode":"cross"}}'
    signed = {"Host": "127.0.0.1", **headers(body, keys), "Content-Length": len(body)}
    head = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
    return f"POST {PATH} HTTP/1.1\r\n{head}\r\n{body}".encode()


async def crowd(server: Server, count: int) -> tuple[float, float]:
    """Send so many requests; return the server's CPU seconds for each, and the time that each took."""
    before, loop = server.cpu(count), asyncio.get_running_loop()
    waiting = [request(inst_id, server.keys) for inst_id in IDS[:count]]
    host, port = server.url.removeprefix("http://").split(":")
    accepted = 0

    async def connection() -> None:
        nonlocal accepted
        _, line = await loop.create_connection(Line, host, int(port))
        while waiting:
            told = await line.ask(waiting.pop())
            accepted += b'"code":"0"' in told
        line.transport.close()

    began = time.perf_counter()
    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    took = time.perf_counter() - began
    if accepted != count:
        raise RuntimeError(f"{accepted} of {count} requests were accepted")
    return (server.cpu() - before) / count, took / count


async def clients(server: Server, count: int) -> tuple[float, float]:
    """Let okx.Client close as many; return the CPU seconds of a close here and at the exchange."""
    async with okx.Client(
        okx.Credentials(*server.keys),
        base_url=server.url,
        user_id=server.user_id,
        limiter=okx.Limiter(),
        max_connections=CONNECTIONS,
    ) as client:
        await client.warm_up(CONNECTIONS)
        before, ours = server.cpu(count), time.process_time()
        results = await client.close_positions([okx.ClosePosition(inst_id, "cross") for inst_id in IDS[:count]])
        ours = time.process_time() - ours
        theirs = server.cpu() - before
    if not all(result.ok for result in results):
        raise RuntimeError("not every close was accepted")
    return ours / count, theirs / count


def http(rounds: int, requests: int) -> Report:
    """Run both servers in turns and return the table."""
    found: dict[str, list[tuple[float, float]]] = {"exchange": [], "bare": [], "client": []}
    with serving(exchange) as one, serving(bare) as other:
        simulated, nothing = Server(one), Server(other)
        for _ in range(rounds + 1):
            found["exchange"].append(asyncio.run(crowd(simulated, requests)))
            found["bare"].append(asyncio.run(crowd(nothing, requests)))
            found["client"].append(asyncio.run(clients(simulated, requests)))
    found = {name: figures[1:] for name, figures in found.items()}  # the first round warms up
    cpu = {name: [figure for figure, _ in found[name]] for name in TITLES}
    columns = ["", "requests a second and core", "µs of CPU a request", "of the bare handler's rate"]
    report = Report("simulator", "The simulated exchange", columns)
    for name, title in TITLES.items():
        rate, cost = spread(1 / s for s in cpu[name]), spread((s * 1e6 for s in cpu[name]), 1)
        report.add(title, rate, cost, spread(ratios(cpu["bare"], cpu["exchange"]), 2) if name == "exchange" else "1")
    rate = spread(1 / took for _, took in found["exchange"])
    shares = [there / (here + there) for here, there in found["client"]]
    report.notes += [
        f"okx_async {okx.__version__}. One process reached {rate} a second, the raw client beside it.",
        f"Of the CPU time of closes by okx.Client, {spread(100 * share for share in shares)} % is the exchange's.",
    ]
    report.raw = found
    return report


def main() -> None:
    """Make the tables that are asked for."""
    parser = arguments(__doc__, ["http", "virtual"], rounds=0, requests=2000, seconds=100, seeds=40)
    parser.set_defaults(tables=["http"])
    args = parser.parse_args()
    if "http" in args.tables:
        http(args.rounds or 9, args.requests).publish(args.folder)
    if "virtual" in args.tables:
        virtual(args.rounds or 5, args.seconds, args.seeds).publish(args.folder)


if __name__ == "__main__":
    main()
