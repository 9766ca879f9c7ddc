"""Draws the plan of a shared history from its seed."""

from dataclasses import replace
from random import Random

from okx_async.simulator import Path
from okx_async.stores.lease import Terms
from okx_async.torture.plan import Mishap, Part
from okx_async.torture.sharing.lookups import LOOKUPS
from okx_async.torture.sharing.mishaps import (
    LOOPS,
    NETWORK,
    PROGRAMS,
    cut_off,
    last_moment,
    restarted,
    stopped_at_a_grant,
)
from okx_async.torture.sharing.store_worker import Post
from okx_async.torture.sharing.world import STRATEGIES, SharingPlan, siege

_PATHS = (
    (Path(0.0, 0.0), Path(0.0, 0.0)),
    (Path(0.002, 0.004), Path(0.002, 0.004)),
    (Path(0.03, 0.02, cuts=0.1), Path(0.03, 0.02, cuts=0.1)),
    (Path(0.01, 0.5), Path(0.01, 0.1)),
    (Path(0.2, 0.02), Path(0.002, 0.002)),
)


def sharing_plan(seed: int) -> SharingPlan:
    """Return the plan of a seed."""
    plan, rng = _drawn(seed), Random(f"okx_async sharing {seed} at the bounds")
    if plan.small:
        return plan
    if plan.store and rng.random() < 0.15:
        return _at_the_bounds(plan, rng)
    rng = Random(f"okx_async sharing {seed} without user ids")
    if rng.random() < 0.3:
        return _without_user_ids(plan, rng)
    rng = Random(f"okx_async sharing {seed} asleep")
    return _asleep(plan, rng) if plan.store and rng.random() < 0.08 else plan


def _without_user_ids(plan: SharingPlan, rng: Random) -> SharingPlan:
    """Return a plan whose programs have one API key, and learn its user id from the exchange and from one another.

    They begin at once, or one after another, and what would tell them is away then: the exchange, the store, or both.
    Some of them may have been given it.
    """
    programs = rng.choice((plan.programs, plan.programs, 4, 8))
    span = rng.choice((plan.span, 60.0, 90.0))
    short = rng.random() < 0.6  # so that some know for certain that no program counts by the API key any more
    least = plan.inward.delay + plan.inward.jitter + 1.6
    lease = (plan.timeout + plan.connect_timeout) * 1.2
    # The last one comes late, when all the others know each other.
    starts = [0.0] * programs if rng.random() < 0.6 else [rng.uniform(0.0, span * 0.8) for _ in range(programs)]
    starts[-1] = rng.choice((starts[-1], starts[-1], span * 0.8))
    moments = sorted(set(starts)) if rng.random() < 0.5 else [starts[-1]]
    mishaps = []
    for number in range(rng.choice((1, 1, 2, 4))):
        moment = rng.choice(moments)
        kinds = [(rng.choice(LOOKUPS), max(0.0, moment - rng.choice((0.0, rng.uniform(0.0, 1.0)))))]
        if plan.store and rng.random() < 0.6:
            before = rng.choice((0.0, rng.uniform(-1.0, 1.0), rng.uniform(1.0, 20.0)))
            kinds.append((rng.choice((cut_off, restarted)), max(0.0, moment - before)))
        mishaps += [Mishap(kind.__name__, at, f"{plan.seed} user id {number} {at}") for kind, at in kinds]
    return replace(
        plan,
        span=span,
        terms=Terms(lease=lease, doubt_grace=least) if short else plan.terms,
        programs=programs,
        rates=(*plan.rates[:2], *(1 + rng.choice((-240e-6, 240e-6)) for _ in range(programs))),
        parts=tuple(
            Part(
                rng.choice((siege, siege, *STRATEGIES)).__name__,
                number,
                at + rng.choice((0.0, rng.uniform(0.0, 1.0))),
                f"{plan.seed} {number} {at}",
            )
            for number, start in enumerate(starts)
            for at in dict.fromkeys((start, *([span * 0.8] * (rng.random() < 0.5))))  # and all press when it comes
        ),
        mishaps=(*(each for each in plan.mishaps if rng.random() < 0.5), *mishaps),
        untold=rng.choice((1.0, 1.0, 0.6)),
    )


def _at_the_bounds(plan: SharingPlan, rng: Random) -> SharingPlan:
    """Return a plan whose programs use all that the rule allows them: no way takes any time, and clocks differ most.

    The grace is short enough for a request to be counted at its end: its signature is valid for 30 s.
    """
    return replace(
        plan,
        span=60.0,
        inward=Path(0.0, 0.0),
        outward=Path(0.0, 0.0),
        terms=Terms(lease=rng.choice((8.0, 20.0)), doubt_grace=25.0),
        post=Post(),
        insts=1,
        rates=(1.0, 1 + 240e-6, *(1 - 240e-6 for _ in range(plan.programs))),
        parts=tuple(Part(siege.__name__, number, 0.0, f"{plan.seed} {number}") for number in range(plan.programs)),
        mishaps=tuple(
            Mishap(last_moment.__name__, rng.uniform(3.0, 8.0) + 15.0 * number, f"{plan.seed} mishap {number}")
            for number in range(3)
        ),
    )


def _asleep(plan: SharingPlan, rng: Random) -> SharingPlan:
    """Return a plan whose programs are stopped before they hear of a token, for longer than it is theirs.

    The others keep every window full meanwhile.
    """
    lease = (plan.timeout + plan.connect_timeout) * 1.2
    return replace(
        plan,
        span=40.0,
        inward=Path(0.002, 0.002),
        outward=Path(0.002, 0.002),
        terms=Terms(lease=lease, doubt_grace=1.7),
        post=Post(delay=rng.choice((0.0, 0.001, 0.05))),
        insts=1,
        parts=tuple(
            Part(siege.__name__, number, at, f"{plan.seed} {number} {at}")
            for number in range(plan.programs)
            for at in (0.0, 10.0, 20.0, 30.0)
        ),
        mishaps=tuple(
            Mishap(stopped_at_a_grant.__name__, rng.uniform(1.0, 8.0) + 10.0 * number, f"{plan.seed} mishap {number}")
            for number in range(4)
        ),
    )


def _drawn(seed: int) -> SharingPlan:
    rng = Random(f"okx_async sharing {seed}")
    store = rng.random() < 0.7
    inward, outward = rng.choice(_PATHS)
    timeout, connect_timeout = rng.choice((0.5, 1.0, 2.0)), rng.choice((0.3, 1.0))
    least = inward.delay + inward.jitter + 1.6  # what an outage may keep
    terms = Terms(
        lease=(timeout + connect_timeout) * rng.choice((1.2, 2.0)) if rng.random() < 0.8 else 20.0,
        doubt_grace=rng.choice((least, 5.0, 30.0)),
    )
    delay = rng.choice((0.0, 0.001, 0.05, 0.2))
    post = Post(
        delay=delay,
        lost=rng.choice((0.0, 0.0, 0.1)),
        unheard=rng.choice((0.0, 0.0, 0.1)),
        repeated=rng.choice((0.0, 0.2)),
        doubled=rng.choice((0.0, 0.0, 0.05)),
        late=rng.choice((0.4, 0.4, 8.0)),
    )
    programs = rng.choice((2, 2, 3))
    span, small = rng.uniform(15.0, 40.0), store and rng.random() < 0.2
    return SharingPlan(
        seed,
        store,
        programs,
        span,
        inward,
        outward,
        terms,
        post,
        small=small,
        insts=rng.choice((1, 1, 1, 2)),
        rates=tuple(1 + rng.choice((-240e-6, 240e-6)) for _ in range(2 + programs)),
        timeout=timeout,
        connect_timeout=connect_timeout,
        max_connections=rng.choice((3, 256, 256)),
        parts=tuple(
            Part(
                (siege if small else rng.choice(STRATEGIES)).__name__,
                number,
                rng.uniform(0.0, span * (0.9 if small else 0.3)),
                f"{seed} {number} {part}",
            )
            for number in range(programs)
            for part in range(4 if small else rng.choice((1, 1, 2)))
        ),
        mishaps=tuple(
            Mishap(
                rng.choice((PROGRAMS if store else LOOPS) + NETWORK).__name__,
                rng.uniform(0.0, span),
                f"{seed} mishap {number}",
            )
            for number in range(rng.choice((0, 5, 10, 20)))
        ),
    )
