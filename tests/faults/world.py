"""One fault in one world: what the caller was told, what the exchange did, and what is left when it is over.

Client, network and exchange are the real ones, in virtual time; nothing here expects anything.
"""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp

import okx_async as okx
from okx_async.simulator import Network, Path, SimulatedExchange, VirtualLoop, run
from okx_async.simulator.endpoints import CLOSE_PATH

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Iterator

    from tests.faults.table import Row

__all__ = ["COLUMNS", "EPOCH", "LEGS", "STRUCK", "Leg", "Observed", "World", "observe"]

EPOCH = 1768519672.0
STRUCK = "BTC-USDT-SWAP"
"""The position that a fault of one request strikes."""
LEGS = (STRUCK, "ETH-USDT-SWAP", "SOL-USDT-SWAP")
REPEATABLE = frozenset({"RATE", "LATER", "CLOCK", "NOT-SENT"})
"""What rules out that a close was executed."""
WARM = "XRP-USDT-SWAP"
TIME_PATH = "/api/v5/public/time"
LIMIT = 20
# s after a request was settled, or lost, at which its token is not free yet, and at which it is
SETTLED = (1.99, 2.02)
DOUBT = (6.99, 7.02)
SILENCE = 40.0
"""s after the call in which nothing more may arrive: longer than any pause and any proxy's patience."""


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
    wrong: list[str]
    """Tokens that are not where they should be, and whatever is left behind."""


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
    ends: dict[str, float]
    """When the last token of each leg was given back."""
    wrong: list[str] = field(default_factory=list)

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


def _end(inst_id: str, end: okx.ClosedPosition | okx.OkxError | None) -> End:
    assert end is not None
    if isinstance(end, okx.OkxError):
        return End(inst_id, type(end).__name__, end.code, end.attempts)
    return End(inst_id, "accepted", "", end.attempts)


async def close_position(world: World) -> list[End]:
    """Make one call."""
    try:
        closed = await world.client.close_position(STRUCK, "cross", max_wait=world.max_wait)
    except okx.OkxError as error:
        return [_end(STRUCK, error)]
    return [_end(STRUCK, closed)]


async def close_positions(world: World) -> list[End]:
    """Make one call of three legs."""
    legs = [okx.ClosePosition(inst_id, "cross") for inst_id in LEGS]
    results = await world.client.close_positions(legs, max_wait=world.max_wait)
    return [_end(result.request.inst_id, result.closed or result.error) for result in results]


@dataclass(frozen=True)
class Column:
    """A kind of call: its ``legs``, and whether it goes over a ``session`` of the caller's.

    ``repeatable``: the outcomes after which it may send again.
    """

    title: str
    legs: tuple[str, ...]
    call: Callable[[World], Awaitable[list[End]]]
    session: bool = False
    repeatable: frozenset[str] = REPEATABLE


# A further one is a line here, and a cell in each row of the table.
COLUMNS = {
    "close_position": Column("`close_position`", (STRUCK,), close_position),
    "close_positions": Column("`close_positions`", LEGS, close_positions),
    "own session": Column("`close_position`, your own session", (STRUCK,), close_position, session=True),
}


def observe(row: Row, column: str) -> Observed:
    """Let a fault happen to a call."""
    legs = COLUMNS[column].legs
    network = Network(seed=row.title, inward=Path(0.03, 0.02), outward=Path(0.03, 0.02))
    complaints: list[str] = []

    async def main(loop: VirtualLoop) -> Observed:
        loop.set_exception_handler(lambda _, what: complaints.append(f"{what['message']}: {what.get('exception')!r}"))
        limiter = okx.Limiter(clock=loop.clock)
        begun = loop.clock()
        ends: dict[str, float] = {}
        wall_clock = lambda: EPOCH + loop.clock() - begun  # noqa: E731 - two uses
        exchange = SimulatedExchange(seed=row.title, clock=loop.clock, wall_clock=wall_clock)
        session = aiohttp.ClientSession() if COLUMNS[column].session else None
        async with exchange:
            client = okx.Client(
                exchange.credentials,
                user_id=exchange.user_id if row.user_id else None,
                base_url=exchange.base_url,
                limiter=limiter,
                session=session,
                wall_clock=wall_clock,
                on_attempt=lambda attempt: ends.update({attempt.request.inst_id: loop.clock()}),
            )
            client._calls._random = lambda: 1.0  # the longest of the pauses
            world = World(loop, network, exchange, client, limiter, row.max_wait, legs, ends)
            for inst_id in legs:
                exchange.open_position(inst_id, 4)
            async with client:
                observed = await _observe(row, world, COLUMNS[column].call)
            if session is not None:
                await session.close()
        await asyncio.sleep(10)  # for the last words of closed connections
        here = asyncio.current_task()
        observed.wrong += [f"{task!r} is left" for task in asyncio.all_tasks() if task is not here]
        observed.wrong += [f"{timer!r} is left" for timer in loop.timers()]
        observed.wrong += [f"{wire.near!r} is left" for wire in network.wires.values()]
        return observed

    observed = run(main, VirtualLoop(network))
    gc.collect()  # an exception that nobody retrieved is told when its task is collected
    observed.wrong += complaints
    return observed


async def _observe(row: Row, world: World, call: Callable[[World], Awaitable[list[End]]]) -> Observed:
    exchange = world.exchange
    await row.arrange(world)
    before = len(exchange.journal)
    world.ends.clear()
    ends = await call(world)
    told = world.loop.clock()
    await _tokens(world, ends, told)
    rows = exchange.journal[before:]
    arrived = [each for each in rows if each.path == CLOSE_PATH and each.fault != "forwarded"]
    return Observed(
        legs=[_leg(end, rows) for end in ends],
        sent=len(arrived),
        late=sum(each.at > told for each in arrived),
        asked=sum(each.path == TIME_PATH for each in rows),
        wrong=world.wrong,
    )


def _leg(end: End, rows: list[Any]) -> Leg:
    return Leg(
        inst_id=end.inst_id,
        told=end.told,
        code=end.code,
        tokens="".join({"settled": "s", "in doubt": "d", "refunded": "r"}[each.token] for each in end.attempts),
        done=sum(each.executed and each.key is not None and each.key[1] == end.inst_id for each in rows),
        outcomes=tuple(each.outcome.value for each in end.attempts),
    )


async def _tokens(world: World, ends: list[End], told: float) -> None:
    """Follow the last token of each leg until all are free again."""
    watched = []
    for end in ends:
        if end.attempts:
            last = end.attempts[-1]
            ended = world.ends[last.request.inst_id]
            lent, free = {"settled": SETTLED, "in doubt": DOUBT, "refunded": (0.0, 0.0)}[last.token]
            watched.append((last.key, last.token, ended + lent, ended + free))
    moments = {told, told + SILENCE, *(at for *_, lent, free in watched for at in (lent, free) if at > told)}
    for moment in sorted(moments):
        await asyncio.sleep(max(0.0, moment - world.loop.clock()))
        for key, token, lent, free in watched:
            world.wrong += _misplaced(world, key, token, lent=lent, free=free)
    if "0 in flight, 0 waiting" not in repr(world.limiter):
        world.wrong.append(repr(world.limiter))


def _misplaced(world: World, key: Hashable, token: str, *, lent: float, free: float) -> Iterator[str]:
    """Yield what is wrong with the tokens of a key now, when the call is over."""
    now, state = world.loop.clock(), world.limiter.statistics(key)
    if state.free + state.in_flight + state.cooling != state.limit or state.limit != LIMIT:
        yield f"a token is lost: {state}"
    if state.in_flight or state.waiting:
        yield f"in flight or waiting after the call: {state}"
    if token != "refunded" and now <= lent and not state.cooling:
        yield f"a token {token} was free {lent - now:.3f} s too early, at the least"
    if now >= free and state.free != LIMIT:
        yield f"a token {token} was not free {now - free:.3f} s after its time: {state}"
