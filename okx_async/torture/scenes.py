"""Those who want out, as strategies: a table.

Each scene opens some positions, lets others get at them or the exchange fail at them, and then runs for the exit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import TypeAlias

from okx_async import ClosePosition, PosSide, Priority
from okx_async.simulator.faults.catalogue import POSITIONS_PATH
from okx_async.torture.flatten_records import Wish
from okx_async.torture.position_events import UPSETS, Spot
from okx_async.torture.stage import Desk, Stage

Scene: TypeAlias = "Callable[[Stage, Desk, Random], Awaitable[None]]"


def _upset(stage: Stage, rng: Random, spot: Spot) -> None:
    kinds = rng.choices(list(UPSETS), [row[0] for row in UPSETS.values()], k=rng.choice((0, 1, 1, 2)))
    for kind in kinds:
        stage.note(f"UPSET {spot.inst_id} {spot.mgn_mode} {spot.pos_side}: {UPSETS[kind][1](stage, rng, spot)}")
        stage.struck += 1


async def _positions(stage: Stage, desk: Desk, rng: Random, *, pairs: bool = True) -> list[Spot]:
    """Open a few, some of them on the instruments that the other strategies crowd on."""
    account = stage.accounts[desk.seat.account]
    two_sided = account.pos_mode == "long_short_mode"
    spots = []
    for number in range(rng.choice((1, 1, 2, 3, 6))):
        own = f"F{number}-USDT" if pairs and rng.random() < 0.1 else f"F{number}-USDT-SWAP"
        inst_id = stage.inst_id(rng) if rng.random() < 0.2 else own
        swap = inst_id.endswith("SWAP")
        pos_side: PosSide = rng.choice(("long", "short")) if two_sided and swap else "net"
        sign = rng.choice((1, -1)) if swap and not two_sided else 1
        spot = Spot(account, inst_id, rng.choice(("cross", "cross", "isolated")), pos_side, sign * rng.randrange(2, 9))
        stage.exchange.open_position(inst_id, spot.pos, **spot.place)
        _upset(stage, rng, spot)
        spots.append(spot)
    await _overtaken(stage, desk, spots[0])
    return spots


async def _overtaken(stage: Stage, desk: Desk, spot: Spot) -> None:
    """Now and then let its first close wait for its slot, and then behind a slow reading: too long for what is known.

    Drawn apart: what else happens stays what it is without it.
    """
    rng = Random(f"{stage.plan.seed} {stage.loop.clock()} overtaken")
    key = desk.client.limiter_key(spot.inst_id)
    if rng.random() < 0.6:
        return
    await stage.limiters[desk.seat.limiter].block(key, rng.uniform(0.9, 2.0), refused=False)
    late, pos = rng.uniform(0.9, 2.0), rng.choice((0, spot.pos))
    stage.exchange.inject(path=POSITIONS_PATH, delay=late, counted=False, user_id=spot.account.user_id, after=1)
    stage.exchange.reopen(
        spot.inst_id, pos, spot.mgn_mode, spot.pos_side, after=rng.uniform(0.2, 1.5), account=spot.account
    )
    stage.note(f"UPSET {spot.inst_id}: late for its slot, a reading {late:.2f} s late, and reopened as {pos}")


def _wish(rng: Random, spots: list[Spot]) -> Wish:
    names = tuple(dict.fromkeys(spot.inst_id for spot in spots))
    return Wish(
        rng.choice((None, None, names, names, names[: len(names) // 2 + 1])),
        side=rng.choice(("", "", "", "long", "short")),
        mgn_mode=rng.choice(("", "", "", "", "cross")),
    )


async def _flatten(stage: Stage, desk: Desk, rng: Random, wish: Wish) -> None:
    escape = stage.escape(desk, wish, rng.choice((0.3, 2.0, 8.0, 30.0)))
    priority = rng.choice((Priority.PANIC, Priority.PANIC, Priority.NORMAL))
    try:
        await escape.flatten(desk.client, auto_cxl=rng.random() < 0.7, priority=priority)
    finally:
        stage.note(f"{escape.name} told: {escape.told} {bool(escape.report)} {escape.words[:200]}")


async def flatten(stage: Stage, desk: Desk, rng: Random) -> None:
    """Get out."""
    await _flatten(stage, desk, rng, _wish(rng, await _positions(stage, desk, rng)))


async def twice(stage: Stage, desk: Desk, rng: Random) -> None:
    """Get out twice at once, from one client or from two of the same account."""
    spots = await _positions(stage, desk, rng)
    other = rng.choice([one for one in stage.desks if one.seat.account == desk.seat.account])
    wishes = [_wish(rng, spots), _wish(rng, spots)]

    async def later() -> None:
        await asyncio.sleep(rng.choice((0.0, 0.0, rng.uniform(0.0, 2.0))))
        await _flatten(stage, other, rng, wishes[1])

    async with asyncio.TaskGroup() as group:
        group.create_task(_flatten(stage, desk, rng, wishes[0]))
        group.create_task(later())


def _give_up(stage: Stage, rng: Random, task: asyncio.Task[None]) -> None:
    """Cancel it after a while, or a moment after some close was answered, when little is proven yet."""
    if rng.random() < 0.5:
        stage.loop.call_later(rng.choice((rng.uniform(0.0, 0.3), rng.uniform(0.0, 3.0))), task.cancel)
        return

    def tell() -> None:
        over()
        stage.loop.call_later(rng.uniform(0.0, rng.choice((0.3, 1.0))), task.cancel)

    def over(_: object = None) -> None:
        with suppress(ValueError):
            stage.listeners.remove(tell)

    stage.listeners.append(tell)
    task.add_done_callback(over)


async def again(stage: Stage, desk: Desk, rng: Random) -> None:
    """Get out, give that up in the middle, and run it again."""
    wish = _wish(rng, await _positions(stage, desk, rng))
    first = asyncio.ensure_future(_flatten(stage, desk, rng, wish))
    _give_up(stage, rng, first)
    with suppress(asyncio.CancelledError):
        await first
    await _flatten(stage, desk, rng, wish)


async def confirm(stage: Stage, desk: Desk, rng: Random) -> None:
    """Close each and have it confirmed, some twice at once, some given up."""
    spots = await _positions(stage, desk, rng, pairs=False)

    async def one(spot: Spot) -> None:
        request = ClosePosition(
            spot.inst_id,
            spot.mgn_mode,
            pos_side=None if spot.pos_side == "net" else spot.pos_side,
            auto_cxl=rng.random() < 0.7,
        )
        escape = stage.escape(desk, Wish((spot.inst_id,)), rng.choice((0.5, 3.0, 10.0)), rng.choice((0.5, 5.0, 20.0)))
        try:
            await escape.confirm(desk.client, request, rng.choice((Priority.PANIC, Priority.NORMAL)))
        finally:
            stage.note(f"{escape.name} told: {escape.told} {escape.words[:200]}")

    async with asyncio.TaskGroup() as group:
        for spot in spots:
            for _ in range(rng.choice((1, 1, 1, 2))):
                task = group.create_task(one(spot))
                if rng.random() < 0.3:
                    _give_up(stage, rng, task)


# A scene and its weight among the others.
SCENES: dict[str, tuple[int, Scene]] = {
    "flatten": (5, flatten),
    "flatten twice": (3, twice),
    "flatten again": (4, again),
    "confirm": (3, confirm),
}
