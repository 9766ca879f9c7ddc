"""A host whose programs share a file, its clocks, and the turns of a worker that a test calls."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from math import inf
from pathlib import Path
from typing import Any

from okx_async import Quota
from okx_async.stores._agent.waiters import Key, Waiter
from okx_async.stores._agent.worker import Worker
from okx_async.stores._sqlite.transactions import Database
from okx_async.stores.lease import Terms

KEY = ("k",)
QUOTA = Quota(1, 2.0)
TERMS = Terms()
COOL = 2.003


class Host:
    """A host: its clocks and its boot id, and what was opened there."""

    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        self.wall = 5000.0
        self.boot = "boot-1"
        self.path = folder / "limits.sqlite3"
        self.numbers = 0
        self.transactions = 0
        self.opened = ExitStack()

    def open(self, terms: Terms = TERMS) -> Database:
        database = Database(self.path, terms, clock=lambda: self.now, boot=lambda: self.boot)
        self.opened.callback(database.close)
        return database

    def worker(self, terms: Terms = TERMS) -> Worker:
        host = self

        class Counted(Database):
            def transact(self, work: Callable[..., Any], until: float) -> Any:
                host.transactions += 1
                host.now += 0.125  # it takes its time
                return super().transact(work, until)

        database = Counted(self.path, terms, clock=lambda: self.now, boot=lambda: self.boot)
        self.opened.callback(database.close)
        return Worker(database, QUOTA, lambda: self.now, lambda: self.wall)

    def waiter(
        self, worker: Worker, deadline: float = inf, *, panic: bool = False, stays: bool = True, key: Key = KEY
    ) -> Waiter:
        loop = asyncio.get_running_loop()
        self.numbers += 1
        waiter = Waiter(
            f"{worker.holder}.{self.numbers:012}", key, QUOTA, panic, deadline, stays, loop, loop.create_future()
        )
        worker.join(waiter)
        return waiter


def turn(worker: Worker) -> None:
    """Do what is to be done now, or soon."""
    worker._hot.update({key: local for key, local in worker.keys.items() if local.notes})
    while worker._hot:
        worker._turn([worker._hot.pop(key) for key in list(worker._hot)])


def due(worker: Worker) -> float:
    return worker.keys[KEY].due


async def ended(waiter: Waiter) -> object:
    """Return how a wait ended; "waits" if it did not."""
    await asyncio.sleep(0)
    return waiter.future.result() if waiter.future.done() else "waits"
