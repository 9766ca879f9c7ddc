"""What those who want out are told, against what the exchange told them and did: flat, the rows, and all else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

from okx_async.torture.calls import CANCELLED
from okx_async.torture.evidence import Evidence
from okx_async.torture.flatten_records import FLAT, GONE_BEFORE, NOTHING, REFUSED, REPORT, SUPERSEDED, Escape
from okx_async.torture.invariants.guarding import FINAL, MAY_MOVE, may_be
from okx_async.torture.invariants.readings import HAIR, Look, looks, superseded, targets
from okx_async.torture.witness import Place, Told, View, place_of, place_of_request, view_of

APART = 0.2
"""Seconds between two readings that prove a doubtful position gone."""
DOUBTFUL = {"UNKNOWN", "FLAT?", "WAIT", "FROZEN"}
DUST = {"51020", "51120", "51121", "51132"}
GONE = {"closed", "already_flat"}


def flat(evidence: Evidence) -> Iterator[str]:
    """Say flat only if the exchange listed nothing of it when it last said so, after every close was answered."""
    for escape in evidence.escapes.values():
        seen = looks(evidence, escape)
        ended = max((one.ended for tries in escape.tries.values() for one in tries), default=-inf)
        if escape.told == FLAT and escape.request is not None:
            place = place_of_request(escape.request)
            yield from _unproven(escape, place, seen)
        if escape.report is None or not escape.report.flat:
            continue
        if any(row.state.value not in GONE for row in escape.report.rows):
            yield f"{escape.name}: flat, with rows that are not: {escape.words}"
        whole = [look for look in seen if any(_covers(told, escape) for told in look.told)]
        if not whole or whole[-1].begun < ended - HAIR:
            yield f"{escape.name}: flat, without a reading of everything after the last close"
        elif left := _least([_wanted(told, escape) for told in whole[-1].told if _covers(told, escape)]):
            yield f"{escape.name}: flat, and the reading at {whole[-1].begun:.6f} lists {', '.join(left)}"


def _covers(told: Told, escape: Escape) -> bool:
    wanted = escape.wish.inst_ids
    return told.inst_ids is None or (wanted is not None and told.inst_ids.issuperset(wanted))


def _wanted(told: Told, escape: Escape) -> list[str]:
    return [record["instId"] for record in told.listing or () if escape.wish.wants(record)]


def _least(lists: list[list[str]]) -> list[str]:
    return min(lists, key=len)


def _unproven(escape: Escape, place: Place, seen: list[Look]) -> Iterator[str]:
    """Yield what is missing in the proof that a position is gone: two readings in a row that do not list it."""
    tries = escape.tries.get(place, [])
    heard = max((one.ended for one in tries if one.attempt.outcome.value != "NOT-SENT"), default=-inf)
    after = [look for look in seen if look.begun >= heard - HAIR and look.covers(place.inst_id)]
    absent: list[Look] = []
    for look in reversed(after):
        if _left_alone(escape, look, place):
            return
        if None in look.views(place):
            absent.append(look)
        elif look.surely_covers(place.inst_id):
            break
    who = f"{escape.name} {place.inst_id} {place.pos_side}"
    if after and not absent and (view := next(iter(after[-1].views(place)), None)) is not None:
        yield f"{who}: said to be gone, and the last reading lists it: {view}"
    elif len(absent) < 2:
        yield f"{who}: said to be gone after {len(absent)} readings that do not list it"
    else:
        outcomes = {one.attempt.outcome.value for one in tries}
        doubtful = outcomes & DOUBTFUL or "ACCEPTED" not in outcomes
        if doubtful and absent[0].begun - absent[-1].begun < APART - HAIR:
            yield f"{who}: in doubt, and said to be gone by two readings less than {APART:g} s apart"


def _left_alone(escape: Escape, look: Look, place: Place) -> bool:
    """Whether it may have listed another one there, which nobody wants closed, so that this one is gone.

    Which answer it had may be unclear.
    """
    records = [record for told in look.told for record in told.listing or () if place_of(record) == place]
    return not all(map(escape.wish.wants, records))


def rows(evidence: Evidence) -> Iterator[str]:
    """Say of each position what became of it, as the readings and the closes have it."""
    for escape in evidence.escapes.values():
        if escape.ended is None:
            yield f"{escape.name}: its caller was never told anything"
        elif escape.told.startswith("something"):
            yield f"{escape.name}: {escape.told}"
        elif escape.told == NOTHING and any(one.written for tries in escape.tries.values() for one in tries):
            yield f"{escape.name}: told that nothing was sent ({escape.words}), and it was"
        seen = looks(evidence, escape)
        if escape.told == CANCELLED and not escape.warned:
            yield from _unwarned(escape, seen)
        if escape.told == REPORT and escape.report is not None:
            for row in escape.report.rows:
                place = place_of(row.position.raw)
                words = _state(escape, row, place, seen)
                yield from (
                    f"{escape.name} {place.inst_id} {place.pos_side} {row.state.value}: {line}" for line in words
                )
        elif escape.request is not None:
            yield from _confirmed(escape, place_of_request(escape.request), seen)
        yield from _truth(evidence, escape)


def _unwarned(escape: Escape, seen: list[Look]) -> Iterator[str]:
    """Tell whoever cancels of each close that was taken, or may have been, and is not proven."""
    for place, tries in escape.tries.items():
        taken = [one for one in tries if one.attempt.outcome.value in MAY_MOVE]
        if taken and any(_unproven(escape, place, seen)):
            yield f"{escape.name} {place.inst_id}: cancelled without a note, and {taken[-1].attempt.outcome.value}"


def _state(escape: Escape, row: Any, place: Place, seen: list[Look]) -> Iterator[str]:
    tries = escape.tries.get(place, [])
    state, outcomes = row.state.value, [one.attempt.outcome.value for one in tries]
    after = [look for look in seen if look.covers(place.inst_id)]
    last = after[-1].views(place) if after else set()
    if row.before is None:
        if state != "superseded" or not any(_listed(view, row.after.raw) for view in last):
            yield "it appeared meanwhile, and the last reading does not list it"
        return
    if list(row.attempts) != [one.attempt for one in tries]:
        yield f"{len(row.attempts)} attempts are told, {len(tries)} were made"
    if state in GONE:
        yield from _unproven(escape, place, seen)
    target = view_of(row.before.raw)
    taken = bool({*outcomes} & MAY_MOVE)
    code = tries[-1].attempt.code.partition("_")[0] if tries else ""
    smaller = any(view and abs(float(view.pos)) < abs(float(target.pos)) for view in last)
    right = {
        "closed": taken,
        "already_flat": not taken,
        "superseded": any(superseded({view}, target) for look in after for view in look.views(place)),
        "partial": taken and smaller,
        "dust": code in DUST,
        "refused": row.error is not None or bool({*outcomes} & (FINAL | {"FLAT?", "CLOCK"})),
        "in_progress": bool({*outcomes} & {"ACCEPTED", "WAIT"}),
    }
    if not right.get(state, True):
        yield f"the closes came to {outcomes}, the last with {code}, and the last reading lists {last}"


def _listed(view: View | None, record: Mapping[str, Any]) -> bool:
    return view is not None and view.which == view_of(record).which


def _confirmed(escape: Escape, place: Place, seen: list[Look]) -> Iterator[str]:
    """Judge what a confirmed close says became of the position."""
    tries = escape.tries.get(place, [])
    outcomes = [one.attempt.outcome.value for one in tries]
    taken = bool({*outcomes} & MAY_MOVE)
    who = f"{escape.name} {place.inst_id} told {escape.told}"
    if escape.told == SUPERSEDED:
        mine = targets(escape, seen)
        target = (mine or {}).get(place)
        views = [view for look in seen for view in look.views(place)]
        if mine is not None and (target is None or not any(superseded({view}, target) for view in views)):
            yield f"{who}: no reading lists another position"
    elif (escape.told == GONE_BEFORE and taken) or (
        escape.told in {REFUSED, NOTHING} and {"ACCEPTED", "UNKNOWN"} & {*outcomes}
    ):
        yield f"{who}: the closes came to {outcomes}"


def _truth(evidence: Evidence, escape: Escape) -> Iterator[str]:
    """Judge what its attempts say of their requests by what the exchange did with them."""
    for place, tries in escape.tries.items():
        mine = [one for one in evidence.witness.asked if one.place == place and one.api_key == escape.api_key]
        for one in tries:
            hits = [cause for cause in mine if one.sent is not None and one.sent - HAIR <= cause.at <= one.ended + HAIR]
            outcome = one.attempt.outcome.value
            if outcome == "ACCEPTED" and not hits:
                yield f"{escape.name} {place.inst_id}: accepted, and not executed"
            elif outcome not in {"ACCEPTED", "UNKNOWN"} and one.sent is not None:
                others = [
                    other
                    for made in evidence.escapes.values()
                    for other in made.tries.get(place, ())
                    if other is not one and other.attempt.outcome.value in {"ACCEPTED", "UNKNOWN"}
                ]
                for cause in hits:
                    if not cause.name and not any(may_be(other, cause) for other in others):
                        yield f"{escape.name} {place.inst_id}: {outcome} {one.attempt.code}, and it was executed"
