"""Rows of a report for records of positions that cannot be read: nothing is sent for them, and they are not flat."""

from collections.abc import Callable

from okx_async._errors import NotSentError
from okx_async._flatten.guard import Reading
from okx_async._flatten.report import FlattenRow, FlattenState
from okx_async._models import Position
from okx_async._rest.records import Unreadable


def unreadable_rows(
    first: Reading, last: Reading | None, wanted: Callable[[Position], bool], seconds: float
) -> list[FlattenRow]:
    """Return a row for each record that the last reading cannot read.

    Args:
        first: The first reading.
        last: The last reading; None: there was none, and the first one has to do.
        wanted: Tells whether a position that can be read in part may be in the filter.
        seconds: From the call to now.
    """
    rows = []
    for record in (last or first).unreadable:
        if not wanted(record.position):
            continue
        before = next((one.position for one in first.unreadable if _same(one, record)), None)
        after = None if last is None else record.position
        error = NotSentError(f"{record.reason}, so it cannot be read; nothing was sent for it: look at positions")
        rows.append(FlattenRow(before, (), after, FlattenState.UNKNOWN, error, seconds))
    return rows


def _same(one: Unreadable, other: Unreadable) -> bool:
    """Return whether two readings list the same record; the numbers in it may have changed."""
    first, second = one.position, other.position
    if not (first.inst_id or first.pos_id):
        return first.raw == second.raw
    return _address(first) == _address(second)


def _address(position: Position) -> tuple[str, ...]:
    return position.inst_id, position.mgn_mode, position.pos_side, position.pos_id
