"""Programs that stand in an exit's way: strategies that read positions in a loop, and a hog on the key of a close.

The hog is another program of the same user with no limiter. It asks for 20 to 30 closes in 2 s, each a request of its
own over its own network, which the exchange counts or refuses in its turn.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Self

import aiohttp

import okx_async as okx
from okx_async.simulator import Clock, Network, Path, SimulatedExchange, VirtualLoop, run
from okx_async.simulator.api.signature import signature

CLOSE_PATH = "/api/v5/trade/close-position"
EPOCH = 1_768_519_672.0
PACES = ("even", "random", "workers")
"""How a hog asks: evenly, at random, or by workers that rest for 2 s after each answer."""


@dataclass(frozen=True, slots=True)
class Scene:
    """An exchange in virtual time, and the clocks of a client's machine."""

    loop: VirtualLoop
    exchange: SimulatedExchange
    wall_clock: Clock
    rng: Random

    def client(self, limiter: okx.Limiter | None = None) -> okx.Client:
        """Return a client that knows its user id."""
        return okx.Client(
            self.exchange.credentials,
            user_id=self.exchange.user_id,
            base_url=self.exchange.base_url,
            limiter=limiter or okx.Limiter(clock=self.loop.clock),
            wall_clock=self.wall_clock,
        )


def stage(
    story: Callable[[Scene], Awaitable[tuple[float, ...]]], seed: int, *, delay: float = 0.02, jitter: float = 0.0
) -> tuple[float, ...]:
    """Run a story on a network of `delay` to `delay` + `jitter` seconds each way; refused requests do not count."""
    way = Path(delay, jitter)

    async def main(loop: VirtualLoop) -> tuple[float, ...]:
        wall_clock = Clock(loop.clock, start=EPOCH)
        exchange = SimulatedExchange(seed=seed, clock=loop.clock, wall_clock=wall_clock, count_rejected=False)
        async with exchange:
            return await story(Scene(loop, exchange, wall_clock, Random(f"{seed} rivals")))

    before = random.getstate()
    random.seed(seed)  # the client draws its pauses from the module's generator
    try:
        return run(main, VirtualLoop(Network(seed=seed, inward=way, outward=way)))
    finally:
        random.setstate(before)


class Rivals:
    """Tasks that go on until the block is left."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def poll(self, client: okx.Client, count: int = 3) -> None:
        """Read positions in `count` tight loops."""
        self._tasks += [asyncio.ensure_future(_poll(client)) for _ in range(count)]

    def hog(self, scene: Scene, inst_id: str) -> None:
        """Ask for closes of one instrument, more than its limit allows."""
        self._tasks.append(asyncio.ensure_future(_hog(scene, inst_id)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _poll(client: okx.Client) -> None:
    while True:
        await client.positions()


async def _hog(scene: Scene, inst_id: str) -> None:
    pace, rate = scene.rng.choice(PACES), scene.rng.choice((20, 22, 25, 30))
    key = scene.exchange.credentials

    async def ask(session: aiohttp.ClientSession) -> None:
        # The other margin mode: counted under the same limit, and there is nothing to close.
        body = f'{{"instId":"{inst_id}","mgnMode":"isolated"}}'.encode()
        moment = datetime.fromtimestamp(scene.wall_clock(), UTC)
        timestamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        headers = {
            "OK-ACCESS-KEY": key.api_key,
            "OK-ACCESS-PASSPHRASE": key.passphrase,
            "OK-ACCESS-TIMESTAMP": timestamp,
            "OK-ACCESS-SIGN": signature(key.secret_key, timestamp, "POST", CLOSE_PATH, body),
            "Content-Type": "application/json",
        }
        with suppress(aiohttp.ClientError):
            async with session.post(CLOSE_PATH, data=body, headers=headers) as response:
                await response.read()

    async def work(session: aiohttp.ClientSession) -> None:
        await asyncio.sleep(scene.rng.uniform(0.0, 2.0))
        while True:
            await ask(session)
            await asyncio.sleep(2.0)

    async with aiohttp.ClientSession(scene.exchange.base_url) as session, asyncio.TaskGroup() as group:
        if pace == "workers":
            for _ in range(rate):
                group.create_task(work(session))
            return
        begun, count = scene.loop.clock(), 0
        while True:
            group.create_task(ask(session))
            count += 1
            gap = scene.rng.expovariate(rate / 2.0) if pace == "random" else 0.0
            await asyncio.sleep(gap or max(0.0, begun + 2.0 * count / rate - scene.loop.clock()))


async def flat_beside_a_hog(scene: Scene) -> tuple[float, ...]:
    """Flatten one position on the key of a hog; return the seconds to proven flat (30 at most, else inf), and sends."""
    inst_id = "BTC-USDT-SWAP"
    scene.exchange.open_position(inst_id, 3)
    async with scene.client() as client, Rivals() as rivals:
        rivals.hog(scene, inst_id)
        await asyncio.sleep(4.0 + scene.rng.random())
        report = await client.flatten(deadline=30.0)
        return report.seconds if report.flat else float("inf"), float(len(report.rows[0].attempts))
