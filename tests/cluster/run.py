"""Many processes share one limit on the simulated exchange while they are killed and stopped at random.

Run: python -m tests.cluster.run [--processes N] [--seconds S] [--kills S] [--stops S] [--losses S].

The exchange counts, behind a network whose latency varies: no window may hold more than 20, nothing may be refused for
rate, and slots must go on being granted. With --losses the limits stand in a server, which is killed, stopped and
flushed. `make cluster` runs both for minutes, the tests for seconds.
"""

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
from collections.abc import Coroutine
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from okx_async.simulator import SimulatedExchange
from okx_async.stores._redis.reports import report_server
from tests.cluster.program import INST
from tests.stores.servers import Server

ROOT = Path(__file__).parents[2]
TASKS = 8
STOPPED = 20.0
"""Seconds for which a process is stopped: longer than its leases."""


@dataclass
class Outcome:
    worst: int
    refused: int
    arrived: int
    killed: int
    stopped: int
    lost: int = 0
    """How often the store was."""


class Cluster:
    def __init__(self, exchange: SimulatedExchange, store: str, rng: random.Random) -> None:
        self.exchange = exchange
        self.store = store
        self.rng = rng
        self.running: list[asyncio.subprocess.Process] = []
        self.started = 0
        self.killed = 0
        self.stopped = 0
        self.lost = 0

    async def start(self) -> None:
        """Start one more program."""
        keys = self.exchange.credentials
        environment = {
            **os.environ,
            "OKX_API_KEY": keys.api_key,
            "OKX_SECRET_KEY": keys.secret_key,
            "OKX_PASSPHRASE": keys.passphrase,
        }
        self.started += 1
        arguments = [self.exchange.base_url, self.exchange.user_id, self.store, str(TASKS), str(self.started)]
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "tests.cluster.program", *arguments],
            cwd=ROOT,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
        )
        self.running.append(process)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"

    async def kill(self, process: asyncio.subprocess.Process) -> None:
        self.running.remove(process)
        process.kill()
        await process.communicate()
        self.killed += 1

    async def kill_some(self, every: float) -> None:
        """Kill programs at random moments, whatever they are at, and start others."""
        while True:
            await asyncio.sleep(every * self.rng.uniform(0.5, 1.5))
            await self.kill(self.rng.choice(self.running))
            await self.start()

    async def stop_some(self, every: float) -> None:
        """Stop programs for longer than their leases, and let them go on."""
        while True:
            await asyncio.sleep(every * self.rng.uniform(0.5, 1.5))
            process = self.rng.choice(self.running)
            process.send_signal(signal.SIGSTOP)
            self.stopped += 1
            await asyncio.sleep(STOPPED)
            if process in self.running:
                process.send_signal(signal.SIGCONT)

    async def lose_some(self, server: Server, every: float) -> None:
        """Let the store's server die, forget or fall silent."""
        while True:
            await asyncio.sleep(every * self.rng.uniform(0.5, 1.5))
            self.lost += 1
            match self.rng.choice(["kill", "flush", "script", "stop"]):
                case "kill":
                    server.kill()
                    await asyncio.sleep(self.rng.random())
                    server.start()
                case "flush":
                    server.said("FLUSHALL")
                case "script":
                    server.said("SCRIPT", "FLUSH")
                case _:
                    assert server.process is not None
                    server.process.send_signal(signal.SIGSTOP)
                    await asyncio.sleep(self.rng.uniform(0.5, 20.0))
                    server.process.send_signal(signal.SIGCONT)


async def play(
    *, processes: int, seconds: float, kills: float, stops: float = 0.0, losses: float = 0.0, seed: int = 1
) -> Outcome:
    """Let the programs run, and return what the exchange counted."""
    with ExitStack() as stack:
        store, server = f"sqlite://{stack.enter_context(tempfile.TemporaryDirectory())}/limits.sqlite3", None
        if losses:
            server = Server()
            stack.callback(server.close)
            store = server.url
            report_server(store, vouch=True)
        async with SimulatedExchange(latency=0.01, jitter=0.2, seed=seed) as exchange:
            cluster = Cluster(exchange, store, random.Random(seed))
            try:
                await asyncio.gather(*(cluster.start() for _ in range(processes)))
                mishaps = [cluster.kill_some(kills)] if kills else []
                mishaps += [cluster.stop_some(stops)] if stops else []
                mishaps += [cluster.lose_some(server, losses)] if server is not None else []
                await _for_a_while(mishaps, seconds)
            finally:
                for process in list(cluster.running):
                    await cluster.kill(process)
            rows = [row for row in exchange.journal if row.key == (exchange.user_id, INST)]
            return Outcome(
                exchange.worst_window((exchange.user_id, INST)),
                sum(row.code == "50011" for row in exchange.journal),
                len(rows),
                cluster.killed - processes,
                cluster.stopped,
                cluster.lost,
            )


async def _for_a_while(mishaps: list[Coroutine[Any, Any, None]], seconds: float) -> None:
    """Let the mishaps happen, and fail if one of them does."""
    loop = asyncio.get_running_loop()
    tasks = [asyncio.create_task(mishap) for mishap in mishaps]
    begun = loop.time()
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    ended = loop.time()
    for task in tasks:
        task.cancel()
    for ending in await asyncio.gather(*tasks, return_exceptions=True):
        if ending is None or not isinstance(ending, asyncio.CancelledError):
            raise RuntimeError(f"{ending!r} after {ended - begun:.1f} s")


def verdict(outcome: Outcome, seconds: float) -> list[str]:
    """Return what is wrong."""
    wrong = []
    if outcome.worst > 20:
        wrong.append(f"{outcome.worst} requests in 2 s")
    if outcome.refused:
        wrong.append(f"{outcome.refused} refused for rate")
    if outcome.arrived < seconds:  # a tenth of what one process sends that nobody kills
        wrong.append(f"only {outcome.arrived} arrived in {seconds:g} s")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (
        ("processes", 8),
        ("seconds", 120.0),
        ("kills", 2.0),
        ("stops", 10.0),
        ("losses", 0.0),
        ("seed", 1),
    ):
        parser.add_argument(f"--{name}", type=type(default), default=default)
    args = parser.parse_args()
    outcome = asyncio.run(play(**vars(args)))
    print(outcome)
    wrong = verdict(outcome, args.seconds)
    print("; ".join(wrong) or "the limit was kept")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
