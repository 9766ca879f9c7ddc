"""Histories to measure: as drawn but with nothing that goes wrong, and one of eight closes a second."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random

from okx_async import Priority
from okx_async.simulator import Path
from okx_async.torture import Plan
from okx_async.torture.mishaps import MISHAPS
from okx_async.torture.plan import Account, Exchange, Mishap, Part, Seat, Weather
from okx_async.torture.stage import Desk, Stage
from okx_async.torture.strategies import STRATEGIES

__all__ = ["RATE", "WAY", "calm", "eight"]

RATE = 8
"""Requests a virtual second."""
WAY = Path(0.01, 0.02)
"""Either way."""
DESKS, BURST, EVERY, GIVEN_UP = 2, 40, 4, 0.05
"""Clients, closes at once, seconds from mishap to mishap, and the part of all closes that somebody gives up."""
NORMAL, PANIC = Priority.NORMAL, Priority.PANIC

PATIENT = {"steady", "crowd", "waves", "batch", "panic", "siege"}
"""Strategies that close, and await what becomes of it."""


def calm(plan: Plan) -> Plan:
    """Return the same history where nothing goes wrong, and everybody is one of the patient."""
    parts = tuple(part if part.kind in PATIENT else replace(part, kind="steady") for part in plan.parts)
    weather = Weather(Path(0.03, 0.02), Path(0.03, 0.02))
    accounts = tuple(replace(account, foreign=False) for account in plan.accounts)
    seats = tuple(replace(seat, timeout=5.0, connect_timeout=2.0, keepalive=15.0, skew=0.0) for seat in plan.seats)
    return replace(plan, parts=parts, mishaps=(), weather=weather, accounts=accounts, seats=seats, floor=0.0)


async def _bursts(stage: Stage, desk: Desk, rng: Random) -> None:
    """Close forty at once every ten seconds, on one instrument, in both lanes; give some of them up."""
    start = stage.loop.clock()
    inst_id = stage.inst_id(rng)
    for number in range(round(stage.plan.span * RATE / DESKS / BURST)):
        await asyncio.sleep(max(0.0, start + number * BURST * DESKS / RATE - stage.loop.clock()))
        async with asyncio.TaskGroup() as group:
            for _ in range(BURST):
                lane, max_wait = rng.choice((NORMAL, NORMAL, PANIC)), rng.choice((None, 4.0))
                task = group.create_task(stage.close(desk, stage.order(desk, rng, inst_id), lane, max_wait))
                if rng.random() < GIVEN_UP:
                    stage.loop.call_later(rng.uniform(0.0, 2.0), task.cancel)


STRATEGIES["bursts"] = 0, _bursts  # drawn by nobody


def eight(seconds: int, *, mishaps: bool) -> Plan:
    """Return a history of RATE closes a second: two clients, full windows, at last a flatten, and perhaps mishaps."""
    rng = Random("eight a second")
    kinds = {kind: row[0] for kind, row in MISHAPS.items()}
    struck = enumerate(rng.choices(list(kinds), list(kinds.values()), k=seconds // EVERY) if mishaps else ())
    return Plan(
        seed=0,
        span=float(seconds),
        weather=Weather(WAY, WAY),
        exchange=Exchange(),
        accounts=(Account(),),
        seats=(Seat(), Seat(told=False)),
        parts=(
            Part("bursts", 0, 0.0, "0 part 0"),
            Part("bursts", 1, BURST / RATE, "0 part 1"),
            Part("flatten", 0, float(seconds), "0 part 2"),
        ),
        mishaps=tuple(Mishap(kind, number * EVERY + rng.uniform(0.0, EVERY), f"0 {number}") for number, kind in struck),
        insts=2,
    )
