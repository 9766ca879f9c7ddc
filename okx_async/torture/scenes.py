"""Strategies that flatten or close with confirmation, as a table.

Each scene opens some positions, lets position events happen to them, and then closes them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import TypeAlias

from okx_async import ClosePosition, PosSide, Priority
from okx_async.simulator.faults.catalogue import POSITIONS_PATH
from okx_async.torture.flatten_records import FlattenScope
from okx_async.torture.position_events import EVENTS, ScenePosition
from okx_async.torture.resting_orders import place_orders
from okx_async.torture.stage import Desk, Stage

ORDERS_SHARE = 0.4
"""The share of flattens that cancel orders."""

Scene: TypeAlias = Callable[[Stage, Desk, Random], Awaitable[None]]


def _apply_events(stage: Stage, rng: Random, position: ScenePosition) -> None:
    kinds = rng.choices(list(EVENTS), [row[0] for row in EVENTS.values()], k=rng.choice((0, 1, 1, 2)))
    for kind in kinds:
        stage.note(
            f"UPSET {position.inst_id} {position.mgn_mode} {position.pos_side}: {EVENTS[kind][1](stage, rng, position)}"
        )
        stage.mishap_count += 1


async def _positions(stage: Stage, desk: Desk, rng: Random, *, pairs: bool = True) -> list[ScenePosition]:
    """Open a few positions, some of them on the instruments that the other strategies share."""
    account = stage.accounts[desk.seat.account]
    two_sided = account.pos_mode == "long_short_mode"
    positions = []
    for number in range(rng.choice((1, 1, 2, 3, 6))):
        own = f"F{number}-USDT" if pairs and rng.random() < 0.1 else f"F{number}-USDT-SWAP"
        inst_id = stage.inst_id(rng) if rng.random() < 0.2 else own
        swap = inst_id.endswith("SWAP")
        pos_side: PosSide = rng.choice(("long", "short")) if two_sided and swap else "net"
        sign = rng.choice((1, -1)) if swap and not two_sided else 1
        position = ScenePosition(
            account, inst_id, rng.choice(("cross", "cross", "isolated")), pos_side, sign * rng.randrange(2, 9)
        )
        stage.exchange.open_position(inst_id, position.pos, **position.address)
        _apply_events(stage, rng, position)
        positions.append(position)
    _refused_for_long(stage, positions[-1])
    _newcomer(stage, positions[0])
    _slow_to_connect(stage, positions)
    await _overtaken(stage, desk, positions[0])
    return positions


def _refused_for_long(stage: Stage, position: ScenePosition) -> None:
    """Now and then refuse the closes of a position for a passing reason, longer than they are repeated."""
    rng = Random(f"{stage.plan.seed} {stage.loop.clock()} refused for long")
    code = rng.choice(("50001", "50005", "50046", "50009"))
    if rng.random() < 0.2:
        stage.exchange.inject(code=code, inst_id=position.inst_id, user_id=position.account.user_id, times=9)
        stage.note(f"UPSET {position.inst_id}: {code}, nine times")
        stage.mishap_count += 1


def _newcomer(stage: Stage, position: ScenePosition) -> None:
    """Now and then open a position at an address that held nothing when the flatten began.

    The draws are separate, so that everything else happens as it would without it.
    """
    rng = Random(f"{stage.plan.seed} {stage.loop.clock()} newcomer")
    if rng.random() < 0.7:
        return
    two_sided, after = position.account.pos_mode == "long_short_mode", rng.uniform(0.05, 3.0)
    if rng.random() < 0.5:
        newcomer = replace(position, inst_id="N0-USDT-SWAP", pos_side="long" if two_sided else "net")
    else:
        newcomer = replace(position, mgn_mode="isolated" if position.mgn_mode == "cross" else "cross")
    stage.exchange.reopen(newcomer.inst_id, newcomer.pos, after=after, **newcomer.address)
    stage.note(f"UPSET {newcomer.inst_id} {newcomer.mgn_mode}: another trader opens it after {after:.2f} s")
    stage.mishap_count += 1


def _slow_to_connect(stage: Stage, positions: list[ScenePosition]) -> None:
    """Now and then let a close wait for its connection until others were closed, and its position was replaced.

    One of the others may be refused at first, so that positions are read meanwhile over the connection that it had.

    The draws are separate, so that everything else happens as it would without it.
    """
    rng = Random(f"{stage.plan.seed} {stage.loop.clock()} slow to connect")
    if rng.random() < 0.7:
        return
    position, other = positions[-1], positions[0]
    by, after, pos = rng.uniform(0.2, 0.9), rng.uniform(0.0, 0.2), rng.choice((0, position.pos))
    if other is not position and rng.random() < 0.7:
        by, after = rng.uniform(0.8, 1.8), rng.uniform(0.1, 0.8)
        stage.exchange.inject(code="50001", inst_id=other.inst_id, user_id=other.account.user_id)
        stage.note(f"UPSET {other.inst_id}: 50001, once")
    stage.network.slow_down(0.5, by)
    stage.exchange.reopen(position.inst_id, pos, after=after, **position.address)
    stage.note(f"UPSET {position.inst_id}: connecting takes {by:.2f} s more, reopened as {pos} after {after:.2f} s")
    stage.mishap_count += 1


async def _overtaken(stage: Stage, desk: Desk, position: ScenePosition) -> None:
    """Now and then delay the first close, by a block and then by a slow reading, until its first reading is too old.

    The draws are separate, so that everything else happens as it would without it.
    """
    rng = Random(f"{stage.plan.seed} {stage.loop.clock()} overtaken")
    key = desk.client.limiter_key(position.inst_id)
    if rng.random() < 0.6:
        return
    await stage.limiters[desk.seat.limiter].block(key, rng.uniform(0.9, 2.0), refused=False)
    late, pos = rng.uniform(0.9, 2.0), rng.choice((0, position.pos))
    stage.exchange.inject(path=POSITIONS_PATH, delay=late, counted=False, user_id=position.account.user_id, after=1)
    stage.exchange.reopen(
        position.inst_id,
        pos,
        position.mgn_mode,
        position.pos_side,
        after=rng.uniform(0.2, 1.5),
        account=position.account,
    )
    stage.note(f"UPSET {position.inst_id}: late for its slot, a reading {late:.2f} s late, and reopened as {pos}")


def _scope(rng: Random, positions: list[ScenePosition]) -> FlattenScope:
    names = tuple(dict.fromkeys(position.inst_id for position in positions))
    return FlattenScope(
        rng.choice((None, None, names, names, names[: len(names) // 2 + 1])),
        side=rng.choice(("", "", "", "long", "short")),
        mgn_mode=rng.choice(("", "", "", "", "cross")),
    )


async def _flatten(stage: Stage, desk: Desk, rng: Random, scope: FlattenScope) -> None:
    record = stage.begin_flatten(desk, scope, rng.choice((0.3, 2.0, 8.0, 30.0)))
    priority = rng.choice((Priority.PANIC, Priority.PANIC, Priority.NORMAL))
    own = Random(f"{stage.plan.seed} {record.name} orders")
    if own.random() < ORDERS_SHARE:
        record.look_again = own.choice((0.0, 0.5, 2.0))
        record.orders = place_orders(stage, desk, scope, own)
        stage.note(f"{record.name} is to cancel orders, look again {record.look_again:g} s: {record.orders}")
    try:
        await record.flatten(desk.client, auto_cxl=rng.random() < 0.7, priority=priority)
    finally:
        stage.note(f"{record.name} told: {record.told} {bool(record.report)} {record.words[:200]}")


async def flatten(stage: Stage, desk: Desk, rng: Random) -> None:
    """Flatten once."""
    await _flatten(stage, desk, rng, _scope(rng, await _positions(stage, desk, rng)))


async def twice(stage: Stage, desk: Desk, rng: Random) -> None:
    """Flatten twice at once, from one client or from two of the same account."""
    positions = await _positions(stage, desk, rng)
    other = rng.choice([one for one in stage.desks if one.seat.account == desk.seat.account])
    scopes = [_scope(rng, positions), _scope(rng, positions)]

    async def later() -> None:
        await asyncio.sleep(rng.choice((0.0, 0.0, rng.uniform(0.0, 2.0))))
        await _flatten(stage, other, rng, scopes[1])

    async with asyncio.TaskGroup() as group:
        group.create_task(_flatten(stage, desk, rng, scopes[0]))
        group.create_task(later())


def cancel_hard(task: asyncio.Task[None], rng: Random) -> None:
    """Cancel a task, perhaps again while the first cancellation is worked off."""
    task.cancel()
    loop = task.get_loop()

    def again(turns: int) -> None:
        if turns:
            loop.call_soon(again, turns - 1)
        else:
            task.cancel()

    if rng.random() < 0.3:
        again(rng.randrange(4))


def _give_up(stage: Stage, rng: Random, task: asyncio.Task[None]) -> None:
    """Cancel a task after a while, or a moment after a close was answered, when little is proven yet."""
    if rng.random() < 0.5:
        stage.loop.call_later(rng.choice((rng.uniform(0.0, 0.3), rng.uniform(0.0, 3.0))), cancel_hard, task, rng)
        return

    def notify() -> None:
        over()
        stage.loop.call_later(rng.uniform(0.0, rng.choice((0.3, 1.0))), cancel_hard, task, rng)

    def over(_: object = None) -> None:
        with suppress(ValueError):
            stage.listeners.remove(notify)

    stage.listeners.append(notify)
    task.add_done_callback(over)


async def again(stage: Stage, desk: Desk, rng: Random) -> None:
    """Flatten, cancel that in the middle, and flatten again."""
    scope = _scope(rng, await _positions(stage, desk, rng))
    first = asyncio.ensure_future(_flatten(stage, desk, rng, scope))
    _give_up(stage, rng, first)
    with suppress(asyncio.CancelledError):
        await first
    await _flatten(stage, desk, rng, scope)


async def confirm(stage: Stage, desk: Desk, rng: Random) -> None:
    """Close each position with confirmation, some twice at once, some cancelled."""
    positions = await _positions(stage, desk, rng, pairs=False)

    async def one(position: ScenePosition) -> None:
        request = ClosePosition(
            position.inst_id,
            position.mgn_mode,
            pos_side=None if position.pos_side == "net" else position.pos_side,
            auto_cxl=rng.random() < 0.7,
        )
        record = stage.begin_flatten(
            desk, FlattenScope((position.inst_id,)), rng.choice((0.5, 3.0, 10.0)), rng.choice((0.5, 5.0, 20.0))
        )
        try:
            await record.confirm(desk.client, request, rng.choice((Priority.PANIC, Priority.NORMAL)))
        finally:
            stage.note(f"{record.name} told: {record.told} {record.words[:200]}")

    async with asyncio.TaskGroup() as group:
        for position in positions:
            for _ in range(rng.choice((1, 1, 1, 2))):
                task = group.create_task(one(position))
                if rng.random() < 0.3:
                    _give_up(stage, rng, task)


# A scene and its weight among the others.
SCENES: dict[str, tuple[int, Scene]] = {
    "flatten": (5, flatten),
    "flatten twice": (3, twice),
    "flatten again": (4, again),
    "confirm": (3, confirm),
}
