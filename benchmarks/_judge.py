"""The simulated exchange in a process of its own, behind a network, and what it counted.

It shares nothing with the client but a socket and a pipe: over the pipe it tells where it listens and with which
keys, and at the end what arrived when.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

from benchmarks._network import PROFILES, serve
from okx_async.simulator import SimulatedExchange

__all__ = ["Access", "Counted", "judge"]


@dataclass(frozen=True, slots=True)
class Access:
    """One account, and where it can be used."""

    base_url: str
    user_id: str
    api_key: str
    secret_key: str
    passphrase: str


@dataclass(frozen=True, slots=True)
class Counted:
    """What the exchange saw of one account: the times of all arrivals, and how many it refused."""

    arrivals: tuple[float, ...]
    worst: int
    refused: int


@contextmanager
def judge(profile: str, seed: int, accounts: int) -> Iterator[tuple[list[Access], Callable[[], dict[str, Counted]]]]:
    """Run an exchange with so many accounts; yield them and a function that asks for the count, once."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_run, args=(theirs, profile, seed, accounts), daemon=True)
    process.start()

    def count() -> dict[str, Counted]:
        ours.send("count")
        counted: dict[str, Counted] = ours.recv()
        return counted

    try:
        yield ours.recv(), count
    finally:
        ours.close()
        process.join(5)
        process.kill()


def _run(pipe: Connection, profile: str, seed: int, accounts: int) -> None:
    asyncio.run(_judge(pipe, profile, seed, accounts))


async def _judge(pipe: Connection, profile: str, seed: int, accounts: int) -> None:
    async with SimulatedExchange(seed=seed) as exchange:
        port = int(exchange.base_url.rpartition(":")[2])
        wire = await serve(PROFILES[profile], seed, port)
        base_url = f"http://127.0.0.1:{wire.sockets[0].getsockname()[1]}"
        users = [exchange.add_account() for _ in range(accounts)]
        pipe.send(
            [
                Access(
                    base_url,
                    user.user_id,
                    user.credentials.api_key,
                    user.credentials.secret_key,
                    user.credentials.passphrase,
                )
                for user in users
            ]
        )
        gc.freeze()
        await asyncio.to_thread(pipe.recv)
        counted = {}
        for user in users:
            rows = [row for row in exchange.journal if row.uid == user.user_id and row.key]
            key = rows[0].key if rows else None
            counted[user.user_id] = Counted(
                tuple(row.at for row in rows),
                exchange.worst_window(key) if key else 0,
                sum(row.uid == user.user_id for row in exchange.rejections),
            )
        pipe.send(counted)
        wire.close()
