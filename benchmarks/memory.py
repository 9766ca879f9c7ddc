"""Bytes: a waiter beyond its own task, a key in use, and a key after it has been idle.

Run: python -m benchmarks.memory [--many 5000] [--json FILE]

Counted by tracemalloc, so only what Python allocates; a fresh process for each subject.

* a waiter: so many tasks stand in line of one key, less the same tasks that wait for one common future at
  the same place;
* a key in use: as many keys, of which one slot each was taken and left just now;
* after idle: what is left of them after as many others were used, the first ones' windows being over.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
import tracemalloc
from contextlib import AbstractAsyncContextManager

from benchmarks._table import Report, arguments, peers_of
from benchmarks._workers import rounds
from benchmarks.peers import Limited, load

LIMIT, PER = 20, 2.0


def traced() -> int:
    """Return the bytes in use."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def line(limited: Limited | None, many: int) -> float:
    """Return the bytes of a task that waits, in a line or for nothing in particular."""
    gate = asyncio.get_running_loop().create_future()

    class Gate:
        """What is common to all: a place to wait, and nothing beside."""

        def __aenter__(self) -> asyncio.Future[None]:
            return gate

        async def __aexit__(self, *_: object) -> None:
            pass

    async def customer(slot: AbstractAsyncContextManager[object] | Gate) -> None:
        async with slot:
            pass

    if limited is not None:
        for _ in range(LIMIT):  # from here on everybody waits
            await customer(limited.slot("key"))
    before = traced()
    common = Gate()
    tasks = [asyncio.create_task(customer(common if limited is None else limited.slot("key"))) for _ in range(many)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    after = traced()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return (after - before) / many


async def keys(limited: Limited, many: int) -> tuple[float, float]:
    """Return the bytes of a key in use, and of one that was."""
    names = [[f"{generation}-{i}" for i in range(many)] for generation in range(2)]
    await limited.spin(["first"])
    empty = traced()
    await limited.spin(names[0])
    in_use = traced() - empty
    await asyncio.sleep(PER + 0.5)  # what the library does by itself in that time, it does
    begun = time.monotonic()
    await limited.spin(names[1])
    await asyncio.sleep(0)
    left = traced() - empty - in_use
    if time.monotonic() - begun > PER:
        print("the second generation outlived its window: after idle is too low", file=sys.stderr)
    return in_use / many, left / many


def job(name: str, many: int) -> dict[str, float]:
    """Measure one peer in this process."""
    peer = load(name)
    per = max(PER, peer.least_per)
    tracemalloc.start()
    waiter = asyncio.run(line(peer.make(LIMIT, per), many)) - asyncio.run(line(None, many))
    in_use, after = asyncio.run(keys(peer.make(LIMIT, per), many))
    return {"waiter": waiter, "key": in_use, "idle": after}


def main() -> None:
    """Run all subjects and print the table."""
    parser = arguments(__doc__, rounds=1, many=5_000)
    parser.add_argument("--job", help="one subject, in this process")
    args = parser.parse_args()
    if args.job:
        print(json.dumps(job(args.job, args.many)))
        return
    peers = peers_of(args)
    found = rounds("benchmarks.memory", [[peer.name, "--many", str(args.many)] for peer in peers], args.rounds)
    report = Report("Bytes", ["", "a waiter beyond its task", "a key in use", "a key after idle"], peers)
    for peer in peers:
        report.add(peer.name, *(f"{found[peer.name][0][kind]:,.0f}" for kind in ("waiter", "key", "idle")))
    report.notes.append("Without spread: tracemalloc counts the same bytes in every run.")
    report.raw = {"bytes": found}
    report.publish(args.json)


if __name__ == "__main__":
    main()
