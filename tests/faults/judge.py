"""Faults that are looked for in every world, whatever the table expects: lost tokens, false reports, harmful closes.

They are judged by the exchange's own books and journal, which share no code with the client.
"""

import asyncio
from collections.abc import Hashable, Iterable, Iterator
from itertools import pairwise
from math import inf
from typing import Any, TypeAlias

import okx_async as okx
from okx_async import FlattenState, Outcome
from okx_async.simulator import JournalRow, Trade
from okx_async.simulator.api.endpoints import CLOSE_PATH
from okx_async.simulator.faults.catalogue import POSITIONS_PATH
from tests.faults.world import Ends, World

LIMIT = 20
LENT = {"settled": (1.99, 2.02), "in doubt": (6.99, 7.02), "refunded": (-1.0, 0.0)}
"""s after the end of a request: the last moment at which its token is not free yet, and the first at which it is."""
SILENCE = 40.0
"""s after the call in which nothing more may arrive: longer than any pause and any proxy's patience."""
FRESH = 1.06
"""s from a reading to a close that relies on it, both as they arrive."""
STILL = 2.0
"""s that a position stands still before it is closed again."""
GONE = {FlattenState.CLOSED, FlattenState.ALREADY_FLAT}
MAY_MOVE = {Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.WAIT, Outcome.FLAT, Outcome.FROZEN}

Identity: TypeAlias = tuple[str, str, str, int]


# --- tokens ---


async def follow_tokens(world: World, ends: Ends, told: float) -> None:
    """Follow every token that the call took until all are free again; `told`: when its caller was told."""
    attempts = [attempt for end in ends.legs for attempt in end.attempts]
    if sorted(map(id, attempts)) != sorted(id(attempt) for attempt, _ in world.ended):
        world.wrong.append(f"told of other attempts than it returned: {attempts}, {world.ended}")
    lent: dict[Hashable, list[tuple[float, float]]] = {}
    for attempt, ended in world.ended:
        least, most = LENT[attempt.token]
        lent.setdefault(attempt.key, []).append((ended + least, ended + most))
    moments = {told, told + SILENCE, *(at for spans in lent.values() for span in spans for at in span if at > told)}
    for moment in sorted(moments):
        await asyncio.sleep(max(0.0, moment - world.loop.clock()))
        for key, spans in lent.items():
            world.wrong += _misplaced(world, key, spans)
    for key in [queue.key for queue in world.limiter._registry]:  # those of readings too
        state = world.limiter.statistics(key)
        if "account/config" in str(key):  # asked in the background until it is known
            continue
        if state.free != state.limit or state.waiting:
            world.wrong.append(f"not all tokens of {key} are free after {SILENCE:g} s: {state}")


def _misplaced(world: World, key: Hashable, spans: list[tuple[float, float]]) -> Iterator[str]:
    """Yield what is wrong with the tokens of a key now, when the call is over."""
    now, state = world.loop.clock(), world.limiter.statistics(key)
    if state.free + state.in_flight + state.cooling != state.limit or state.limit != LIMIT:
        yield f"a token is lost: {state}"
    if state.in_flight or state.waiting:
        yield f"in flight or waiting after the call: {state}"
    if state.cooling < (lent := sum(now <= least for least, _ in spans)):
        yield f"{lent} tokens cannot be free yet: {state}"
    if state.cooling > (lent := sum(now < most for _, most in spans)):
        yield f"all but {lent} tokens should be free: {state}"


# --- the report of a flatten, and what it did ---


def held(trades: Iterable[Trade], until: float | None = None) -> set[Identity]:
    """Return the positions in the books at a time (None: now), each identified by when it was opened too."""
    books = {}
    for trade in trades:
        if until is None or trade.at <= until:
            after = trade.after
            books[after.inst_id, after.mgn_mode, after.pos_side, after.ccy] = after
    return {_identity(holding) for holding in books.values() if holding.pos}


def _identity(holding: Any) -> Identity:
    """Return the identity of a position of the client's, or of the exchange's: both have these names."""
    return holding.inst_id, holding.mgn_mode, holding.pos_side, int(holding.c_time)


def refuted(report: okx.FlattenReport, rows: list[JournalRow], trades: Iterable[Trade]) -> Iterator[str]:
    """Yield the statements of the report that the books refute; `rows`: the requests that arrived until then."""
    last = max((row.at for row in rows if row.path.partition("?")[0] == POSITIONS_PATH), default=0.0)
    books = held(trades, last)
    if report.flat and books:
        yield f"flat, while the books held {books} at the last reading"
    if report.flat and any(row.state not in GONE for row in report.rows):
        yield f"flat, but {report.rows}"
    if bool(report) is not report.flat:
        yield "bool() of the report is not its flat"
    for row in report.rows:
        if row.state in GONE and row.before is not None and _identity(row.before) in books:
            yield f"{row.state}, while it stood in the books at the last reading"


def orders(report: okx.FlattenReport, left: dict[str, str]) -> Iterator[str]:
    """Yield what the report says of orders that is not so; `left`: which still rest, by id, and of what kind."""
    cancelled = {order.ord_id or order.algo_id for order in report.cancelled}
    yield from (f"{left[name]} {name} is told to be cancelled, and rests" for name in cancelled & {*left})
    if report.open_orders is not None:
        told = {order.ord_id or order.algo_id for order in report.open_orders}
        yield from (f"{left[name]} {name} rests, and is not told" for name in {*left} - told)
    if report.flat and left and not report.notes:
        yield f"{len(left)} orders rest, and no note says so"


def harmful(
    report: okx.FlattenReport, rows: list[JournalRow], trades: Iterable[Trade], meant: set[Identity]
) -> Iterator[str]:
    """Yield the closes that should not have been sent; `meant`: the positions held when the call began."""
    for trade in trades:
        ours = trade.cause == "close" and trade.asked is not None and trade.asked >= rows[0].at
        if ours and _identity(trade.before) not in meant:
            yield f"{trade.before} is a new position, and was closed"
    reads = [row.at for row in rows if row.path.partition("?")[0] == POSITIONS_PATH]
    closes = sorted(
        (str(row.key), row.at)
        for row in rows
        if row.path == CLOSE_PATH and row.fault != "forwarded" and row.key is not None
    )
    for (key, earlier), (other, later) in pairwise(closes):
        if key == other and not any(earlier < read < later and later - read <= FRESH for read in reads):
            yield f"{key} closed again at {later} without a fresh reading: {reads}"
    for row in report.rows:
        for before, after in pairwise(row.attempts):
            waited = (after.sent or inf) - (before.settled or before.sent or 0.0)
            if before.outcome in MAY_MOVE and waited < STILL:
                yield f"closed again {waited:.3f} s after one that may have been executed"
