"""What a request costs in virtual time, step by step: loop, aiohttp, client, exchange, invariants, random histories.

Run: python -m benchmarks.virtual [--rounds N] [--seconds N] [--seeds N] [--json FILE]

Eight closes a virtual second, `--seconds` long, 10 to 30 ms each way: a timer alone; bare aiohttp to a server that
answers the same bytes each time; our client in its place; the simulated exchange in place of that server; then as many
closes as a history, of two clients that fill their windows, give up and flatten in the end, watched and judged by all
invariants; the same with mishaps. Then histories as they are drawn (`okx-async torture`), the first `--seeds`: where
nothing goes wrong and nobody gives up, as they are, and what they cost where nothing happens at all.

µs of CPU a request, and how many times faster than the clock virtual time passes; of histories, over all of them. Steps
and histories take turns within one run; the least of all rounds counts, of each history too, since other work on the
machine only ever adds.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import aiohttp
from yarl import URL

import okx_async as okx
from benchmarks._table import Report, arguments
from benchmarks._worlds import RATE, WAY, calm, eight
from okx_async.simulator import Clock, Network, SimulatedExchange, VirtualLoop, run
from okx_async.simulator.http.connections import Connections, HttpConnection
from okx_async.simulator.http.messages import Request
from okx_async.torture import Plan, happen, plan_of

INST = "BTC-USDT-SWAP"
BODY = b'{"code":"0","data":[{"clOrdId":"","instId":"BTC-USDT-SWAP","posSide":"net","tag":""}],"msg":""}'
WALL = 1768519672.0
KEYS = okx.Credentials("8d66e4d3-25a1-4a0f-8e12-3f0d0ad7c2b6", "9F3C51E0B7A24D6888E1C0FFEE0DDBA1", "Fjord-4711!")
SIGNED = {
    "OK-ACCESS-KEY": KEYS.api_key,
    "OK-ACCESS-SIGN": "a" * 43 + "=",
    "OK-ACCESS-TIMESTAMP": "2026-01-15T23:27:52Z",
}


def _answer(connection: HttpConnection, _request: Request) -> None:
    connection.write(connection.head(200, "application/json", len(BODY), {}) + BODY)
    connection.answered()


async def timed(seconds: int, act: Callable[[], Awaitable[object]]) -> float:
    """Return µs of CPU that `act` takes, eight times a virtual second."""
    loop = asyncio.get_running_loop()
    await act()
    begun, start = time.process_time(), loop.time()
    for number in range(seconds * RATE):
        await asyncio.sleep(max(0.0, start + number / RATE - loop.time()))
        await act()
    return (time.process_time() - begun) / (seconds * RATE) * 1e6


async def timer(_loop: VirtualLoop, seconds: int) -> float:
    """Wait."""
    return await timed(seconds, lambda: asyncio.sleep(0.02))


async def bare(loop: VirtualLoop, seconds: int) -> float:
    """Send by aiohttp alone."""
    server = await loop.create_server(Connections(_answer), "127.0.0.1", 80)
    url = URL("http://127.0.0.1/api/v5/trade/close-position")
    headers = {"Content-Type": "application/json", **SIGNED}
    body = f'{{"instId":"{INST}","mgnMode":"cross"}}'.encode()
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(cookie_jar=jar, timeout=aiohttp.ClientTimeout(total=None)) as session:

        async def act() -> None:
            async with session.post(url, data=body, headers=headers) as response:
                await response.read()

        took = await timed(seconds, act)
    server.close()
    return took


async def ours(loop: VirtualLoop, seconds: int) -> float:
    """Send by our client, to a server that answers the same each time."""
    server = await loop.create_server(Connections(_answer), "127.0.0.1", 80)
    took = await _close(loop, seconds, KEYS, "http://127.0.0.1:80", "1", wall=lambda: WALL + loop.clock())
    server.close()
    return took


async def whole(loop: VirtualLoop, seconds: int) -> float:
    """Send by our client, to the exchange."""
    wall = Clock(loop.clock, start=WALL)
    async with SimulatedExchange(clock=loop.clock, wall_clock=wall, fill=0) as exchange:
        exchange.open_position(INST, 1)
        return await _close(loop, seconds, exchange.credentials, exchange.base_url, exchange.user_id, wall=wall)


async def _close(
    loop: VirtualLoop, seconds: int, keys: okx.Credentials, url: str, user_id: str, *, wall: Callable[[], float]
) -> float:
    limiter = okx.Limiter(clock=loop.clock)
    async with okx.Client(keys, base_url=url, user_id=user_id, limiter=limiter, wall_clock=wall) as client:
        return await timed(seconds, lambda: client.close_position(INST, "cross"))


KINDS: dict[str, Callable[[Plan], Plan]] = {
    "histories in which nothing goes wrong": calm,
    "random histories": lambda plan: plan,
    "of that, histories in which nothing happens": lambda plan: replace(plan, parts=(), mishaps=()),
}


def step(act: Callable[[VirtualLoop, int], Awaitable[float]], seconds: int) -> float:
    """Return µs of CPU a request of one step."""

    async def main(loop: VirtualLoop) -> float:
        return await act(loop, seconds)

    gc.collect()
    gc.disable()  # as histories do
    try:
        return run(main, VirtualLoop(Network(inward=WAY, outward=WAY)))
    finally:
        gc.enable()


def judged(seconds: int, *, mishaps: bool) -> float:
    """Return µs of CPU a request of a history of as many requests, judging included."""
    plan = eight(seconds, mishaps=mishaps)
    begun = time.process_time()
    history = happen(plan)
    took = time.process_time() - begun
    if history.broken:
        raise SystemExit(f"eight a second: {history.broken[0]}")
    return took / history.requests * 1e6


STEPS: dict[str, Callable[[int], float]] = {
    "a timer": partial(step, timer),
    "bare aiohttp, network and HTTP server": partial(step, bare),
    "our client in its place": partial(step, ours),
    "the exchange in place of that server": partial(step, whole),
    "a history of as many, full windows, all invariants on": partial(judged, mishaps=False),
    "the same with a mishap every four seconds": partial(judged, mishaps=True),
}


def main() -> None:
    """Measure and print the table."""
    args = arguments(__doc__, rounds=5, seconds=100, seeds=40).parse_args()
    steps = dict.fromkeys(STEPS, float("inf"))
    plans = [plan_of(seed) for seed in range(args.seeds)]
    least: dict[str, dict[int, float]] = {kind: {} for kind in KINDS}
    requests, virtual = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0.0)
    for number in range(args.rounds):
        for name, act in STEPS.items():
            steps[name] = min(steps[name], act(args.seconds))
        for plan in plans:
            for kind, made in KINDS.items():
                one = made(plan)
                begun = time.process_time()
                history = happen(one)
                took = time.process_time() - begun
                least[kind][plan.seed] = min(took, least[kind].get(plan.seed, took))
                if history.broken:
                    raise SystemExit(f"{kind}, seed {plan.seed}: {history.broken[0]}")
                if not number:
                    requests[kind] += history.requests
                    virtual[kind] += history.virtual_seconds
    nothing = list(KINDS)[-1]
    requests[nothing], virtual[nothing] = (
        requests["random histories"],
        virtual["random histories"],
    )  # its share of those
    report = Report(
        "Virtual time: the least of all rounds",
        ["", "µs of CPU a request", "requests a CPU second", "times real time"],
        [],
    )
    for name, cost in steps.items():
        report.add(name, f"{cost:.0f}", f"{1e6 / cost:,.0f}", f"{1e6 / cost / RATE:,.0f}")
    for kind, costs in least.items():
        cost, faster = sum(costs.values()) / requests[kind] * 1e6, virtual[kind] / sum(costs.values())
        report.add(kind, f"{cost:.0f}", f"{1e6 / cost:,.0f}", f"{faster:,.0f}")
    report.notes += [f"{requests[kind]} requests in {virtual[kind]:.0f} virtual seconds: {kind}." for kind in KINDS]
    report.raw = {"us": steps, "histories": least, "requests": requests, "virtual": virtual}
    report.publish(args.json)


if __name__ == "__main__":
    main()
