"""What the torture's own tests share: a small calm plan, and evidence that can be falsified."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from okx_async.simulator import Path
from okx_async.torture.judge import Evidence
from okx_async.torture.plan import Account, Exchange, Part, Plan, Seat, Weather

if TYPE_CHECKING:
    from collections.abc import Callable

SEAT = Seat(
    account=0,
    key=0,
    limiter=0,
    told=True,
    own_session=False,
    timeout=2.0,
    connect_timeout=1.0,
    keepalive=15.0,
    max_connections=256,
    skew=0.0,
)


@pytest.fixture
def calm() -> Plan:
    """One client, one strategy, nothing that goes wrong."""
    return Plan(
        seed=1,
        span=5.0,
        weather=Weather(Path(0.01, 0.01), Path(0.01, 0.01)),
        exchange=Exchange(
            window="sliding",
            count_rejected=True,
            body_first=True,
            rate_first=False,
            fill_delay=0.0,
            fill=0.0,
            work=0.0,
            rate=1.0,
        ),
        accounts=(Account(two_sided=False, foreign=False),),
        seats=(SEAT,),
        parts=(Part("waves", 0, 0.5, "waves"),),
        mishaps=(),
        insts=1,
        shares=1,
        rate=1.0,
        grace=1.0,
        floor=0.0,
        stall=20.0,
    )


@pytest.fixture
def seated(calm: Plan) -> Callable[..., Plan]:
    """Return the calm plan with changes to its seat."""
    return lambda **changes: replace(calm, seats=(replace(SEAT, **changes),))


@pytest.fixture
def evidence(calm: Plan) -> Evidence:
    """Nothing happened yet."""
    return Evidence(plan=calm, start=1000.0, journal=[], calls={}, limiters=[], silent=[], left=[])
