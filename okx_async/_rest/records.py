"""Records of the exchange, read from an answer: closes, positions, orders, the user id, the time.

An answer that cannot be read is never taken for an empty one.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple, cast

import orjson

from okx_async._errors import OutcomeUnknownError
from okx_async._models import Attempt, ClosedPosition, ClosePosition, MgnMode, OpenOrder, Position, PosSide
from okx_async._rest.bodies import MOST_RECORDS
from okx_async._rest.responses import Answer
from okx_async._validation import short_repr
from okx_async._words import CCY, INST_ID, MGN_MODE, POS_SIDE, as_listed, is_readable

# Decimal and int themselves accept "1_000", "NaN", blanks and the digits of every alphabet.
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_SIZE: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_INTEGER: Final = re.compile(r"[0-9]{1,18}")
_MOST_ODD: Final = 500
"""Records that cannot be read, of which each is told by name; the others are told by their number."""
_MAX_FIELD: Final = 1000
"""Longest field of an order that is kept, in bytes of JSON or characters."""
_UID: Final = re.compile(r"[0-9]{1,40}")
_ECHOED: Final = ("instId", "posSide", "clOrdId", "tag")
_LONGEST_ECHO: Final = 100
_NAMES: Final = ("instId", "posId", "mgnMode", "posSide", "ccy", "instType", "record")
_IDENTITY: Final = ("instId", "instType", "mgnMode", "posSide", "ccy", "posId", "pos", "posCcy", "cTime", "uTime")
"""What two records of one position at one moment have in common; prices beside it may differ."""
_HINT: Final = "ask again, do not take this for flat"


def closed_position(answer: Answer, request: ClosePosition, attempts: tuple[Attempt, ...] = ()) -> ClosedPosition:
    """Return the accepted close as answered, with the request's own words where the answer has none.

    What it echoes decides nothing: the code does.
    """
    item: Mapping[str, Any] = answer.data[0] if answer.data else {}
    inst_id, pos_side = item.get("instId"), item.get("posSide")
    cl_ord_id, tag = item.get("clOrdId"), item.get("tag")
    return ClosedPosition(
        (inst_id if isinstance(inst_id, str) else "") or request.inst_id,
        pos_side if isinstance(pos_side, str) else request.pos_side or "",
        cl_ord_id if isinstance(cl_ord_id, str) else request.cl_ord_id or "",
        tag if isinstance(tag, str) else request.tag or "",
        attempts,
    )


def keep_echo(answer: Answer) -> None:
    """Drop all but what `closed_position` reads: the answer to a close may outlive it in a traceback or a report."""
    item = answer.data[0] if answer.data else {}
    echo = {key: item.get(key) for key in _ECHOED}
    answer.data = [{key: each for key, each in echo.items() if isinstance(each, str) and len(each) <= _LONGEST_ECHO}]


class Unreadable(NamedTuple):
    """A record of a list of positions that does not say which position it is of."""

    position: Position
    """What can be read of it, "" for the rest; its `raw` is the whole record."""
    reason: str
    """Its name and what is wrong with it."""


class Listing(NamedTuple):
    """The records of a list of positions."""

    positions: list[Position]
    unreadable: list[Unreadable]


def positions(answer: Answer, asked: Collection[str] | None = None) -> Listing:
    """Return the positions that an answer lists; OutcomeUnknownError unless it is certain that this is the list.

    A record that cannot be read is returned as such, and bars no other; one that stands there twice is one position. An
    answer that lists instruments, but none of those that were asked for (None: all), is the answer to another question,
    and proves none of them flat.
    """
    if not answer.ok or not (answer.listed or answer.others):
        answer.data = []
        raise _unreadable(answer, "the answer is no list of positions")
    _check_number(answer, "positions")
    listing = Listing([], [])
    seen: set[tuple[str, ...]] = set()
    more = 0
    for record in answer.data:
        if faults := _faults(record):
            if len(listing.unreadable) < _MOST_ODD:
                listing.unreadable.append(_shown(answer, record, f"{_name(record)}: {', '.join(faults)}"))
            else:
                more += 1
        elif (same := tuple(str(record.get(name)) for name in _IDENTITY)) not in seen:
            seen.add(same)
            listing.positions.append(_position(record))
    for other in answer.others[:_MOST_ODD]:
        reason = f"a record that is no object: {short_repr(other)}"
        listing.unreadable.append(_shown(answer, {"record": other}, reason))
    if more := more + len(answer.others[_MOST_ODD:]):
        listing.unreadable.append(Unreadable(_position({}), f"one of {more} further records that cannot be read"))
    readable = (*listing.positions, *(odd.position for odd in listing.unreadable))
    listed = {position.inst_id for position in readable if position.inst_id}
    if asked is not None and listed and listed.isdisjoint(asked):
        answer.data = []
        raise _unreadable(answer, f"the answer lists {short_repr(sorted(listed))}, and nothing of what was asked for")
    return listing


def _check_number(answer: Answer, of: str) -> None:
    """Raise OutcomeUnknownError for a list of more records than are read."""
    if (number := len(answer.data) + len(answer.others)) > MOST_RECORDS:
        answer.data, answer.others = [], []
        raise _unreadable(answer, f"the answer lists {number} records, more than {MOST_RECORDS}", of=of)


def _shown(answer: Answer, record: Mapping[str, Any], reason: str) -> Unreadable:
    """Return a record that cannot be read; one that repeats a secret keeps nothing.

    Its words are searched before they are shortened, perhaps in the middle of a secret.
    """
    named = [str(record[name])[:_MAX_FIELD] for name in _NAMES if name in record]
    words = "\n".join([*named, *record, *map(str, record.values())])
    hidden = answer.hide(words)
    if words.startswith(hidden):
        return Unreadable(_position(record), reason)
    return Unreadable(_position({}), f"a record {hidden}")


def is_unreadable(record: Mapping[str, Any]) -> bool:
    """Return whether a record of a list of positions does not say which position it is of."""
    return bool(_faults(record))


def unreadable_positions(records: Sequence[Unreadable]) -> OutcomeUnknownError:
    """Return the error for a list of positions with records that cannot be read."""
    more = f", and {len(records) - 1} more" if len(records) > 1 else ""
    return OutcomeUnknownError(f"positions could not be read: {records[0].reason}{more}; {_HINT}", code="0", status=200)


def orders(answer: Answer) -> list[OpenOrder]:
    """Return the orders that an answer lists; OutcomeUnknownError unless that is certain.

    A record that does not say which order it is of is an order without instrument or without ids, and bars no other.
    """
    if not answer.ok or not (answer.listed or answer.others):
        answer.data = []
        raise _unreadable(answer, "the answer is no list of orders", of="pending orders")
    _check_number(answer, "pending orders")
    return [_order(record) for record in (*answer.data, *({"record": other} for other in answer.others))]


def uid(answer: Answer) -> str | None:
    """Return the User ID from account/config, None if the answer has none.

    https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-account-configuration
    """
    text = _only(answer, "uid")
    return text if _UID.fullmatch(text) else None


def server_time(answer: Answer) -> float | None:
    """Return the exchange's clock (Unix seconds) from public/time, None if the answer has none.

    https://www.okx.com/docs-v5/en/#public-data-rest-api-get-system-time
    """
    text = _only(answer, "ts")
    return int(text) / 1000 if _INTEGER.fullmatch(text) else None


def _only(answer: Answer, key: str) -> str:
    """Return the one value that an answer has for a key, "" if it has none or several."""
    values = {str(record.get(key)) for record in answer.data} if answer.ok else set()
    return values.pop() if len(values) == 1 else ""


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    return value if isinstance(value, str) else ""


def _id(record: Mapping[str, Any], key: str) -> str:
    """Return an id or a size as text: an integer is read exactly, and says the same."""
    value = record.get(key)
    return str(value) if isinstance(value, int) and value > 0 and not isinstance(value, bool) else _text(record, key)


def _number(record: Mapping[str, Any], key: str) -> Decimal | None:
    value = record.get(key)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    return Decimal(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None


def _millis(record: Mapping[str, Any], key: str) -> int:
    value = str(record.get(key))
    return int(value) if _INTEGER.fullmatch(value) else 0


def _faults(record: Mapping[str, Any]) -> list[str]:
    """Return why a record does not say which position it is of, nothing if it does.

    A tuple is what stands there twice. (Two numbers are none, and two times are unknown.)
    """
    names = ["instId", "mgnMode"]
    names += ["posSide"] * (record.get("posSide") not in (None, ""))  # neither: net
    names += ["ccy"] * (_inst_type(record) == "MARGIN" and record.get("ccy") not in (None, ""))
    return [
        f"its {name} is {short_repr(record[name])}" if name in record else f"it has no {name}"
        for name in names
        if not is_readable(record.get(name))
    ]


def _inst_type(record: Mapping[str, Any]) -> str:
    """Return the type of the instrument; where a record does not say it, one with a posCcy is a pair: no other has one.

    https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-positions
    """
    return _text(record, "instType") or ("MARGIN" if _text(record, "posCcy") else "")


def _name(record: Mapping[str, Any]) -> str:
    """Return what tells a record from others, for a message."""
    found = next((name for name in ("instId", "posId") if is_readable(record.get(name))), None)
    if found is None:
        return f"a record without instId, of {short_repr(sorted(map(str, record)))}"
    return f"the record of {record[found]}" if found == "instId" else f"the record with posId {record[found]}"


def _word(record: Mapping[str, Any], key: str, rule: re.Pattern[str]) -> str:
    """Return a word that names a position, "" if it cannot be read."""
    value = record.get(key)
    return as_listed(value, rule) if isinstance(value, str) and is_readable(value) else ""


def _position(record: Mapping[str, Any]) -> Position:
    pos, pos_side = _number(record, "pos"), record.get("posSide")
    return Position(
        inst_id=_word(record, "instId", INST_ID),
        inst_type=_inst_type(record),
        pos_id=_id(record, "posId"),
        pos=Decimal("NaN") if pos is None else pos,
        pos_side=cast("PosSide", "net" if pos_side in (None, "") else _word(record, "posSide", POS_SIDE)),
        pos_ccy=_text(record, "posCcy"),
        mgn_mode=cast("MgnMode", _word(record, "mgnMode", MGN_MODE)),
        ccy=_word(record, "ccy", CCY),
        avg_px=_number(record, "avgPx"),
        mark_px=_number(record, "markPx"),
        upl=_number(record, "upl"),
        c_time=_millis(record, "cTime"),
        u_time=_millis(record, "uTime"),
        raw=record,
    )


def _order(record: Mapping[str, Any]) -> OpenOrder:
    algo_id, size = _id(record, "algoId"), _id(record, "sz")
    return OpenOrder(
        inst_id=_text(record, "instId"),
        ord_type=_text(record, "ordType"),
        side=_text(record, "side"),
        pos_side=cast("PosSide", _text(record, "posSide") or "net"),
        sz=Decimal(size) if _SIZE.fullmatch(size) else None,
        reduce_only=record.get("reduceOnly") in ("true", True),
        state=_text(record, "state"),
        ord_id="" if algo_id else _id(record, "ordId"),
        algo_id=algo_id,
        cl_ord_id=_id(record, "algoClOrdId") or _id(record, "clOrdId"),
        raw={name: value for name, value in record.items() if _is_small(value)},
    )


def _is_small(value: object) -> bool:
    """Return whether a field is kept: thousands of orders may be listed, and their size is the server's choice."""
    if isinstance(value, list | dict):
        return len(orjson.dumps(value)) <= _MAX_FIELD
    return not isinstance(value, str) or len(value) <= _MAX_FIELD


def _unreadable(answer: Answer, reason: str, of: str = "positions") -> OutcomeUnknownError:
    """Return the error; whatever keeps it keeps words, and not the answer's data."""
    hint = f"; {_HINT}" if of == "positions" else ""
    hidden = answer.hide(answer.uncut)
    message = answer.message if answer.uncut.startswith(hidden) else hidden
    return OutcomeUnknownError(
        f"{of} could not be read: {reason}{hint}", code=answer.code, status=answer.status, message=message
    )
