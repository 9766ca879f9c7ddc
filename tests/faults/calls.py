"""The kinds of call that every fault happens to: the columns of the matrix."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import okx_async as okx
from tests.faults.cells import Cell
from tests.faults.world import STRUCK, End, Ends, World

LEGS = (STRUCK, "ETH-USDT-SWAP", "SOL-USDT-SWAP")
REPEATABLE = frozenset({"rate", "later", "clock", "not_sent"})
"""Outcomes that rule out that a close was executed."""
DEADLINE = 20.0
"""s that a flatten has: more than the 15 s for which a dead connection may seem usable."""
REPEATABLE_BY_READINGS = REPEATABLE | {"accepted", "unknown", "maybe_flat", "wait", "frozen", "needs"}
"""Outcomes after which a flatten may close again, if its readings allow it: see `judge`."""


def _end(inst_id: str, end: okx.ClosedPosition | okx.OkxError | None) -> End:
    assert end is not None
    if isinstance(end, okx.OkxError):
        return End(inst_id, type(end).__name__, end.code, end.attempts)
    return End(inst_id, "accepted", "", end.attempts)


async def close_position(world: World) -> Ends:
    """Make one call."""
    try:
        closed = await world.client.close_position(STRUCK, "cross", max_wait=world.max_wait)
    except okx.OkxError as error:
        return Ends([_end(STRUCK, error)])
    return Ends([_end(STRUCK, closed)])


async def close_positions(world: World) -> Ends:
    """Make one call of three legs."""
    legs = [okx.ClosePosition(inst_id, "cross") for inst_id in world.legs]
    results = await world.client.close_positions(legs, max_wait=world.max_wait)
    return Ends([_end(result.request.inst_id, result.closed or result.error) for result in results])


async def flatten(world: World) -> Ends:
    """Flatten the account."""

    def on_progress(_: okx.FlattenRow) -> None:
        if world.as_read is not None:
            act, world.as_read = world.as_read, None
            act()

    deadline = DEADLINE if world.max_wait is None else world.max_wait
    try:
        report = await world.client.flatten(
            deadline=deadline,
            on_progress=on_progress,
            cancel_orders="entries" if world.cancel_orders else None,
            look_again=0.5,
        )
    except okx.OkxError as error:  # of the first reading
        return Ends([End(inst_id, type(error).__name__, error.code, ()) for inst_id in world.legs])
    ends = {inst_id: End(inst_id, "no row", "", ()) for inst_id in world.legs}
    more = []
    for row in report.rows:
        inst_id, code = row.position.inst_id, "" if row.error is None else row.error.code
        if row.before is not None and inst_id in ends:
            ends[inst_id] = End(inst_id, row.state.value, code, row.attempts)
        else:
            more.append(row.state.value)
    return Ends(list(ends.values()), report, tuple(more))


UNTOUCHED = Cell("accepted", done=1)


@dataclass(frozen=True)
class Column:
    """A kind of call."""

    title: str
    legs: tuple[str, ...]
    call: Callable[[World], Awaitable[Ends]]
    session: bool = False
    """Whether it goes over a session of the caller's."""
    repeatable: frozenset[str] = REPEATABLE
    """The outcomes after which it may send again."""
    untouched: Cell = UNTOUCHED
    """What becomes of a leg that meets no fault."""


# A further kind of call is a line here, and a cell in each row of the table.
COLUMNS = {
    "close_position": Column("`close_position`", (STRUCK,), close_position),
    "close_positions": Column("`close_positions`", LEGS, close_positions),
    "own session": Column("`close_position`, your own session", (STRUCK,), close_position, session=True),
    "flatten": Column(
        "`flatten`", LEGS[:2], flatten, repeatable=REPEATABLE_BY_READINGS, untouched=Cell("closed", done=1)
    ),
}
