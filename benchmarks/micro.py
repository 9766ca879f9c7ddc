"""What a free slot costs: take and settle, on one key, on 10,000 keys, on new keys; asyncio.Semaphore beside it.

Run: python benchmarks/micro.py [--rounds N]. All subjects take turns within each round; the table shows the median
and the spread over the rounds. The loop around the slot is timed alone and is part of every figure.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeAlias

import okx_async as okx

Subject: TypeAlias = Callable[[int], Awaitable[float]]

# No window: the subject is the path of a free slot, and a token is back as soon as it is settled.
QUOTA = okx.Quota(limit=20, per=1e-9)


def limiter() -> okx.Limiter:
    """Return a limiter whose slots are always free."""
    return okx.Limiter(QUOTA, guard=0.0)


async def empty(count: int) -> float:
    """Time the loop alone."""
    begun = time.perf_counter()
    for _ in range(count):
        pass
    return time.perf_counter() - begun


async def semaphore(count: int) -> float:
    """Time a raw asyncio.Semaphore, which keeps no window and no keys."""
    subject = asyncio.Semaphore(20)
    begun = time.perf_counter()
    for _ in range(count):
        async with subject:
            pass
    return time.perf_counter() - begun


async def one_key(count: int) -> float:
    """Time slots of one key."""
    subject = limiter()
    begun = time.perf_counter()
    for _ in range(count):
        async with subject.slot("key"):
            pass
    return time.perf_counter() - begun


async def many_keys(count: int) -> float:
    """Time slots of 10,000 keys in turn, all in use before."""
    subject = okx.Limiter(okx.Quota(limit=1_000_000, per=3600.0))
    keys = [("live", "1", f"KEY-{i}") for i in range(10_000)]
    for key in keys:
        async with subject.slot(key):
            pass
    begun = time.perf_counter()
    for i in range(count):
        async with subject.slot(keys[i % 10_000]):
            pass
    return time.perf_counter() - begun


async def new_keys(count: int) -> float:
    """Time slots of keys never seen before; idle ones are forgotten on the way."""
    subject = limiter()
    begun = time.perf_counter()
    for i in range(count):
        async with subject.slot(i):
            pass
    return time.perf_counter() - begun


SUBJECTS: dict[str, Subject] = {
    "loop alone": empty,
    "asyncio.Semaphore": semaphore,
    "slot, one key": one_key,
    "slot, 10,000 keys": many_keys,
    "slot, new keys": new_keys,
}


def main() -> None:
    """Run all subjects in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--count", type=int, default=20_000)
    args = parser.parse_args()
    rounds: dict[str, list[float]] = {name: [] for name in SUBJECTS}
    for _ in range(args.rounds):
        for name, subject in SUBJECTS.items():
            rounds[name].append(asyncio.run(_timed(subject, args.count)) / args.count * 1e9)
    print(f"okx_async {okx.__version__}, Python {platform.python_version()}, {sys.platform}, {datetime.now(UTC):%F}")
    print(f"{args.rounds} rounds of {args.count} slots, ns each: median (least to most)")
    for name, figures in rounds.items():
        print(f"  {name:20} {statistics.median(figures):8.0f}  ({min(figures):.0f} to {max(figures):.0f})")


async def _timed(subject: Subject, count: int) -> float:
    return await subject(count)


if __name__ == "__main__":
    main()
