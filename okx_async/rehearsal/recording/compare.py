"""The comparison of one recorded answer with the simulated one: code, status, fields, types, values, order (pure).

Prices, times and amounts of money differ in any case: of most values only the type is compared.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from okx_async.rehearsal.recording.differences import (
    CLOSE,
    ECHO,
    GOES_FLAT,
    HISTORY,
    NAMES_PERIOD,
    POSITIONS,
    READABLE,
    Found,
    Kind,
)
from okx_async.rehearsal.recording.entry import Entry, deciding_code
from okx_async.rehearsal.recording.relations import Relations

_FORMS_OF_RATE: Final = {(429, False), (200, True)}
"""Status and whether there is a list of data: the simulated exchange refuses for rate in both forms by turns."""
_IN_TIME: Final = ({"51032", "51023"}, {"51342", "51023"})
"""Codes of which each becomes the other one with time: a close is in progress, there is no position."""
_INSTRUMENTS: Final = "/api/v5/public/instruments"
_EXACT: Final[Mapping[str, frozenset[str]]] = {
    CLOSE: frozenset({"instId", "posSide", "clOrdId", "tag"}),
    POSITIONS: frozenset({"instId", "instType", "mgnMode", "posSide", "posCcy", "ccy"}),
    HISTORY: frozenset({"instId", "mgnMode", "posSide", "type", "direction"}),
    "/api/v5/trade/order": frozenset(
        {"instId", "clOrdId", "tag", "side", "posSide", "tdMode", "ordType", "state", "reduceOnly", "sCode"}
    ),
    "/api/v5/trade/orders-pending": frozenset({"instId", "clOrdId", "side", "posSide", "tdMode", "ordType", "state"}),
    "/api/v5/account/config": frozenset({"posMode", "acctLv", "perm"}),
    _INSTRUMENTS: frozenset({"instType", "lotSz", "state"}),
}
"""Values that must be equal, by endpoint."""
_OWNERS: Final = {
    POSITIONS: READABLE,
    HISTORY: NAMES_PERIOD,
    CLOSE: ECHO,
}
"""The assumptions that are about the records of an endpoint."""
_SHOWN: Final = 5  # names of fields in a message


@dataclass(frozen=True, slots=True)
class Simulated:
    """One simulated answer."""

    status: int
    body: Any
    """Its JSON value; None: none."""
    situation: str = ""

    @property
    def code(self) -> str:
        """The code that decides."""
        return deciding_code(self.body)


def compare(
    recorded: Entry, simulated: Simulated, relations: Relations, *, either_form_of_rate: bool = True
) -> Iterator[Found]:
    """Yield the differences of two answers to one request.

    Args:
        recorded: The recording's.
        simulated: The simulated exchange's.
        relations: The ids so far; takes up those of these answers.
        either_form_of_rate: Whether both usual forms of a refusal for rate count as the same.
    """
    where = f"{recorded.method} {recorded.endpoint.removeprefix('/api/v5/')}"
    code, other = recorded.code or f"HTTP {recorded.status}", simulated.code or f"HTTP {simulated.status}"
    if simulated.status == 404 != recorded.status:  # noqa: PLR2004 - HTTP's
        yield Found(Kind.ENDPOINT, where, "has it", "has it not")
        return
    if {code, other} in _IN_TIME and recorded.endpoint == CLOSE:
        yield Found(Kind.TIMING, where, _told(code), _told(other), GOES_FLAT)
        return
    if code != other:
        yield Found(Kind.CODE, where, _told(code), _told(other), situation=simulated.situation)
        return
    body, its = recorded.body, simulated.body if isinstance(simulated.body, dict) else {}
    if either_form_of_rate and code == "50011" and _form(recorded.status, body) in _FORMS_OF_RATE:
        return
    if recorded.status != simulated.status:
        yield Found(
            Kind.STATUS, f"{where} {code}", str(recorded.status), str(simulated.status), situation=simulated.situation
        )
    for found in _fields(f"{where} {code}", body, its):
        yield Found(found.kind, found.where, found.recorded, found.simulated, situation=simulated.situation)
    rows, others = rows_of(body), rows_of(its)
    if recorded.endpoint not in {POSITIONS, HISTORY}:
        yield from compare_records(recorded.endpoint, where, _pairs(recorded.endpoint, rows, others), relations)
        if recorded.endpoint != _INSTRUMENTS and len(rows) != len(others):
            numbers = f"{len(rows)} records", f"{len(others)} records"
            yield Found(Kind.VALUE, where, *numbers, situation=simulated.situation)


def compare_records(
    endpoint: str, where: str, pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], relations: Relations
) -> Iterator[Found]:
    """Yield the differences of records that belong together, in pairs."""
    owner = _OWNERS.get(endpoint, "")
    for row, other in pairs:
        for found in _fields(f"{where} records", row, other):
            yield Found(found.kind, found.where, found.recorded, found.simulated, owner)
        for name in sorted(_EXACT.get(endpoint, frozenset()) & row.keys() & other.keys()):
            if row[name] != other[name]:
                yield Found(Kind.VALUE, f"{where} {name}", repr(row[name]), repr(other[name]), owner)
        for name in ("ordId", "algoId"):
            if row.get(name) and other.get(name):
                relations.compare(name, str(row[name]), str(other[name]))


def _fields(where: str, row: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Found]:
    """Yield names that one side has alone, and types that differ."""
    if more := sorted(row.keys() - other.keys()):
        yield Found(Kind.FIELDS, where, _listed(more), "without")
    if more := sorted(other.keys() - row.keys()):
        yield Found(Kind.FIELDS, where, "without", _listed(more))
    for name in sorted(row.keys() & other.keys()):
        kind, its = _type(row[name]), _type(other[name])
        if kind != its and row[name] != "" and other[name] != "":
            yield Found(Kind.TYPE, f"{where} {name}", kind, its)


def _pairs(
    endpoint: str, rows: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]
) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    if endpoint == _INSTRUMENTS:
        by_id = {text_of(other, "instId"): other for other in others}
        named = [(row, by_id.get(text_of(row, "instId"))) for row in rows]
        return [(row, other) for row, other in named if other is not None]
    return list(zip(rows, others, strict=False))


def rows_of(body: Any) -> list[Mapping[str, Any]]:
    """Return the records of an answer."""
    data = body.get("data") if isinstance(body, dict) else None
    return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []


def text_of(row: Mapping[str, Any], name: str) -> str:
    """Return a field of a record, "" where it is no text."""
    value = row.get(name)
    return value if isinstance(value, str) else ""


def number_of(row: Mapping[str, Any], name: str) -> int:
    """Return a whole number of a record, 0 where it is none."""
    value = text_of(row, name)
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 20 else 0  # noqa: PLR2004 - 64 bits


def size_of(row: Mapping[str, Any] | None) -> Decimal:
    """Return the size of a position; 0 where there is none."""
    try:
        size = Decimal(str((row or {}).get("pos", "0")) or "0")
    except InvalidOperation:
        return Decimal(0)
    return size if size.is_finite() else Decimal(0)


def _form(status: int, body: Mapping[str, Any]) -> tuple[int, bool]:
    return status, isinstance(body.get("data"), list)


def _type(value: Any) -> str:
    if isinstance(value, str):
        try:
            return "number as text" if Decimal(value).is_finite() else "text"
        except InvalidOperation:
            return "text"
    names = {bool: "boolean", int: "number", float: "number", list: "list", dict: "object", type(None): "null"}
    return names[type(value)]


def _told(code: str) -> str:
    return f"code {code}" if code[:1].isdecimal() else code


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
