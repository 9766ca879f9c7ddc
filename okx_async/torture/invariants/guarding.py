"""What must hold of those who want out, judged from what the exchange told and what they wrote and were told.

Two things are not known to the judge but bounded: which answer a client had to a question (one of those that the
exchange gave to its API key between the question's slot and its end, mostly a single one), and which close a request
without a name was. Where more than one is possible, what is allowed by one of them is allowed, and what is forbidden
must be forbidden by all. Times of writing are the client's own, made moments of the loop again: a request that is long
on its way is no fault of who wrote it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from math import inf
from typing import Any

from okx_async.simulator import Trade
from okx_async.torture.evidence import Evidence
from okx_async.torture.flatten_records import Escape, Try
from okx_async.torture.invariants.readings import HAIR, Look, looks, superseded, targets
from okx_async.torture.witness import Asked, Place, View, place_of, view_of

FRESH = 1.0
"""Seconds from the question to the last moment at which a close may rely on its answer: okx-facts, 7.2."""
STILL = 2.0
GRACE = 1.0
"""Seconds after the deadline for a last reading."""
LATE = 0.02
MAY_MOVE = {"ACCEPTED", "UNKNOWN", "WAIT"}
FINAL = {"NEEDS", "FATAL"}
MOST_MISSED = 3


def guard(evidence: Evidence) -> Iterator[str]:
    """Write no close that no reading allows: okx-facts, 7.2."""
    for escape in evidence.escapes.values():
        seen = looks(evidence, escape)
        mine = targets(escape, seen)
        if mine is None:
            continue
        for place, tries in escape.tries.items():
            target = mine.get(place)
            lines = _unguarded(tries) if target is None else _allowed(place, target, tries, seen)
            yield from (f"{escape.name} {place.inst_id} {place.pos_side}: {line}" for line in lines)
            yield from (f"{escape.name} {place.inst_id} {place.pos_side}: {line}" for line in _looped(tries))


def _unguarded(tries: list[Try]) -> Iterator[str]:
    """Without a position that was read first, only what was plainly refused may be sent again."""
    for one in tries[:-1]:
        if one.attempt.outcome.value not in {"RATE", "LATER", "CLOCK", "NOT-SENT"}:
            yield f"{one.attempt.outcome.value} {one.attempt.code} was sent again, and nothing was known of a position"


def _looped(tries: list[Try]) -> Iterator[str]:
    """Nothing goes on for ever: what is refused for good ends it, what is not there or not in time nearly so."""
    outcomes = [one.attempt.outcome.value for one in tries]
    for one in tries[:-1]:
        if one.attempt.outcome.value in FINAL:
            yield f"{one.attempt.outcome.value} {one.attempt.code}, and yet another close"
    if outcomes.count("FLAT?") > MOST_MISSED:
        yield f"{outcomes.count('FLAT?')} closes of what the exchange does not find"
    if outcomes.count("CLOCK") > 2:
        yield f"{outcomes.count('CLOCK')} closes out of time"


def _allowed(place: Place, target: View, tries: list[Try], seen: list[Look]) -> Iterator[str]:
    seen = [look for look in seen if look.covers(place.inst_id)]
    # What stood there before it was taken up, in a later reading than the first perhaps, was never its concern.
    appears = [any(view and view.which == target.which for view in look.views(place)) for look in seen]
    seen = seen[appears.index(True) :] if True in appears else []
    for number, one in enumerate(tries):
        if one.sent is None:
            continue
        before = [earlier for earlier in tries[:number] if earlier.attempt.outcome.value != "NOT-SENT"]
        heard = max((earlier.ended for earlier in before), default=-inf)
        known = [look for look in seen if look.ended <= one.sent and _counts(look, before)]
        # What was listed before the last answer does not count any more, but a new position never becomes the old one.
        sure = [look for look in known if look.surely_covers(place.inst_id) and _known(look, one.sent)]
        other = next((look for look in sure if superseded(look.views(place), target)), None)
        what = f"close {number + 1}, written at {one.sent:.6f}"
        if other is not None:
            yield f"{what}: since {other.ended:.6f} another position was known to stand there"
            continue
        recent = [look for look in known if look.begun >= max(one.sent - FRESH, heard) - HAIR]
        grants = [look for look in recent if any(view and view.which == target.which for view in look.views(place))]
        if not any(earlier.written for earlier in before):
            # The first one goes out although nothing can be read; but not against what was read.
            if not grants and any(look in sure for look in recent):
                yield f"{what}: what was read at {recent[-1].begun:.6f} does not list the position"
            continue
        if not grants:
            yield f"{what}: no reading since {heard:.6f}, and of the second before, lists the position"
            continue
        moved = max((earlier.ended for earlier in before if earlier.attempt.outcome.value in MAY_MOVE), default=-inf)
        if moved > -inf and not any(_stood_still(look, place, target, moved, known) for look in grants):
            yield f"{what}: a close was on its way, and the position was not seen to stand still for {STILL:g} s"


def _known(look: Look, sent: float) -> bool:
    """Whether it was told before a write: of the same moment if it took any time, as a write may wait for its end."""
    return look.ended < sent or look.begun < look.ended == sent


def _counts(look: Look, before: list[Try]) -> bool:
    """Whether no close of this place was on the wire while it was."""
    return all(look.ended <= (one.sent or one.ended) or look.begun >= one.ended - HAIR for one in before)


def _stood_still(last: Look, place: Place, target: View, moved: float, known: list[Look]) -> bool:
    """Whether the position was listed unchanged from a reading 2 s before, begun after the close that may move it."""
    for view in last.views(place):
        if view is None or view.which != target.which:
            continue
        since: float | None = None
        for look in known:
            if look.begun < moved - HAIR or look.begun > last.begun:
                continue
            if view not in look.views(place):
                since = None
            elif since is None:
                since = look.begun
        if since is not None and last.begun - since >= STILL - HAIR:
            return True
    return False


def kills(evidence: Evidence) -> Iterator[str]:
    """Close no position, by a repeat that comes late, that was opened while another was being closed."""
    opened: dict[tuple[str, str, bool], float] = {}
    for trade in evidence.trades:
        if trade.after.pos:
            opened.setdefault(_which(trade.after), _moment(evidence, trade.at))
    asked = {(one.counted, one.user_id, *one.place[:3]): one for one in evidence.witness.asked}
    by_place: dict[tuple[str, Place], list[tuple[Escape, Try, bool]]] = defaultdict(list)
    mine = {escape.name: targets(escape, looks(evidence, escape)) or {} for escape in evidence.escapes.values()}
    for escape in evidence.escapes.values():
        for place, tries in escape.tries.items():
            repeat = False
            for one in tries:
                if one.written:
                    by_place[escape.user_id, place].append((escape, one, repeat))
                    repeat = True
    latest = evidence.plan.exchange.lag[1] + LATE + evidence.plan.weather.freeze
    for trade in evidence.trades:
        where = trade.before
        cause = asked.get((trade.asked or 0.0, where.user_id, where.inst_id, where.mgn_mode, where.pos_side))
        if trade.cause != "close" or cause is None or cause.name:
            continue
        suspects = [
            (escape, one, repeat)
            for escape, one, repeat in by_place[cause.user_id, cause.place]
            if may_be(one, cause) and escape.api_key == cause.api_key
        ]
        born = opened[_which(trade.before)]
        if suspects and all(
            repeat and _strange(mine[escape.name].get(cause.place), trade) and born + latest < (one.sent or 0.0) - FRESH
            for escape, one, repeat in suspects
        ):
            escape, one, _ = suspects[0]
            yield (
                f"{escape.name} {cause.place.inst_id}: a repeat written at {one.sent:.6f} closed a position that was "
                f"opened at {born:.6f}"
            )


def _which(holding: Any) -> tuple[str, str, bool]:
    return holding.pos_id, str(holding.c_time), holding.pos > 0


def _strange(target: View | None, trade: Trade) -> bool:
    """Whether the position that was closed is another one than what was to be closed, as far as that is known."""
    return target is not None and (trade.before.pos_id, str(trade.before.c_time)) != (target.pos_id, target.c_time)


def may_be(one: Try, cause: Asked) -> bool:
    """Whether a request that was executed may be this try."""
    if one.sent is None or cause.at < one.sent - HAIR:
        return False
    return cause.at <= one.ended + HAIR or one.attempt.token == "in doubt"


def _moment(evidence: Evidence, at: float) -> float:
    """Return a time of the exchange's clock by the loop's."""
    return evidence.start + (at - evidence.start) / evidence.plan.exchange.rate


def filters(evidence: Evidence) -> Iterator[str]:
    """Close nothing that was not asked for, and take nothing up twice."""
    tries: dict[tuple[str, Place], list[Try]] = defaultdict(list)
    for escape in evidence.escapes.values():
        places: dict[Place, tuple[str, str, str]] = {}
        for record in escape.befores:
            place, view = place_of(record), view_of(record)
            if not escape.wish.wants(record):
                yield f"{escape.name} {place.inst_id} {place.pos_side}: outside of what was to be closed"
            if places.setdefault(place, view.which) != view.which:
                yield f"{escape.name} {place.inst_id} {place.pos_side}: a new position was counted as meant"
        for place, made in escape.tries.items():
            tries[escape.api_key, place] += made
            if escape.request is None and place not in places:
                yield f"{escape.name} {place.inst_id} {place.pos_side}: closed, and never taken up"
    for one in evidence.witness.asked:
        if not one.name and not any(may_be(made, one) for made in tries[one.api_key, one.place]):
            yield f"{one.place.inst_id} {one.place.pos_side}: closed at {one.at:.6f}, and nobody says so"


def deadlines(evidence: Evidence) -> Iterator[str]:
    """Write nothing after the deadline, and come back soon after it."""
    plan = evidence.plan
    late = LATE + 3 * plan.weather.freeze
    for escape in evidence.escapes.values():
        seat = plan.seats[escape.seat]
        wire = seat.connect_timeout + seat.timeout
        by = escape.at + escape.deadline
        if escape.request is None:
            end = by + wire + GRACE + late
            writes = by + late
        else:
            end = by + wire + escape.patience + wire + late
            writes = by + wire + escape.patience + late
        for tries in escape.tries.values():
            for one in tries:
                if one.sent is not None and one.sent > writes:
                    yield f"{escape.name}: wrote a close {one.sent - by:.3f} s after its deadline"
        if escape.ended is not None and escape.ended > end:
            yield f"{escape.name}: came back {escape.ended - by:.3f} s after its deadline"
