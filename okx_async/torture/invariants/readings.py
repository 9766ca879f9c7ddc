"""What those who want out have read: their questions for positions, each with the answers that it may have had."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from okx_async.torture.evidence import Evidence
from okx_async.torture.flatten_records import Escape
from okx_async.torture.watched_limiter import Wait
from okx_async.torture.witness import Place, Told, View, place_of_request

UNREAD = 1.0
"""Seconds that a close to be confirmed waits for the first reading."""
HAIR = 0.0011
"""Seconds by which a client's own times may be off: a coarse loop tells whole milliseconds, up to one ahead."""


@dataclass(slots=True)
class Look:
    """One question for positions that was answered; `told`: the listings that it may have had.

    `sure`: whether it had one of them; else it may have had an answer that lists nothing, as a refusal.
    """

    begun: float
    ended: float
    told: list[Told]
    sure: bool = True

    def covers(self, inst_id: str) -> bool:
        """Whether it may have spoken of an instrument."""
        return any(told.covers(inst_id) for told in self.told)

    def surely_covers(self, inst_id: str) -> bool:
        """Whether it has spoken of an instrument, whichever answer it was."""
        return self.sure and all(told.covers(inst_id) for told in self.told)

    def views(self, place: Place) -> set[View | None]:
        """Return what it may have said of a place."""
        return {told.at_place(place) for told in self.told if told.covers(place.inst_id)}


def looks(evidence: Evidence, escape: Escape) -> list[Look]:
    """Return its readings, in order; it has one on its way at a time."""
    limiter = evidence.limiters[evidence.plan.seats[escape.seat].limiter]
    found: list[Look] = []
    times = [told.at for told in evidence.witness.told]
    mine = [
        wait
        for wait in limiter.waits
        if wait.call == escape.name and isinstance(wait.key, tuple) and wait.key[-1] == "account/positions"
    ]
    for begun, ended in _spans(mine):
        told = [
            one
            for one in evidence.witness.told[bisect_left(times, begun) : bisect_right(times, ended)]
            if one.api_key == escape.api_key and _asks(one, escape)
        ]
        listings = [one for one in told if one.listing is not None]
        if listings:
            found.append(Look(begun, ended, listings, sure=len(listings) == len(told)))
    return found


def _asks(told: Told, escape: Escape) -> bool:
    """Whether it is one of the questions that this one asks: for what it wants, or for some of what it has found."""
    if escape.wish.inst_ids is not None:
        return told.inst_ids == frozenset(escape.wish.inst_ids)
    return told.inst_ids is None or told.inst_ids <= {record["instId"] for record in escape.befores}


def _spans(waits: Sequence[Wait]) -> Iterator[tuple[float, float]]:
    """Yield from when to when each question that was answered was on its way."""
    last: Wait | None = None
    for wait in waits:  # in the order in which they came
        if wait.served is None or wait.ended is None or wait.fate != "settled":
            continue
        if last is not None and last.served is not None and last.ended is not None:
            # Under two keys a question has two slots, one inside the other.
            inside = last.key != wait.key and wait.joined <= last.ended and wait.ended <= last.ended
            if not inside:
                yield last.served, last.ended
        last = wait
    if last is not None and last.served is not None and last.ended is not None:
        yield last.served, last.ended


def targets(escape: Escape, seen: list[Look]) -> dict[Place, View] | None:
    """Return what it set out to close, by place; None: that cannot be told."""
    if escape.request is None:
        return escape.targets
    place = place_of_request(escape.request)
    first = min((one.sent for one in escape.tries.get(place, ()) if one.sent is not None), default=inf)
    for look in seen:
        if look.ended <= first and look.covers(place.inst_id):
            if look.ended > escape.at + UNREAD - HAIR:
                return {}  # too late: it went out unread, as without confirmation
            views = look.views(place)
            if not look.sure or len(views) > 1:
                return None
            view = views.pop()
            return {} if view is None else {place: view}
    return {}


def superseded(views: set[View | None], target: View) -> bool:
    """Whether a reading lists another position in the place of `target`, whatever it may have said."""
    return all(
        view is not None and view.which != target.which and int(view.c_time) >= int(target.c_time) for view in views
    )
