"""Invariants of the results of flattens and confirmed closes, against what the exchange listed and did."""

from collections.abc import Iterator
from math import inf
from typing import Any

from okx_async.torture.calls import CANCELLED
from okx_async.torture.evidence import Evidence
from okx_async.torture.flatten_records import FLAT, GONE_BEFORE, NOTHING, REFUSED, REPORT, SUPERSEDED, FlattenRecord
from okx_async.torture.invariants.guarding import FINAL, MAY_MOVE, may_be
from okx_async.torture.invariants.readings import TOLERANCE, Reading, readings_of, superseded, targets
from okx_async.torture.witness import (
    Address,
    ListedPosition,
    PositionsAnswer,
    address_of,
    address_of_request,
    listed_position,
)

DOUBT_READING_GAP = 0.2
"""Least seconds between two readings that prove a doubtful position gone."""
DOUBTFUL = {"unknown", "maybe_flat", "wait", "frozen"}
DUST = {"51020", "51120", "51121", "51132"}
GONE = {"closed", "already_flat"}


def flat(evidence: Evidence) -> Iterator[str]:
    """Flat is reported only if the last reading, begun after every close was answered, lists nothing in scope."""
    for flatten in evidence.flattens.values():
        readings = readings_of(evidence, flatten)
        ended = max((one.ended for closes in flatten.closes.values() for one in closes), default=-inf)
        if flatten.told == FLAT and flatten.request is not None:
            yield from _unproven(flatten, address_of_request(flatten.request), readings)
        if flatten.report is None or not flatten.report.flat:
            continue
        if any(row.state.value not in GONE for row in flatten.report.rows):
            yield f"{flatten.name}: flat, with rows that are not: {flatten.words}"
        whole = [reading for reading in readings if any(_covers(told, flatten) for told in reading.answers)]
        if not whole or whole[-1].begun < ended - TOLERANCE:
            yield f"{flatten.name}: flat, without a reading of everything after the last close"
            continue
        left = min((_still_listed(told, flatten) for told in whole[-1].answers if _covers(told, flatten)), key=len)
        if left:
            yield f"{flatten.name}: flat, and the reading at {whole[-1].begun:.6f} lists {', '.join(left)}"


def _covers(told: PositionsAnswer, flatten: FlattenRecord) -> bool:
    wanted = flatten.scope.inst_ids
    return told.inst_ids is None or (wanted is not None and told.inst_ids.issuperset(wanted))


def _still_listed(told: PositionsAnswer, flatten: FlattenRecord) -> list[str]:
    return [record["instId"] for record in told.listing or () if flatten.scope.includes(record)]


def _unproven(flatten: FlattenRecord, address: Address, readings: list[Reading]) -> Iterator[str]:
    """Yield each gap in the proof that a position is gone, which takes two readings in a row without it."""
    closes = flatten.closes.get(address, [])
    heard = max((one.ended for one in closes if one.attempt.outcome.value != "not_sent"), default=-inf)
    after = [reading for reading in readings if reading.begun >= heard - TOLERANCE and reading.covers(address.inst_id)]
    absent: list[Reading] = []
    for reading in reversed(after):
        if _left_alone(flatten, reading, address):
            return
        if None in reading.at(address):
            absent.append(reading)
        elif reading.surely_covers(address.inst_id):
            break
    who = f"{flatten.name} {address.inst_id} {address.pos_side}"
    if after and not absent and (listed := next(iter(after[-1].at(address)), None)) is not None:
        yield f"{who}: said to be gone, and the last reading lists it: {listed}"
    elif len(absent) < 2:
        yield f"{who}: said to be gone after {len(absent)} readings that do not list it"
    else:
        outcomes = {one.attempt.outcome.value for one in closes}
        doubtful = outcomes & DOUBTFUL or "accepted" not in outcomes
        if doubtful and absent[0].begun - absent[-1].begun < DOUBT_READING_GAP - TOLERANCE:
            yield f"{who}: in doubt, and said to be gone by two readings less than {DOUBT_READING_GAP:g} s apart"


def _left_alone(flatten: FlattenRecord, reading: Reading, address: Address) -> bool:
    """Whether a possible answer lists a position there that is out of scope, which proves the target gone."""
    records = [record for told in reading.answers for record in told.listing or () if address_of(record) == address]
    return not all(map(flatten.scope.includes, records))


def rows(evidence: Evidence) -> Iterator[str]:
    """Each position's row agrees with the readings and with the answers to its closes."""
    for flatten in evidence.flattens.values():
        if flatten.ended is None:
            yield f"{flatten.name}: its caller was never told anything"
        elif flatten.told.startswith("something"):
            yield f"{flatten.name}: {flatten.told}"
        elif flatten.told == NOTHING and any(one.written for closes in flatten.closes.values() for one in closes):
            yield f"{flatten.name}: told that nothing was sent ({flatten.words}), and it was"
        readings = readings_of(evidence, flatten)
        if flatten.told == CANCELLED and not flatten.warned:
            yield from _unwarned(flatten, readings)
        if flatten.told == REPORT and flatten.report is not None:
            for row in flatten.report.rows:
                address = address_of(row.position.raw)
                words = _state(flatten, row, address, readings)
                yield from (
                    f"{flatten.name} {address.inst_id} {address.pos_side} {row.state.value}: {line}" for line in words
                )
        elif flatten.request is not None:
            yield from _confirmed(flatten, address_of_request(flatten.request), readings)
        yield from _truth(evidence, flatten)


def _unwarned(flatten: FlattenRecord, readings: list[Reading]) -> Iterator[str]:
    """Yield each unproven close that may have been executed, of a cancelled call without a note."""
    for address, closes in flatten.closes.items():
        taken = [one for one in closes if one.attempt.outcome.value in MAY_MOVE]
        if taken and any(_unproven(flatten, address, readings)):
            yield f"{flatten.name} {address.inst_id}: cancelled without a note, and {taken[-1].attempt.outcome.value}"


def _state(flatten: FlattenRecord, row: Any, address: Address, readings: list[Reading]) -> Iterator[str]:
    closes = flatten.closes.get(address, [])
    state, outcomes = row.state.value, [one.attempt.outcome.value for one in closes]
    after = [reading for reading in readings if reading.covers(address.inst_id)]
    last = _last(after, address)
    if row.before is None:
        new = listed_position(row.after.raw).identity if state == "superseded" else None
        if new is None or not any(listed and listed.identity == new for listed in last):
            yield "it appeared meanwhile, and the last reading does not list it"
        return
    if list(row.attempts) != [one.attempt for one in closes]:
        yield f"{len(row.attempts)} attempts are told, {len(closes)} were made"
    if state in GONE:
        yield from _unproven(flatten, address, readings)
    target = listed_position(row.before.raw)
    taken = bool({*outcomes} & MAY_MOVE)
    code = closes[-1].attempt.code.partition("_")[0] if closes else ""
    smaller = any(listed and abs(float(listed.pos)) < abs(float(target.pos)) for listed in last)
    right = {
        "closed": taken,
        "already_flat": not taken,
        "superseded": any(superseded({listed}, target) for reading in after for listed in reading.at(address)),
        "partial": taken and smaller,
        "dust": code in DUST,
        "refused": row.error is not None or bool({*outcomes} & (FINAL | {"maybe_flat", "clock"})),
        "in_progress": bool({*outcomes} & {"accepted", "wait"}),
    }
    if not right.get(state, True):
        yield f"the closes came to {outcomes}, the last with {code}, and the last reading lists {last}"


def _last(after: list[Reading], address: Address) -> set[ListedPosition | None]:
    """Return what the last reading may have listed: one that may have been refused leaves that to the one before it."""
    found: set[ListedPosition | None] = set()
    for reading in reversed(after):
        found |= reading.at(address)
        if reading.sure:
            break
    return found


def _confirmed(flatten: FlattenRecord, address: Address, readings: list[Reading]) -> Iterator[str]:
    """Yield a contradiction between the result of a confirmed close and its attempts or readings."""
    closes = flatten.closes.get(address, [])
    outcomes = [one.attempt.outcome.value for one in closes]
    taken = bool({*outcomes} & MAY_MOVE)
    who = f"{flatten.name} {address.inst_id} told {flatten.told}"
    if flatten.told == SUPERSEDED:
        mine = targets(flatten, readings)
        target = (mine or {}).get(address)
        candidates = [listed for reading in readings for listed in reading.at(address)]
        if mine is not None and (target is None or not any(superseded({listed}, target) for listed in candidates)):
            yield f"{who}: no reading lists another position"
    elif (flatten.told == GONE_BEFORE and taken) or (
        flatten.told in {REFUSED, NOTHING} and {"accepted", "unknown"} & {*outcomes}
    ):
        yield f"{who}: the closes came to {outcomes}"


def _truth(evidence: Evidence, flatten: FlattenRecord) -> Iterator[str]:
    """Yield each attempt whose outcome contradicts what the exchange did with its request."""
    for address, closes in flatten.closes.items():
        mine = [one for one in evidence.witness.executed if one.address == address and one.api_key == flatten.api_key]
        for one in closes:
            hits = [
                cause
                for cause in mine
                if one.sent is not None and one.sent - TOLERANCE <= cause.at <= one.ended + TOLERANCE
            ]
            outcome = one.attempt.outcome.value
            if outcome == "accepted" and not hits:
                yield f"{flatten.name} {address.inst_id}: accepted, and not executed"
            elif outcome not in {"accepted", "unknown"} and one.sent is not None:
                others = [
                    other
                    for made in evidence.flattens.values()
                    for other in made.closes.get(address, ())
                    if other is not one and other.attempt.outcome.value in {"accepted", "unknown"}
                ]
                for cause in hits:
                    if not cause.name and not any(may_be(other, cause) for other in others):
                        yield f"{flatten.name} {address.inst_id}: {outcome} {one.attempt.code}, and it was executed"
