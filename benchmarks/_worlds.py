"""Histories to measure: as drawn but with nothing that goes wrong, and one of so many closes a second."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from okx_async import Priority
from okx_async.simulator import Path
from okx_async.torture import Plan
from okx_async.torture.plan import Account, Exchange, Part, Seat, Weather
from okx_async.torture.strategies import STRATEGIES

if TYPE_CHECKING:
    from random import Random

    from okx_async.torture.stage import Desk, Stage

__all__ = ["RATE", "WAY", "calm", "paced"]

RATE = 8
"""Requests a virtual second."""
WAY = Path(0.01, 0.02)
"""Either way, of a world in which nothing goes wrong."""

PATIENT = {"steady", "crowd", "waves", "batch", "panic", "siege"}
"""Strategies that close, and await what becomes of it."""


def calm(plan: Plan) -> Plan:
    """Return the same history where nothing goes wrong, and everybody is one of the patient."""
    parts = tuple(part if part.kind in PATIENT else replace(part, kind="steady") for part in plan.parts)
    weather = Weather(Path(0.03, 0.02), Path(0.03, 0.02))
    accounts = tuple(replace(account, foreign=False) for account in plan.accounts)
    seats = tuple(replace(seat, timeout=5.0, connect_timeout=2.0, keepalive=15.0, skew=0.0) for seat in plan.seats)
    return replace(plan, parts=parts, mishaps=(), weather=weather, accounts=accounts, seats=seats, floor=0.0)


async def _by_the_clock(stage: Stage, desk: Desk, rng: Random) -> None:
    """Close RATE times a second for as long as the plan says; of one account, one instrument."""
    start = stage.loop.clock()
    for number in range(round(stage.plan.span * RATE)):
        await asyncio.sleep(max(0.0, start + number / RATE - stage.loop.clock()))
        await stage.close(desk, stage.order(desk, rng), Priority.NORMAL, None)


STRATEGIES["by the clock"] = 0, _by_the_clock  # drawn by nobody


def paced(seconds: int) -> Plan:
    """Return a history of RATE closes a second, by one client that was told its user id."""
    return Plan(
        seed=0,
        span=float(seconds),
        weather=Weather(WAY, WAY),
        exchange=Exchange(),
        accounts=(Account(),),
        seats=(Seat(),),
        parts=(Part("by the clock", 0, 0.0, "0 part 0"),),
        mishaps=(),
        insts=1,
        shares=1,
        rate=1.0,
        grace=5.0,
        floor=0.0,
        stall=20.0,
    )
