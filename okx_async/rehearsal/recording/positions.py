"""The comparison of readings of positions and of their history (pure).

A position is followed at its address. What differs is either what is listed (a position that is gone on one side, a
flat record on one side only), or whether ``posId`` and ``cTime`` stay the same when they do on the other side.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from okx_async.rehearsal.recording.compare import Simulated, compare_records, number_of, rows_of, size_of, text_of
from okx_async.rehearsal.recording.differences import (
    C_TIME_REOPENED,
    C_TIME_TURNED,
    FLAT_BY_NAME,
    FLAT_LEFT_OUT,
    GOES_FLAT,
    HISTORY,
    LISTED_AT_ONCE,
    NAMES_PERIOD,
    POS_ID_STAYS,
    POSITIONS,
    READABLE,
    Found,
    Kind,
)
from okx_async.rehearsal.recording.entry import Entry
from okx_async.rehearsal.recording.relations import Relations

_WHERE: Final = "GET account/positions"
_HISTORY: Final = "GET account/positions-history"
_ADDRESS: Final = ("instId", "mgnMode", "posSide")
Row = Mapping[str, Any]


def compare_positions(
    recorded: Entry, simulated: Simulated, relations: Relations, acts: Mapping[str, str]
) -> Iterator[Found]:
    """Yield the differences of two readings.

    Args:
        recorded: The recording's.
        simulated: The simulated exchange's.
        relations: The ids so far.
        acts: By instrument what last changed it, "close" or "order".
    """
    rows, others = _by_address(recorded.body), _by_address(simulated.body)
    named = "instId=" in recorded.path or "posId=" in recorded.path
    for address in dict.fromkeys([*rows, *others]):
        row, other = rows.get(address), others.get(address)
        size, its = size_of(row), size_of(other)
        what = f"{_WHERE} {'/'.join(address)}"
        if bool(size) != bool(its):
            act = acts.get(address[0], "")
            owner = {"close": GOES_FLAT, "order": LISTED_AT_ONCE}.get(act, "")
            yield Found(Kind.TIMING if act else Kind.VALUE, what, _told(row), _told(other), owner)
        elif row is None or other is None:
            owner = FLAT_BY_NAME if named else FLAT_LEFT_OUT
            yield Found(Kind.VALUE, what, _told(row), _told(other), owner)
        elif size != its:
            yield Found(Kind.VALUE, f"{what} pos", str(size), str(its))
        if row is not None and other is not None:
            if bool(size) == bool(its):  # else one of the two is of another time
                yield from _related(_WHERE, row, other, relations)
            yield from compare_records(POSITIONS, _WHERE, [(row, other)], relations)
    shared = [address for address in rows if address in others]
    if shared != [address for address in others if address in rows]:
        yield Found(Kind.ORDER, _WHERE, "another order", "newest cTime first", READABLE)


def compare_history(recorded: Entry, simulated: Simulated, relations: Relations, since_ms: int) -> Iterator[Found]:
    """Yield the differences of two answers with the history: of the latest period, if it ended after `since_ms`.

    Earlier periods were the latest ones in their time.
    """
    owner = NAMES_PERIOD
    rows = [row for row in rows_of(recorded.body) if number_of(row, "uTime") >= since_ms][:1]
    others = rows_of(simulated.body)[:1]
    if len(rows) != len(others):
        yield Found(Kind.VALUE, _HISTORY, _periods(rows), _periods(others), owner)
    for row, other in zip(rows, others, strict=False):
        for found in _related(_HISTORY, row, other, relations, learn=False):
            yield Found(found.kind, found.where, found.recorded, found.simulated, owner)
    yield from compare_records(HISTORY, _HISTORY, list(zip(rows, others, strict=False)), relations)


def _periods(rows: list[Row]) -> str:
    return "a period" if rows else "none"


def _related(where: str, row: Row, other: Row, relations: Relations, *, learn: bool = True) -> Iterator[Found]:
    """Yield how posId and cTime behave if they do so differently."""
    address = "/".join(text_of(row, name) for name in _ADDRESS)
    turned = relations.sizes.get(address, Decimal(0)) * size_of(row) < 0
    if learn:
        relations.sizes[address] = size_of(row)
    for name, of in (("posId", f"posId {address}"), ("cTime", f"cTime {address}")):
        value, its = text_of(row, name), text_of(other, name)
        if not value or not its:
            continue
        if (behaviour := relations.compare(of, value, its, learn=learn)) is not None:
            owner = C_TIME_TURNED if turned else C_TIME_REOPENED
            owner = POS_ID_STAYS if name == "posId" else owner
            yield Found(Kind.VALUE, f"{where} {name}", *behaviour, owner)


def _by_address(body: Any) -> dict[tuple[str, ...], Row]:
    """Return the records of a reading; of several at one address the open one."""
    found: dict[tuple[str, ...], Row] = {}
    for row in rows_of(body):
        address = tuple(text_of(row, name) for name in _ADDRESS)
        if address not in found or size_of(row):
            found[address] = row
    return found


def _told(row: Row | None) -> str:
    if row is None:
        return "not listed"
    return "open" if size_of(row) else "listed flat"
