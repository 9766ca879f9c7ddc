"""What a row of the matrix is made of: what must become of each kind of call, and what is done to its world."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from okx_async.simulator import Wire
from okx_async.simulator.faults.catalogue import CATALOGUE
from tests.faults.world import STRUCK, World

Arrange: TypeAlias = "Callable[[World], Awaitable[None]]"

__all__ = [
    "Arrange",
    "Cell",
    "Row",
    "absent",
    "accepted",
    "as_read",
    "at_once",
    "later",
    "left",
    "on_wires",
    "out",
    "pause",
    "refused",
    "revoke",
    "strike",
    "unknown",
    "unread",
    "unsent",
]


@dataclass(frozen=True)
class Cell:
    """What must become of a call.

    ``told``: the class of the error, "accepted", or the state of its row; ``done``: closes of the position that is
    struck; ``sent``: how often its request arrives; ``tokens``: of each attempt, s settled, d in doubt, r refunded;
    ``all``: whether the other legs meet the same, else they are closed at once; ``asked``: how often the exchange is
    asked for its time; ``late``: how often it arrives after the caller was told. Of a flatten: ``flat``, what the
    report says, None if there is none; ``others``: the state of the other legs, if another one than "closed";
    ``more``: the states of rows that are about neither.
    """

    told: str
    code: str = ""
    done: int = 0
    sent: int = 1
    tokens: str = "s"
    all: bool = False
    asked: int = 0
    late: int = 0
    flat: bool | None = None
    others: str = ""
    more: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """A fault, and what must become of it.

    ``user_id``: whether the client is given it; ``max_wait``: of the call, the deadline of a flatten; ``options``: of
    the exchange.
    """

    group: str
    title: str
    arrange: Arrange
    cells: dict[str, Cell]
    user_id: bool = True
    max_wait: float | None = None
    options: dict[str, Any] = field(default_factory=dict)


# --- a close ---


def accepted(sent: int = 1, tokens: str = "s", *, asked: int = 0, all: bool = False) -> Cell:  # noqa: A002 - as in Cell
    """It is closed, once."""
    return Cell("accepted", "", 1, sent, tokens, all, asked)


def unknown(code: str = "", *, done: int, sent: int = 1, all: bool = False) -> Cell:  # noqa: A002
    """It may have been closed: sent once, and its slot is in doubt."""
    return Cell("OutcomeUnknownError", code, done, sent, "d", all)


def refused(
    told: str,
    code: str = "",
    sent: int = 1,
    tokens: str = "s",
    *,
    asked: int = 0,
    all: bool = False,  # noqa: A002
) -> Cell:
    """It was not closed."""
    return Cell(told, code, 0, sent, tokens, all, asked)


def unsent(tokens: str) -> Cell:
    """It never left, as often as it was tried; whoever is first meets what all meet."""
    return Cell("NotSentError", "", 0, 0, tokens, all=True)


# --- a flatten ---


def out(
    tokens: str = "s",
    told: str = "closed",
    *,
    sent: int | None = None,
    done: int = 1,
    asked: int = 0,
    all: bool = False,  # noqa: A002
) -> Cell:
    """It is gone, and proven gone."""
    return Cell(told, "", done, len(tokens) if sent is None else sent, tokens, all, asked, flat=True)


def left(told: str, code: str = "", tokens: str = "s", *, sent: int | None = None, done: int = 0, **more: Any) -> Cell:
    """It still stands there, or something does, or nobody can tell."""
    return Cell(told, code, done, len(tokens) if sent is None else sent, tokens, flat=False, **more)


def unread(told: str, code: str = "", *, asked: int = 0) -> Cell:
    """The first reading failed: that is raised, and nothing was sent."""
    return Cell(told, code, 0, 0, "", all=True, asked=asked)


def absent() -> Cell:
    """It was not there any more."""
    return Cell("no row", "", 0, 0, "", flat=True)


# --- what is done to a world ---


def strike(*names: str, **options: Any) -> Arrange:
    """Let faults of the catalogue strike the position, or whatever else they are of."""

    async def arrange(world: World) -> None:
        for name in names:
            whose = {} if name in EVERYWHERE else {"inst_id": STRUCK}
            world.exchange.inject(name, **{**whose, **options})

    return arrange


def later(*steps: Arrange) -> Arrange:
    """Do one after another, after a close of something else."""

    async def arrange(world: World) -> None:
        await world.warm()
        for step in steps:
            await step(world)

    return arrange


def at_once(act: Callable[[World], object]) -> Arrange:
    """Do something that takes no time."""

    async def arrange(world: World) -> None:
        act(world)

    return arrange


def as_read(act: Callable[[World], object], *others: Arrange) -> Arrange:
    """Do something as soon as a flatten has read what there is to close, before it sends anything; `others` at once."""

    async def arrange(world: World) -> None:
        for other in others:
            await other(world)
        world.as_read = lambda: act(world)

    return arrange


def on_wires(act: Callable[[Wire], object], after: float = 0.0) -> Arrange:
    """Do something to every connection, with one for each leg standing ready; `after` s from the call on."""

    async def arrange(world: World) -> None:
        await world.client.warm_up(len(world.legs))
        await asyncio.sleep(1.0)
        for wire in tuple(world.network.wires.values()):
            if after:
                world.loop.call_later(after, act, wire)
            else:
                act(wire)

    return arrange


async def pause(_: World) -> None:
    """Let the word of it arrive."""
    await asyncio.sleep(1.0)


async def mended(world: World) -> None:
    """Let the exchange's clock be an hour ahead for the first close."""
    world.exchange.inject("1 h ahead")
    await world.warm()
    world.exchange.clear_faults()


async def revoke(world: World) -> None:
    """Delete the API key."""
    world.exchange.revoke(world.exchange.credentials)


EVERYWHERE = {
    name
    for name, kind in CATALOGUE.items()
    if kind.group in {"has another clock", "another endpoint fails", "the API key is refused"}
}
