"""The cost of a request in virtual time, step by step: loop, aiohttp, client, exchange, invariants, random histories.

Eight closes a virtual second, `seconds` long, 10 to 30 ms each way: a timer alone; bare aiohttp to a server that
answers the same bytes each time; our client in its place; the simulated exchange in place of that server; then as many
closes as a history, of two clients that fill their windows, give up and flatten in the end, watched and judged by all
invariants; the same with mishaps. Then histories as they are drawn (`okx-async torture`), the first `seeds`: where
nothing goes wrong and no close is given up, as they are, and their cost where nothing happens at all.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from random import Random
from typing import TypeAlias

import aiohttp

import okx_async as okx
from benchmarks._table import Report
from benchmarks.clients import CLOSED, KEYS, PATH, headers
from okx_async.simulator import Clock, Network, Path, SimulatedExchange, VirtualLoop, run
from okx_async.simulator.http.connections import Connections, HttpConnection
from okx_async.simulator.http.messages import Request
from okx_async.torture import Plan, happen, plan_of
from okx_async.torture.mishaps import MISHAPS
from okx_async.torture.plan import AccountOptions, ExchangeOptions, Mishap, NetworkConditions, Part, Seat
from okx_async.torture.stage import Desk, Stage
from okx_async.torture.strategies import STRATEGIES

RATE = 8  # requests a virtual second
WAY = Path(0.01, 0.02)  # either way
DESKS, BURST, EVERY = 2, 40, 4  # clients, closes at once, seconds from mishap to mishap
GIVEN_UP = 0.05  # of all closes
PATIENT = {"steady", "crowd", "waves", "batch", "panic", "siege"}  # strategies that close, and await the outcome
LANES = (okx.Priority.NORMAL, okx.Priority.NORMAL, okx.Priority.PANIC)
INST, URL, WALL = "BTC-USDT-SWAP", "http://127.0.0.1:80", 1768519672.0
Act: TypeAlias = Callable[[], Awaitable[object]]


@asynccontextmanager
async def _timer(_loop: VirtualLoop) -> AsyncIterator[Act]:
    yield lambda: asyncio.sleep(0.02)


def _answer(door: HttpConnection, _request: Request) -> None:
    door.write(door.head(200, "application/json", len(CLOSED), {}) + CLOSED)
    door.answered()


@asynccontextmanager
async def _bare(loop: VirtualLoop) -> AsyncIterator[Act]:
    server = await loop.create_server(Connections(_answer), "127.0.0.1", 80)
    body = f'{{"instId":"{INST}","mgnMode":"cross"}}'
    signed, data = headers(body), body.encode()
    jar, never = aiohttp.DummyCookieJar(), aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(URL, cookie_jar=jar, timeout=never) as session:

        async def act() -> None:
            async with session.post(PATH, data=data, headers=signed) as response:
                await response.read()

        yield act
    server.close()


def _client(loop: VirtualLoop, keys: okx.Credentials, url: str, user_id: str, wall: Callable[[], float]) -> okx.Client:
    return okx.Client(keys, base_url=url, user_id=user_id, limiter=okx.Limiter(clock=loop.clock), wall_clock=wall)


@asynccontextmanager
async def _ours(loop: VirtualLoop) -> AsyncIterator[Act]:
    server = await loop.create_server(Connections(_answer), "127.0.0.1", 80)
    async with _client(loop, okx.Credentials(*KEYS), URL, "1", lambda: WALL + loop.clock()) as client:
        yield lambda: client.close_position(INST, "cross")
    server.close()


@asynccontextmanager
async def _whole(loop: VirtualLoop) -> AsyncIterator[Act]:
    wall = Clock(loop.clock, start=WALL)
    async with SimulatedExchange(clock=loop.clock, wall_clock=wall, fill=0) as exchange:
        exchange.open_position(INST, 1)
        async with _client(loop, exchange.credentials, exchange.base_url, exchange.user_id, wall) as client:
            yield lambda: client.close_position(INST, "cross")


def _stepped(step: Callable[[VirtualLoop], AbstractAsyncContextManager[Act]], seconds: int) -> float:
    """Return µs of CPU a request of one step."""

    async def main(loop: VirtualLoop) -> float:
        async with step(loop) as act:
            await act()
            begun, start = time.process_time(), loop.time()
            for number in range(seconds * RATE):
                await asyncio.sleep(max(0.0, start + number / RATE - loop.time()))
                await act()
            return (time.process_time() - begun) / (seconds * RATE) * 1e6

    gc.collect()
    gc.disable()  # as histories do
    try:
        return run(main, VirtualLoop(Network(inward=WAY, outward=WAY)))
    finally:
        gc.enable()


async def _bursts(stage: Stage, desk: Desk, rng: Random) -> None:
    """Close forty at once every ten seconds, on one instrument, in both lanes; give some of them up."""
    start = stage.loop.clock()
    inst_id = stage.inst_id(rng)
    for number in range(round(stage.plan.span * RATE / DESKS / BURST)):
        await asyncio.sleep(max(0.0, start + number * BURST * DESKS / RATE - stage.loop.clock()))
        async with asyncio.TaskGroup() as group:
            for _ in range(BURST):
                lane, max_wait = rng.choice(LANES), rng.choice((None, 4.0))
                task = group.create_task(stage.close(desk, stage.order(desk, rng, inst_id), lane, max_wait))
                if rng.random() < GIVEN_UP:
                    stage.loop.call_later(rng.uniform(0.0, 2.0), task.cancel)


STRATEGIES["bursts"] = 0, _bursts  # of weight 0, so in no random history


def _eight(seconds: int, *, mishaps: bool) -> Plan:
    """Return a history of RATE closes a second: two clients, full windows, at last a flatten, and perhaps mishaps."""
    rng = Random("eight a second")
    kinds = {kind: row[0] for kind, row in MISHAPS.items()}
    struck = enumerate(rng.choices(list(kinds), list(kinds.values()), k=seconds // EVERY) if mishaps else ())
    parts = (("bursts", 0, 0.0), ("bursts", 1, BURST / RATE), ("flatten", 0, float(seconds)))
    return Plan(
        seed=0,
        span=float(seconds),
        conditions=NetworkConditions(WAY, WAY),
        exchange=ExchangeOptions(),
        accounts=(AccountOptions(),),
        seats=(Seat(), Seat(knows_user_id=False)),
        parts=tuple(Part(*part, f"0 part {number}") for number, part in enumerate(parts)),
        mishaps=tuple(Mishap(kind, number * EVERY + rng.uniform(0.0, EVERY), f"0 {number}") for number, kind in struck),
        insts=2,
    )


def _judged(plan: Plan, title: str) -> tuple[float, int, float]:
    """Return seconds of CPU of a history, judging included, its requests, and its virtual seconds."""
    begun = time.process_time()
    history = happen(plan)
    took = time.process_time() - begun
    if history.broken:
        raise SystemExit(f"{title}, seed {plan.seed}: {history.broken[0]}")
    return took, history.requests, history.virtual_seconds


def _a_request(seconds: int, *, mishaps: bool) -> float:
    took, requests, _ = _judged(_eight(seconds, mishaps=mishaps), "eight a second")
    return took / requests * 1e6


def _calm(plan: Plan) -> Plan:
    """Return the same history where nothing goes wrong, and every strategy is a patient one."""
    return replace(
        plan,
        parts=tuple(part if part.kind in PATIENT else replace(part, kind="steady") for part in plan.parts),
        mishaps=(),
        conditions=NetworkConditions(Path(0.03, 0.02), Path(0.03, 0.02)),
        accounts=tuple(replace(account, foreign=False) for account in plan.accounts),
        seats=tuple(replace(s, timeout=5.0, connect_timeout=2.0, keepalive=15.0, skew=0.0) for s in plan.seats),
        floor=0.0,
    )


STEPS: dict[str, Callable[[int], float]] = {
    "a timer": partial(_stepped, _timer),
    "bare aiohttp, network and HTTP server": partial(_stepped, _bare),
    "our client in its place": partial(_stepped, _ours),
    "the exchange in place of that server": partial(_stepped, _whole),
    "a history of as many, full windows, all invariants on": partial(_a_request, mishaps=False),
    "the same with a mishap every four seconds": partial(_a_request, mishaps=True),
}
RANDOM, NOTHING = "random histories", "of that, histories in which nothing happens"
KINDS: dict[str, Callable[[Plan], Plan]] = {
    "histories in which nothing goes wrong": _calm,
    RANDOM: lambda plan: plan,
    NOTHING: lambda plan: replace(plan, parts=(), mishaps=()),
}


def virtual(rounds: int, seconds: int, seeds: int) -> Report:
    """Return µs of CPU a request, and how many times faster than the clock virtual time passes.

    Steps and histories take turns within one run; the least of all rounds counts, of each history too, since other
    work on the machine only ever adds.
    """
    steps: dict[str, list[float]] = {name: [] for name in STEPS}
    found: dict[str, list[list[tuple[float, int, float]]]] = {kind: [[] for _ in range(seeds)] for kind in KINDS}
    for _ in range(rounds):
        for name, step in STEPS.items():
            steps[name].append(step(seconds))
        for seed in range(seeds):
            for kind, made in KINDS.items():
                found[kind][seed].append(_judged(made(plan_of(seed)), kind))
    columns = ["", "µs of CPU a request", "requests a CPU second", "times real time"]
    report = Report("virtual", "Virtual time: the least of all rounds", columns, raw={"us": steps, "histories": found})
    for name, costs in steps.items():
        report.add(name, f"{min(costs):.0f}", f"{1e6 / min(costs):,.0f}", f"{1e6 / min(costs) / RATE:,.0f}")
    for kind, of in found.items():
        counted = found[RANDOM if kind == NOTHING else kind]  # of the random ones, nothing's share
        requests, passed = sum(runs[0][1] for runs in counted), sum(runs[0][2] for runs in counted)
        took = sum(min(runs)[0] for runs in of)
        report.add(kind, f"{took / requests * 1e6:.0f}", f"{requests / took:,.0f}", f"{passed / took:,.0f}")
        report.notes.append(f"{requests} requests in {passed:.0f} virtual seconds: {kind}.")
    return report
