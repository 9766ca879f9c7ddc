"""The waiters for tokens: futures of one event loop, in two lanes. Their turns are given in `queue`."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from enum import Enum
from heapq import heapify, heappop
from typing import TypeAlias


class Verdict(Enum):
    """How a wait ended."""

    GRANTED = 1
    EXPIRED = 2
    CLOSED = 3
    AGAIN = 4
    """The loop was silent for too long, and lost the place in line."""


Waiter: TypeAlias = asyncio.Future[Verdict]
# By ticket. An ordered dict finds, drops and pops any waiter in constant time; a deque would keep the cancelled ones.
Lane: TypeAlias = OrderedDict[Waiter, int]


def first_in_line(lanes: tuple[Lane, Lane]) -> tuple[bool, int] | None:
    """Return whether the first waiter is NORMAL, and its ticket; None if none waits."""
    normal, panic = lanes
    for lane in (panic, normal):
        for waiter, ticket in lane.items():
            if not waiter.done():  # else it was cancelled in line, and its task has yet to run
                return lane is normal, ticket
    return None


def expire(deadlines: list[tuple[float, int, Waiter]], lanes: tuple[Lane, Lane], before: float) -> None:
    """End the waits whose deadline lies before `before`; `deadlines` is a heap."""
    while deadlines:
        deadline, _, waiter = deadlines[0]
        if not waiter.done():
            if deadline >= before:
                break
            waiter.set_result(Verdict.EXPIRED)
            for lane in lanes:
                lane.pop(waiter, None)
        heappop(deadlines)
    if len(deadlines) > 2 * (len(lanes[0]) + len(lanes[1])) + 16:  # mostly of waiters already served
        deadlines[:] = [entry for entry in deadlines if not entry[2].done()]
        heapify(deadlines)


def end_waits(waiters: Iterable[Waiter], verdict: Verdict) -> None:
    """End waits; called in their loop."""
    for waiter in waiters:
        if not waiter.done():  # else it was cancelled, or served
            waiter.set_result(verdict)
