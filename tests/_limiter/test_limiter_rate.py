"""The rate of the limiter in virtual time: the best provable one, and a slower or faster limiter is noticed."""

import asyncio
import random
from dataclasses import dataclass

import pytest

from okx_async import Limiter, Quota

pytestmark = pytest.mark.virtual

LIMIT, PER = 20, 2.0
COUNT = 2_000
OUT, BACK = 0.03, 0.02
"""Seconds: the least way out and the least way back of the network here."""


@dataclass(frozen=True, slots=True)
class Outcome:
    rate: float
    """Requests a second where they are counted, without the first window."""
    mean_trip: float
    worst: int
    """The most arrivals in any window, closed at both ends."""


async def run(*, rtt_floor: float = 0.0, stretch: float = 1.0) -> Outcome:
    """Send requests over a network with jitter; `stretch`: how much longer than due the limiter holds its tokens."""
    loop = asyncio.get_running_loop()
    limiter = Limiter(Quota(LIMIT, PER), rtt_floor=rtt_floor, clock=loop.time)
    object.__setattr__(limiter._rule, "cool", limiter._rule.cool * stretch)
    rng = random.Random(1)
    arrivals: list[float] = []
    trips: list[float] = []

    async def request() -> None:
        async with limiter.slot("k"):
            out, back = OUT + rng.expovariate(10), BACK + rng.expovariate(10)
            await asyncio.sleep(out)
            arrivals.append(loop.time())
            await asyncio.sleep(back)
            trips.append(out + back)

    await asyncio.gather(*(request() for _ in range(COUNT)))
    arrivals.sort()
    return Outcome(
        (COUNT - LIMIT) / (arrivals[-1] - arrivals[0]),
        sum(trips) / COUNT,
        max(sum(at <= other <= at + PER for other in arrivals[i : i + 2 * LIMIT]) for i, at in enumerate(arrivals)),
    )


async def test_the_rate_is_the_best_provable_one() -> None:
    outcome = await run()
    assert outcome.worst <= LIMIT
    assert outcome.rate >= 0.99 * LIMIT / (PER + outcome.mean_trip)


async def test_with_a_true_floor_the_rate_is_the_best_of_that_floor() -> None:
    outcome = await run(rtt_floor=OUT + BACK)
    assert outcome.worst <= LIMIT
    assert outcome.rate >= 0.98 * LIMIT / (PER + outcome.mean_trip - OUT - BACK)
    assert outcome.rate > LIMIT / (PER + outcome.mean_trip)  # unreachable without a floor


@pytest.mark.parametrize("rtt_floor", [0.0, OUT + BACK])
async def test_a_limiter_that_holds_its_tokens_longer_is_noticed(rtt_floor: float) -> None:
    outcome = await run(rtt_floor=rtt_floor, stretch=1.05)
    best = LIMIT / (PER + outcome.mean_trip - rtt_floor)
    assert outcome.rate < (0.98 if rtt_floor else 0.99) * best


async def test_a_limiter_that_holds_its_tokens_too_short_is_noticed() -> None:
    outcome = await run(stretch=0.9)
    assert outcome.worst > LIMIT
