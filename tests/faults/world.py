"""One fault in one world: what the caller was told, what the exchange did, and what is left when it is over.

Client, network and exchange are the real ones, in virtual time; nothing here expects anything.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp

import okx_async as okx
from okx_async.simulator import JournalRow, Network, Path, SimulatedExchange, VirtualLoop, run
from okx_async.simulator.api.endpoints import CLOSE_PATH
from tests.faults import judge

if TYPE_CHECKING:
    from tests.faults.calls import Column
    from tests.faults.cells import Row

__all__ = ["EPOCH", "STRUCK", "End", "Ends", "Leg", "Observed", "World", "observe"]

EPOCH = 1768519672.0
STRUCK = "BTC-USDT-SWAP"
"""The position that a fault of one request strikes."""
WARM = "XRP-USDT-SWAP"
TIME_PATH = "/api/v5/public/time"


@dataclass(frozen=True)
class Leg:
    """What became of one close."""

    inst_id: str
    told: str
    code: str
    tokens: str
    """Of each attempt: s settled, d in doubt, r refunded."""
    done: int
    """How often the exchange executed it."""
    outcomes: tuple[str, ...]


@dataclass
class Observed:
    """What became of one call."""

    legs: list[Leg]
    sent: int
    """Closes that arrived, at the exchange or at a proxy before it."""
    late: int
    """Of these, after the caller was told what became of it."""
    asked: int
    """How often the exchange was asked for its time."""
    flat: bool | None
    """What the report of a flatten says; None: there is none."""
    more: tuple[str, ...]
    """The states of its rows that are about no leg."""
    wrong: list[str]
    """Tokens that are not where they should be, words that the books refute, and whatever is left behind."""


@dataclass
class World:
    """Where one fault happens."""

    loop: VirtualLoop
    network: Network
    exchange: SimulatedExchange
    client: okx.Client
    limiter: okx.Limiter
    max_wait: float | None
    legs: tuple[str, ...]
    ended: list[tuple[okx.Attempt, float]]
    """Every attempt of a close, and when its token was given back."""
    wrong: list[str] = field(default_factory=list)
    as_read: Callable[[], object] | None = None
    """To be called once a flatten has made its first reading."""

    async def warm(self) -> None:
        """Close something else, so that there is a connection and a past."""
        self.exchange.open_position(WARM, 1)
        closed = await self.client.close_position(WARM, "cross")
        assert closed.attempts


@dataclass(frozen=True)
class End:
    """What a call says of one position, in the words of the table."""

    inst_id: str
    told: str
    code: str
    attempts: tuple[okx.Attempt, ...]


@dataclass(frozen=True)
class Ends:
    """What a call says of each leg; of a flatten, its report, and the states of its rows that are about no leg."""

    legs: list[End]
    report: okx.FlattenReport | None = None
    more: tuple[str, ...] = ()


def observe(row: Row, columns: dict[str, Column]) -> dict[str, Observed]:
    """Let a fault happen to each kind of call, in a world of its own."""
    told = {column: _observe(row, columns[column]) for column in row.cells}
    gc.collect()  # an exception that nobody retrieved is told when its task is collected
    for observed, complaints in told.values():
        observed.wrong += complaints
    return {column: observed for column, (observed, _) in told.items()}


def _observe(row: Row, column: Column) -> tuple[Observed, list[str]]:
    network = Network(seed=row.title, inward=Path(0.03, 0.02), outward=Path(0.03, 0.02))
    complaints: list[str] = []

    async def main(loop: VirtualLoop) -> Observed:
        loop.set_exception_handler(lambda _, what: complaints.append(f"{what['message']}: {what.get('exception')!r}"))
        limiter = okx.Limiter(clock=loop.clock)
        begun = loop.clock()
        ended: list[tuple[okx.Attempt, float]] = []
        wall_clock = lambda: EPOCH + loop.clock() - begun  # noqa: E731 - two uses
        exchange = SimulatedExchange(seed=row.title, clock=loop.clock, wall_clock=wall_clock, **row.options)
        session = aiohttp.ClientSession() if column.session else None
        async with exchange:
            client = okx.Client(
                exchange.credentials,
                user_id=exchange.user_id if row.user_id else None,
                base_url=exchange.base_url,
                limiter=limiter,
                session=session,
                wall_clock=wall_clock,
                on_attempt=lambda attempt: ended.append((attempt, loop.clock())),
            )
            client._caller._random = lambda: 1.0  # the longest of the pauses
            world = World(loop, network, exchange, client, limiter, row.max_wait, column.legs, ended)
            for inst_id in column.legs:
                exchange.open_position(inst_id, 4)
            async with client:
                observed = await _happen(row, world, column)
            if session is not None:
                await session.close()
        await asyncio.sleep(10)  # for the last words of closed connections
        here = asyncio.current_task()
        observed.wrong += [f"{task!r} is left" for task in asyncio.all_tasks() if task is not here]
        observed.wrong += [f"{timer!r} is left" for timer in loop.timers()]
        observed.wrong += [f"{wire.near!r} is left" for wire in network.wires.values()]
        return observed

    return run(main, VirtualLoop(network)), complaints


async def _happen(row: Row, world: World, column: Column) -> Observed:
    exchange = world.exchange
    await row.arrange(world)
    before, held = len(exchange.journal), judge.held(exchange.trades)
    world.ended.clear()
    ends = await column.call(world)
    told = world.loop.clock()
    here = [each for each in exchange.journal[before:] if each.at <= told]
    if ends.report is not None:
        world.wrong += judge.refuted(ends.report, here, exchange.trades)
    await judge.follow_tokens(world, ends, told)
    rows = exchange.journal[before:]
    if ends.report is not None:
        world.wrong += judge.harmful(ends.report, rows, exchange.trades, held)
    arrived = [each for each in rows if each.path == CLOSE_PATH and each.fault != "forwarded"]
    return Observed(
        legs=[_leg(end, rows) for end in ends.legs],
        sent=len(arrived),
        late=sum(each.at > told for each in arrived),
        asked=sum(each.path == TIME_PATH for each in rows),
        flat=None if ends.report is None else ends.report.flat,
        more=ends.more,
        wrong=world.wrong,
    )


def _leg(end: End, rows: list[JournalRow]) -> Leg:
    return Leg(
        inst_id=end.inst_id,
        told=end.told,
        code=end.code,
        tokens="".join({"settled": "s", "in doubt": "d", "refunded": "r"}[each.token] for each in end.attempts),
        done=sum(each.executed and each.key is not None and each.key[1] == end.inst_id for each in rows),
        outcomes=tuple(each.outcome.value for each in end.attempts),
    )
