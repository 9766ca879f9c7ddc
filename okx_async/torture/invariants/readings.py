"""The positions readings of a flatten or confirmed close, each with the answers that it may have had."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from okx_async.torture.evidence import Evidence
from okx_async.torture.flatten_records import FlattenRecord
from okx_async.torture.watched_limiter import Wait
from okx_async.torture.witness import Address, ListedPosition, PositionsAnswer, address_of_request

FIRST_READING_LIMIT = 1.0
"""Seconds for which a confirmed close waits for its first reading, or half of its `max_wait` if that is less."""
TOLERANCE = 0.0011
"""Seconds by which a client's own times may be off: a coarse loop rounds up to whole milliseconds."""


@dataclass(slots=True)
class Reading:
    """One answered question for positions: when it was on its way, and the listings that may be its answer.

    `sure` is False if a refusal, which lists nothing, may have been the answer instead. `late` is True if an earlier
    one may have failed: a confirmed close waits for no second one before it is sent.
    """

    begun: float
    ended: float
    answers: list[PositionsAnswer]
    sure: bool = True
    late: bool = False

    def covers(self, inst_id: str) -> bool:
        """Whether a possible answer covers an instrument."""
        return any(told.covers(inst_id) for told in self.answers)

    def surely_covers(self, inst_id: str) -> bool:
        """Whether every possible answer covers an instrument."""
        return self.sure and all(told.covers(inst_id) for told in self.answers)

    def at(self, address: Address) -> set[ListedPosition | None]:
        """Return the positions that possible answers list at an address; None: nothing."""
        return {told.at_address(address) for told in self.answers if told.covers(address.inst_id)}

    def may_list(self, address: Address, target: ListedPosition) -> bool:
        """Whether one of the possible answers lists the position `target`."""
        return any(listed and listed.identity == target.identity for listed in self.at(address))


def readings_of(evidence: Evidence, flatten: FlattenRecord) -> list[Reading]:
    """Return the readings of a flatten in order; no two overlap.

    Confirmed closes of one client have theirs in common: those begun while this one was under way are its own, too.
    """
    limiter = evidence.limiters[evidence.plan.seats[flatten.seat].limiter]
    found: list[Reading] = []
    times = [told.at for told in evidence.witness.answers]
    lane = [flatten]
    if flatten.lane is not None:
        lane = [made for made in evidence.flattens.values() if made.lane == flatten.lane]
    calls = {made.name for made in lane}
    of_lane = {made.request.inst_id for made in lane if made.request is not None}
    mine = [
        wait
        for wait in limiter.waits
        if wait.call in calls and isinstance(wait.key, tuple) and wait.key[-1] == "account/positions"
    ]
    if flatten.lane is not None:
        until = inf if flatten.ended is None else flatten.ended
        mine = [wait for wait in mine if flatten.at - TOLERANCE <= (wait.served or -inf) <= until]
        # One that begins as this one ends, and is answered later, is of the others of the lane.
        begun, known = until - TOLERANCE, until + TOLERANCE
        mine = [wait for wait in mine if (wait.served or 0.0) < begun or wait.ended is None or wait.ended <= known]
    lost = min((wait.ended for wait in mine if wait.ended is not None and wait.fate != "settled"), default=inf)
    missed = False
    for begun, ended in _spans(mine):
        told = [
            one
            for one in evidence.witness.answers[bisect_left(times, begun) : bisect_right(times, ended)]
            if one.api_key == flatten.api_key and _asks(one, flatten, of_lane)
        ]
        # A question of a lane may have been for the instruments of others alone.
        listings = [one for one in told if one.listing is not None and _is_told(one, flatten)]
        if listings:
            late = flatten.lane is not None and (missed or lost <= ended)
            found.append(Reading(begun, ended, listings, sure=len(listings) == len(told), late=late))
        else:
            missed = True
    return found


def _asks(told: PositionsAnswer, flatten: FlattenRecord, of_lane: set[str]) -> bool:
    """Whether a flatten, or a close of its lane, asks such a question: for its instruments, or some it has found."""
    if flatten.lane is not None:
        return told.inst_ids is None or told.inst_ids <= of_lane
    if flatten.scope.inst_ids is not None:
        return told.inst_ids == frozenset(flatten.scope.inst_ids)
    return told.inst_ids is None or told.inst_ids <= {record["instId"] for record in flatten.taken_up}


def _is_told(told: PositionsAnswer, flatten: FlattenRecord) -> bool:
    """Whether an answer says something to a flatten: to a close of a lane if it is of its instrument."""
    return flatten.lane is None or flatten.request is None or told.covers(flatten.request.inst_id)


def _spans(waits: Sequence[Wait]) -> Iterator[tuple[float, float]]:
    """Yield the start and the end of each answered question."""
    last: Wait | None = None
    for wait in waits:  # in the order in which they came
        if wait.served is None or wait.ended is None or wait.fate != "settled":
            continue
        if last is not None and last.served is not None and last.ended is not None:
            # Under two keys a question has two slots, one inside the other; the next question, under one key again,
            # may begin and end at the moment at which this one has ended.
            within = wait.joined < last.ended or last.served == last.ended
            inside = last.key != wait.key and within and wait.ended <= last.ended
            if not inside:
                yield last.served, last.ended
        last = wait
    if last is not None and last.served is not None and last.ended is not None:
        yield last.served, last.ended


def targets(flatten: FlattenRecord, readings: list[Reading]) -> dict[Address, ListedPosition] | None:
    """Return the positions to be closed by address; None if they cannot be determined."""
    if flatten.request is None:
        return flatten.targets
    address = address_of_request(flatten.request)
    first = min((one.sent for one in flatten.closes.get(address, ()) if one.sent is not None), default=inf)
    for reading in readings:
        if reading.ended <= first and reading.covers(address.inst_id):
            late = reading.ended - flatten.at - min(FIRST_READING_LIMIT, flatten.deadline / 2)
            if late > -TOLERANCE:  # the close was sent without a reading, unless it came in the last moment
                return {} if late > TOLERANCE else None
            candidates = reading.at(address)
            if not reading.sure or reading.late or len(candidates) > 1:
                return None
            listed = candidates.pop()
            return {} if listed is None else {address: listed}
    return {}


def superseded(candidates: set[ListedPosition | None], target: ListedPosition) -> bool:
    """Whether every possible answer lists another, not older position instead of `target`."""
    return all(
        listed is not None and listed.identity != target.identity and int(listed.c_time) >= int(target.c_time)
        for listed in candidates
    )
