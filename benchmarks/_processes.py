"""Processes of their own: a fresh one for each figure, and servers."""

import asyncio
import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
SPAWN = multiprocessing.get_context("spawn")


def in_turns(rounds: int, subjects: Sequence[T]) -> Iterator[T]:
    """Yield every subject once a round, in an order that changes from round to round, so that noise hits them all."""
    rng = random.Random(1)
    for number in range(rounds):
        for subject in rng.sample(subjects, len(subjects)):
            if sys.stderr.isatty():
                print(f"\rround {number + 1} of {rounds}: {subject!s:40}", end="", file=sys.stderr, flush=True)
            yield subject


def fresh(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the function's result from a fresh interpreter, without threads, timers and garbage of other subjects."""
    with ProcessPoolExecutor(1, SPAWN) as process:
        return process.submit(function, *args, **kwargs).result()


@contextmanager
def serving(serve: Callable[..., Coroutine[Any, Any, None]], *args: object) -> Iterator[Connection]:
    """Run ``serve(pipe, *args)`` in a process of its own and yield the other end of the pipe; None tells it to end."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_run, args=(serve, theirs, *args), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.send(None)
        process.join(5)
        process.kill()


def _run(serve: Callable[..., Coroutine[Any, Any, None]], *args: object) -> None:
    asyncio.run(serve(*args))


def at_once(processes: int, work: Callable[..., Any], place: object, *args: float) -> list[Any]:
    """Return what each of several fresh processes found that began at one moment."""
    begin = time.time() + 1.5 + 0.4 * processes
    with ProcessPoolExecutor(processes, SPAWN) as pool:
        return [job.result() for job in [pool.submit(work, place, n, *args, begin) for n in range(processes)]]
