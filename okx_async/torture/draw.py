"""Draws the plan of a history from its seed.

The draws keep to the assumptions of the window proof; each is named where it is kept.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from okx_async.simulator import Path
from okx_async.torture.plan import AccountOptions, ExchangeOptions, Mishap, NetworkConditions, Part, Plan, Seat

_PATHS: tuple[tuple[int, Path, Path], ...] = (
    # (weight, to the exchange, from the exchange)
    (2, Path(0.0, 0.0), Path(0.0, 0.0)),
    (6, Path(0.002, 0.004), Path(0.002, 0.004)),
    (6, Path(0.03, 0.02, cuts=0.1), Path(0.03, 0.02, cuts=0.1)),
    (4, Path(0.12, 0.08), Path(0.12, 0.08)),
    (6, Path(0.01, 0.5), Path(0.01, 0.1)),
    (4, Path(0.01, 0.05), Path(0.01, 0.5, cuts=0.2)),
    (4, Path(0.2, 0.02), Path(0.002, 0.002)),
    (6, Path(0.02, 0.02, spikes=0.1, spike=1.5), Path(0.02, 0.02, spikes=0.05, spike=1.5)),
    (4, Path(0.05, 0.9, spikes=0.1, spike=1.0, cuts=0.5), Path(0.05, 0.3, cuts=0.5)),
    (2, Path(0.005, 0.03, cuts=0.9, window=300), Path(0.005, 0.03, cuts=0.9, window=200)),
)


FLATTENING_SHARE = 0.5
"""The share of histories that contain a flatten or a confirmed close."""
LATE_SHARE = 0.05
"""The share of histories in which closes press before and after their user id is told."""
RIVALS_SHARE = 0.5
"""The share of histories, with a flatten or without one, that contain rivals."""


def draw(
    seed: int,
    strategies: dict[str, int],
    mishaps: dict[str, int],
    scenes: dict[str, int] | None = None,
    rivals: dict[str, int] | None = None,
) -> Plan:
    """Return the plan of a seed; `strategies`, `mishaps`, `scenes` and `rivals`: kinds and their weights."""
    plan = _with_a_late_user_id(_draw(seed, strategies, mishaps))
    plan = _with_scenes(plan, scenes) if scenes else plan
    return _with_rivals(plan, rivals) if rivals else plan


def _with_a_late_user_id(plan: Plan) -> Plan:
    """Have a share of the plans ask twice for the user id, by a generator of their own."""
    rng = Random(f"okx_async torture {plan.seed} late user id")
    if rng.random() >= LATE_SHARE:
        return plan
    return replace(
        plan,
        insts=1,
        seats=tuple(replace(seat, key=0, knows_user_id=False) for seat in plan.seats),
        parts=tuple(  # the first ones have ended when it is told, and count yet
            Part(kind, 0, at, f"{plan.seed} {kind} {at}")
            for kind, at in (("waves", 0.0), (rng.choice(("waves", "crowd", "siege")), rng.uniform(0.5, 2.5)))
        ),
        mishaps=(
            Mishap("late_config", 0.0, f"{plan.seed} late"),
            *(each for each in plan.mishaps if rng.random() < 0.2),
        ),
    )


def _with_rivals(plan: Plan, rivals: dict[str, int]) -> Plan:
    """Add rivals to a share of the plans, by a generator of their own, so that all other draws stay the same."""
    rng = Random(f"okx_async torture {plan.seed} rivals")
    if rng.random() >= RIVALS_SHARE:
        return plan
    # Most at the seat of a scene, soon after it begins: that is where they are in the way.
    scenes = [part for part in plan.parts if " scene " in part.seed]
    beside = [rng.choice(scenes) if scenes and rng.random() < 0.8 else None for _ in range(rng.choice((1, 1, 2, 3)))]
    parts = tuple(
        Part(
            kind,
            scene.seat if scene else rng.randrange(len(plan.seats)),
            scene.at + rng.uniform(0.0, 0.5) if scene else rng.uniform(0.0, plan.span * 0.6),
            f"{plan.seed} rival {number}",
        )
        for number, (kind, scene) in enumerate(zip(_some(rng, rivals, len(beside)), beside, strict=True))
    )
    hogged = {plan.seats[part.seat].account for part in parts if part.kind == "hog"}
    accounts = tuple(
        replace(account, foreign=account.foreign or number in hogged) for number, account in enumerate(plan.accounts)
    )
    return replace(plan, parts=(*plan.parts, *parts), accounts=accounts)


def _with_scenes(plan: Plan, scenes: dict[str, int]) -> Plan:
    """Add scenes to a share of the plans, by a generator of their own, so that all other draws stay the same."""
    rng = Random(f"okx_async torture {plan.seed} scenes")
    if rng.random() >= FLATTENING_SHARE:
        return plan
    others = rng.choice((0, 0, 1, 3))
    longest = rng.choice((0.0, 0.5, 2.0))
    return replace(
        plan,
        exchange=replace(
            plan.exchange,
            fill_delay=rng.choice((0.0, (0.0, 0.3), (0.0, 3.0))),
            fill=rng.choice((1.0, 1.0, 1.0, 1.0, 0.5, 0.0)),
            lag=rng.choice(((0.0, 0.0), (0.0, 0.0), (0.0, longest))),
            flip_keeps=rng.random() < 0.4,
        ),
        # With few connections closes wait behind the readings that may forbid them.
        seats=tuple(replace(seat, max_connections=rng.choice((seat.max_connections, 1, 2))) for seat in plan.seats),
        parts=(
            *plan.parts[:others],
            *(
                Part(
                    kind,
                    rng.randrange(len(plan.seats)),
                    rng.uniform(0.0, plan.span * 0.6),
                    f"{plan.seed} scene {number}",
                )
                for number, kind in enumerate(_some(rng, scenes, rng.choice((2, 3, 5))))
            ),
        ),
        mishaps=plan.mishaps[: rng.choice((0, 2, 4, 20))],
    )


def _draw(seed: int, strategies: dict[str, int], mishaps: dict[str, int]) -> Plan:
    rng = Random(f"okx_async torture {seed}")
    conditions = _conditions(rng)
    accounts = tuple(
        AccountOptions(two_sided=rng.random() < 0.3, foreign=rng.random() < 0.15)
        for _ in range(rng.choice((1, 1, 1, 2)))
    )
    shares = rng.choice((1, 1, 1, 2))
    seats = _seats(rng, len(accounts), shares)
    span = rng.uniform(10.0, 40.0)
    exchange = ExchangeOptions(
        window=rng.choice(("sliding", "sliding", "fixed")),
        count_rejected=rng.random() < 0.8,
        body_first=rng.random() < 0.5,
        rate_first=rng.random() < 0.5,
        fill_delay=rng.choice((0.0, 0.0, 0.0, 0.05, 1.0)),
        fill=rng.choice((0.0, 0.0, 0.3, 1.0)),  # 0: every close is executed and leaves something to close
        work=rng.choice((0.0, 0.0, 0.001, 0.05)),
        rate=1 + rng.uniform(-240e-6, 240e-6),
    )
    # Bytes that a caller's session wrote are delivered whatever becomes of the request (it has no linger option), so
    # what they may wait for belongs to the grace. Our own sessions drop them: there they may stand for minutes.
    stall = 0.5 if any(seat.own_session for seat in seats) else 20.0
    if stall < 1:
        conditions = replace(conditions, inward=replace(conditions.inward, window=65536))
    # Assumption 2: a request in doubt is counted, if ever, within the grace.
    least = conditions.max_delay + conditions.freeze + exchange.work + (3 * stall if stall < 1 else 0.0) + 0.05
    return Plan(
        seed=seed,
        span=span,
        conditions=conditions,
        exchange=exchange,
        accounts=accounts,
        seats=seats,
        parts=tuple(
            Part(kind, rng.randrange(len(seats)), rng.uniform(0.0, span * 0.6), f"{seed} part {number}")
            for number, kind in enumerate(_some(rng, strategies, rng.randint(2, 9)))
        ),
        mishaps=(
            # Without these the user id is known from the start.
            *(Mishap("config", 0.0, f"{seed} early {number}") for number in range(rng.choice((0, 0, 1, 3)))),
            *(
                Mishap(kind, rng.uniform(0.0, span), f"{seed} mishap {number}")
                for number, kind in enumerate(_some(rng, mishaps, rng.choice((0, 2, 5, 10, 20))))
            ),
        ),
        insts=rng.choice((1, 2, 4, 10)),
        shares=shares,
        rate=1 + rng.uniform(-240e-6, 240e-6),
        grace=rng.choice((least, max(least, 5.0))),
        floor=rng.choice((0.0, 0.0, conditions.inward.delay + conditions.outward.delay)),
        stall=stall,
    )


def _some(rng: Random, weights: dict[str, int], count: int) -> list[str]:
    return rng.choices(list(weights), list(weights.values()), k=count)


def _conditions(rng: Random) -> NetworkConditions:
    inward, outward = rng.choices([row[1:] for row in _PATHS], [row[0] for row in _PATHS])[0]
    return NetworkConditions(
        inward,
        outward,
        coarse=rng.random() < 0.3,
        lag=rng.choice((0.0, 0.0, 0.0, 0.002)),
        freeze=rng.choice((0.0, 0.0, 0.4)),
    )


def _seats(rng: Random, accounts: int, shares: int) -> tuple[Seat, ...]:
    # Assumption 4, and the stated exception: two API keys of one UID only where the user id is given.
    told = [rng.random() < 0.4 for _ in range(accounts)]
    pick: Callable[[], int] = lambda: rng.randrange(accounts)  # noqa: E731 - one draw, named
    seats = []
    for number in range(rng.choice((1, 1, 2, 2, 3, 4))):
        account = pick()
        seats.append(
            Seat(
                account=account,
                key=rng.randrange(3) if told[account] else 0,
                limiter=number % shares,
                knows_user_id=told[account],
                own_session=rng.random() < 0.12,
                timeout=rng.choice((0.3, 1.0, 2.0, 5.0)),
                connect_timeout=rng.choice((0.3, 1.0, 2.0)),
                keepalive=rng.choice((0.5, 3.0, 15.0)),
                max_connections=rng.choice((1, 3, 256, 256, 256)),
                skew=rng.choice((0.0, 0.0, rng.uniform(-27.0, 27.0), rng.choice((-31.5, 31.5, 3600.0)))),
            )
        )
    return tuple(seats)
