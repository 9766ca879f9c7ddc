"""What is done to a world before, or while, a call is made in it: each function returns such an arrangement."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from okx_async.simulator import Wire
from okx_async.simulator.faults.catalogue import CATALOGUE
from okx_async.simulator.virtual.links import Control
from tests.faults.world import STRUCK, World

Arrange: TypeAlias = Callable[[World], Awaitable[None]]

OF_NO_POSITION = {
    name
    for name, kind in CATALOGUE.items()
    if kind.group in {"has another clock", "another endpoint fails", "the API key is refused"}
}


def strike(*names: str, **options: Any) -> Arrange:
    """Inject faults of the catalogue; those of a position strike `STRUCK`."""

    async def arrange(world: World) -> None:
        for name in names:
            where = {} if name in OF_NO_POSITION else {"inst_id": STRUCK}
            world.exchange.inject(name, **{**where, **options})

    return arrange


def in_turn(*steps: Arrange) -> Arrange:
    """Do one after another."""

    async def arrange(world: World) -> None:
        for step in steps:
            await step(world)

    return arrange


def later(*steps: Arrange) -> Arrange:
    """Do one after another, after a close of something else."""
    return in_turn(World.warm, *steps)


def at_once(act: Callable[[World], object]) -> Arrange:
    """Do something that takes no time."""

    async def arrange(world: World) -> None:
        act(world)

    return arrange


def as_read(act: Callable[[World], object], *others: Arrange) -> Arrange:
    """Do something between the first reading of a flatten and its first close; `others` at once."""

    async def arrange(world: World) -> None:
        await in_turn(*others)(world)
        world.as_read = lambda: act(world)

    return arrange


def on_wires(act: Callable[[Wire], object], after: float = 0.0) -> Arrange:
    """Do something to every connection, of which each leg has one ready, `after` s from the call on."""

    async def arrange(world: World) -> None:
        await world.client.warm_up(len(world.legs))
        await asyncio.sleep(1.0)
        for wire in tuple(world.network.wires.values()):
            if after:
                world.loop.call_later(after, act, wire)
            else:
                act(wire)

    return arrange


def stand_still(seconds: float, after: float) -> Arrange:
    """Let the loop stand still for some seconds, `after` s from the call on, as while a strategy computes."""
    return at_once(lambda world: world.loop.call_later(after, world.loop.freeze, seconds))


async def pause(_: World) -> None:
    """Let the news of a closed connection arrive."""
    await asyncio.sleep(1.0)


async def mended(world: World) -> None:
    """Let the exchange's clock be an hour ahead for the first close only."""
    world.exchange.inject("1 h ahead")
    await world.warm()
    world.exchange.clear_faults()


async def revoke(world: World) -> None:
    """Delete the API key."""
    world.exchange.revoke(world.exchange.credentials)


def hang_up(seconds: float) -> Arrange:
    """Let the server hang up on each connection of the next `seconds` in the turn of the loop in which it is made."""

    async def arrange(world: World) -> None:
        network: Any = world.network
        join = network.join

        def joined(*arguments: Any) -> Any:
            transport, protocol = join(*arguments)
            if world.loop.time() < end:
                transport.arrive(Control.FIN)
            return transport, protocol

        end = world.loop.time() + seconds
        network.join = joined

    return arrange


def cancelled(*after: float) -> Arrange:
    """Cancel the call: `after` has the seconds from the call, and from each cancellation to the next."""

    async def arrange(world: World) -> None:
        world.cancels = after

    return arrange
