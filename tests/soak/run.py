"""A load test of some minutes on real sockets, with faults of every kind at once: `make soak`.

Run: python tests/soak/run.py [--requests 100000] [--keys 400] [--seed 1]. Strategies close positions over many keys
while answers are late, lost, cut or refused, callers give up, and another program of the same user id bursts into some
of the keys. It fails if this client alone exceeds a window, if a token is lost, or if memory grows.
"""

import argparse
import asyncio
import logging
import random
import resource
import time
from collections import Counter, defaultdict, deque
from contextlib import suppress
from math import floor

import aiohttp

import okx_async as okx
from okx_async.simulator import SimulatedExchange
from okx_async.simulator.api.endpoints import CLOSE_PATH
from okx_async.simulator.api.signature import signature

FOREIGN = "?program=foreign"
"""Marks the requests of the other program in the journal; the exchange ignores it."""


class Judge:
    """Counts the arrivals of this client in each window of each key, from the exchange's journal as it grows.

    A window is closed at both ends and measured in milliseconds: the strictest reading of "20 in 2 s".
    """

    def __init__(self, exchange: SimulatedExchange) -> None:
        self._exchange = exchange
        self._seen = -1.0
        self._ours: dict[tuple[str, str], deque[int]] = defaultdict(lambda: deque(maxlen=20))
        self.arrivals = 0
        self.foreign = 0
        self.refused = 0
        self.broken: list[str] = []

    def look(self) -> None:
        """Judge the new rows."""
        for row in self._exchange.journal:
            if row.at <= self._seen or row.key is None or not row.path.startswith(CLOSE_PATH):
                continue
            if row.path.endswith(FOREIGN):
                self.foreign += 1
                continue
            self.arrivals += 1
            self.refused += row.code == "50011"
            ours, at = self._ours[row.key], floor(row.at * 1000)
            if len(ours) == 20 and at - ours[0] <= 2000:
                self.broken.append(f"{row.key}: 21 arrivals of ours within {at - ours[0]} ms")
            ours.append(at)
        self._seen = max((row.at for row in self._exchange.journal), default=self._seen)


class World:
    """One client, the strategies that use it, and the faults that meet them."""

    def __init__(self, exchange: SimulatedExchange, client: okx.Client, keys: int, seed: int) -> None:
        self.exchange, self.client = exchange, client
        self.random = random.Random(seed)
        self.inst_ids = [f"S{i}-USDT-SWAP" for i in range(keys)]
        self.outcomes: Counter[str] = Counter()
        self.over = False

    async def strategy(self) -> None:
        """Close one position after another, on any key."""
        rng = self.random
        while not self.over:
            # Half of the requests crowd on a tenth of the keys.
            crowd = self.inst_ids[: len(self.inst_ids) // 10] if rng.random() < 0.5 else self.inst_ids
            inst_id = rng.choice(crowd)
            self.exchange.open_position(inst_id, 1)
            self._trouble(inst_id)
            max_wait = rng.choice([None, None, 1.0, 0.0])
            priority = rng.choice([okx.Priority.NORMAL, okx.Priority.PANIC])
            give_up = rng.uniform(0.0, 0.3) if rng.random() < 0.05 else None
            try:
                async with asyncio.timeout(give_up):
                    await self.client.close_position(inst_id, "cross", priority=priority, max_wait=max_wait)
                self.outcomes["accepted"] += 1
            except TimeoutError:
                self.outcomes["given up"] += 1
            except okx.OkxError as error:
                self.outcomes[type(error).__name__] += 1

    def _trouble(self, inst_id: str) -> None:
        rng, exchange = self.random, self.exchange
        if rng.random() < 0.97:
            return
        executed = rng.random() < 0.5
        match rng.randrange(4):
            case 0:
                exchange.inject(inst_id=inst_id, delay=0.8, executed=executed, code="50004")
            case 1:
                exchange.inject(inst_id=inst_id, disconnect=True, executed=executed)
            case 2:
                exchange.inject(inst_id=inst_id, body="<html>", status=502, executed=executed)
            case _:
                exchange.inject(inst_id=inst_id, code="50026", executed=executed)


async def foreign(exchange: SimulatedExchange, inst_ids: list[str], rng: random.Random) -> None:
    """Send bursts as another program of the same user: with a key of its own, and no limiter."""
    credentials = exchange.add_key()
    async with aiohttp.ClientSession(exchange.base_url) as session:
        while True:
            inst_id = rng.choice(inst_ids)
            for _ in range(rng.randrange(5, 15)):
                body = f'{{"instId":"{inst_id}","mgnMode":"cross"}}'
                timestamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
                headers = {
                    "OK-ACCESS-KEY": credentials.api_key,
                    "OK-ACCESS-PASSPHRASE": credentials.passphrase,
                    "OK-ACCESS-TIMESTAMP": timestamp,
                    "OK-ACCESS-SIGN": signature(
                        credentials.secret_key, timestamp, "POST", CLOSE_PATH + FOREIGN, body.encode()
                    ),
                    "Content-Type": "application/json",
                }
                with suppress(aiohttp.ClientError):  # some of the faults meet it
                    async with session.post(CLOSE_PATH + FOREIGN, data=body, headers=headers) as response:
                        await response.read()
            await asyncio.sleep(rng.uniform(0.0, 0.5))


def at_rest(statistics: okx.Statistics) -> bool:
    """Whether every token is free. (After refusals the limiter may still use fewer of them.)"""
    return (statistics.free, statistics.in_flight, statistics.waiting) == (statistics.limit, 0, 0)


def resident() -> float:
    """Return the memory in use, in MiB."""
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - no path of ours
        return int(statm.read().split()[1]) * resource.getpagesize() / 2**20


async def soak(requests: int, keys: int, seed: int) -> bool:
    """Run until this many closes have arrived, and return whether all checks hold."""
    async with SimulatedExchange(latency=0.01, jitter=0.1, seed=seed, journal_cap=20_000) as exchange:
        limiter = okx.Limiter()
        client = okx.Client(exchange.credentials, base_url=exchange.base_url, limiter=limiter, timeout=0.5)
        judge = Judge(exchange)
        async with client:
            await client.warm_up(1)
            world = World(exchange, client, keys, seed)
            crowd = world.inst_ids[: max(1, keys // 100)]
            other = asyncio.ensure_future(foreign(exchange, crowd, random.Random(seed)))
            strategies = [asyncio.ensure_future(world.strategy()) for _ in range(2 * keys)]
            memory: list[float] = []
            begun = time.monotonic()
            while not all(task.done() for task in strategies):
                await asyncio.wait(strategies, timeout=1.0)
                judge.look()
                world.over = judge.arrivals >= requests
                if judge.arrivals > 0.3 * requests:  # when all pools and caches are full
                    memory.append(resident())
            for task in strategies:
                task.result()
            other.cancel()
            with suppress(asyncio.CancelledError):
                await other
            seconds = time.monotonic() - begun
            # The longest block, the seconds of a token in doubt, and the time until the limiter uses all tokens again.
            await asyncio.sleep(limiter.linger + 8.0)
            lost = [
                f"{inst_id}: {limiter.statistics(client.limiter_key(inst_id))}"
                for inst_id in world.inst_ids
                if not at_rest(limiter.statistics(client.limiter_key(inst_id)))
            ]
    await asyncio.sleep(0.1)  # for the last callbacks of closed connections
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    third = len(memory) // 3
    growth = min(memory[-third:]) - min(memory[:third])
    checks = {
        f"windows of ours above 20: {len(judge.broken)}": not judge.broken,
        f"tokens lost: {len(lost)} keys": not lost,
        f"tasks left behind: {len(tasks)}": not tasks,
        f"memory grew by {growth:.1f} MiB once pools and caches were full": growth < 8.0,
    }
    print(f"{judge.arrivals} closes counted, over {keys} keys in {seconds:.0f} s, seed {seed}: {dict(world.outcomes)}")
    print(f"the foreign program sent {judge.foreign}; of ours {judge.refused} were refused for rate because of it")
    for words, holds in checks.items():
        print(f"{'ok  ' if holds else 'FAIL'} {words}")
    for words in [*judge.broken, *lost][:10]:
        print("    ", words)
    return all(checks.values())


def main() -> None:
    """Parse the command line and run; exits with 1 if a check fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--keys", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    logging.getLogger("okx_async").setLevel(logging.ERROR)  # thousands of unknown outcomes are due
    raise SystemExit(not asyncio.run(soak(args.requests, args.keys, args.seed)))


if __name__ == "__main__":
    main()
