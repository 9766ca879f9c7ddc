"""Strategies that stand in an exit's way, as a table: pollers, closes that are joined or made beside it, and a hog."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import TypeAlias

import aiohttp

from okx_async import ClosePosition, MgnMode, OkxError, PosSide, Priority
from okx_async.torture.another_program import close_as_another
from okx_async.torture.scenes import cancel_hard
from okx_async.torture.stage import Desk, Stage
from okx_async.torture.witness import Address, address_of, address_of_request

Rival: TypeAlias = Callable[[Stage, Desk, Random], Awaitable[None]]
Place: TypeAlias = tuple[str, MgnMode, PosSide]
NORMAL, PANIC = Priority.NORMAL, Priority.PANIC


async def pollers(stage: Stage, desk: Desk, rng: Random) -> None:
    """Read positions in tight loops."""
    end = stage.loop.clock() + rng.uniform(2.0, 12.0)

    async def poll() -> None:
        while stage.loop.clock() < end:
            try:
                await desk.client.positions()
            except (OkxError, RuntimeError):
                await asyncio.sleep(0.05)  # a client that is closed answers at once

    async with asyncio.TaskGroup() as group:
        for _ in range(rng.choice((2, 3, 5))):
            group.create_task(poll())


async def joiners(stage: Stage, desk: Desk, rng: Random) -> None:
    """Close positions of one instrument by several callers each; some are cancelled, some have little time."""
    two_sided = stage.accounts[desk.seat.account].pos_mode == "long_short_mode"
    for _ in range(rng.choice((1, 2, 4))):
        inst_id = rng.choice((stage.inst_id(rng), "J0-USDT-SWAP"))
        sides: tuple[PosSide, ...] = ("long", "short") if two_sided and inst_id.endswith("SWAP") else ("net",)
        modes: tuple[MgnMode, ...] = ("cross", "isolated")
        places: list[Place] = [(inst_id, mode, side) for mode in modes for side in sides]
        for place in places:
            _open(stage, desk, place)
        async with asyncio.TaskGroup() as group:
            for _ in range(rng.randint(2, 12)):
                group.create_task(_joined(stage, desk, rng, rng.choice(places)))
                await asyncio.sleep(rng.choice((0.0, 0.0, rng.uniform(0.0, 0.2))))
        await asyncio.sleep(rng.uniform(0.0, 1.0))


async def beside(stage: Stage, desk: Desk, rng: Random) -> None:
    """Close the positions that flattens of this client are closing, joined or plain."""
    async with asyncio.TaskGroup() as group:
        for _ in range(rng.choice((3, 8, 20))):
            for place in _being_closed(stage, desk)[:3]:
                call = stage.begin(desk, _request(stage, place, auto_cxl=rng.random() < 0.5), NORMAL, 3.0)
                call.join = rng.random() < 0.5
                group.create_task(stage.make(desk, call))
            await asyncio.sleep(rng.choice((0.02, 0.1, rng.uniform(0.0, 1.0))))


async def hog(stage: Stage, desk: Desk, rng: Random) -> None:
    """Ask for 20 to 30 closes in 2 s on one key, as another program without a limiter, where the plan has one."""
    if not stage.plan.accounts[desk.seat.account].foreign:
        return
    open_now = _being_closed(stage, desk)
    inst_id = open_now[0][0] if open_now else stage.inst_id(rng)
    pause = 2.0 / rng.choice((20, 22, 30))
    end = stage.loop.clock() + rng.uniform(3.0, 12.0)
    async with aiohttp.ClientSession(stage.exchange.base_url) as session, asyncio.TaskGroup() as group:
        while stage.loop.clock() < end:
            group.create_task(close_as_another(stage, desk, session, inst_id, "isolated"))
            await asyncio.sleep(pause)


async def _joined(stage: Stage, desk: Desk, rng: Random, place: Place) -> None:
    """Make one call that may be joined; cancel it after a while, now and then."""
    request = _request(stage, place, auto_cxl=rng.random() < 0.5)
    call = stage.begin(desk, request, rng.choice((NORMAL, NORMAL, PANIC)), rng.choice((None, None, 0.0, 0.3, 3.0)))
    call.join = True
    task = asyncio.ensure_future(stage.make(desk, call))
    if rng.random() < 0.3:
        await asyncio.wait({task}, timeout=rng.choice((0.0, rng.uniform(0.0, 0.1), rng.uniform(0.0, 1.0))))
        call.stopped = not task.done()
        cancel_hard(task, rng)
    with suppress(asyncio.CancelledError):
        await task


def _open(stage: Stage, desk: Desk, place: Place) -> None:
    inst_id, mode, side = place
    stage.exchange.open_position(inst_id, 3, mode, side, account=stage.accounts[desk.seat.account])


def _request(stage: Stage, place: Place, *, auto_cxl: bool) -> ClosePosition:
    inst_id, mode, side = place
    return ClosePosition(
        inst_id, mode, pos_side=None if side == "net" else side, auto_cxl=auto_cxl, cl_ord_id=stage.name()
    )


def _being_closed(stage: Stage, desk: Desk) -> list[Place]:
    """Return the positions that flattens and confirmed closes of this seat are closing now; pairs apart."""
    addresses: dict[Address, None] = {}
    for record in stage.flattens.values():
        if record.ended is None and record.seat == desk.number:
            addresses |= dict.fromkeys(map(address_of, record.taken_up))
            if record.request is not None:
                addresses[address_of_request(record.request)] = None
    return [(one.inst_id, one.mgn_mode, one.pos_side) for one in addresses if not one.ccy]  # type: ignore[misc]


# A rival and its weight among the others.
RIVALS: dict[str, tuple[int, Rival]] = {
    "pollers": (3, pollers),
    "joiners": (4, joiners),
    "beside": (4, beside),
    "hog": (2, hog),
}
