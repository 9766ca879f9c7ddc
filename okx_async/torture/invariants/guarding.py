"""Invariants of the closes of a flatten or a confirmed close: which may be written, and until when.

Two facts are bounded, but not known: which answer a client had to a question (one of those that the exchange gave to
its API key between the question's slot and its end, mostly a single one), and which attempt a request without a
clOrdId belongs to. A close is allowed if one of the possible answers allows it, and forbidden only if all of them
forbid it. Times of writing are the client's own, converted to the loop's clock, so a request that is long on its way
counts as written in time.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise
from math import inf
from typing import Any

from okx_async import Attempt
from okx_async.simulator import Trade
from okx_async.torture.evidence import SLACK, Evidence
from okx_async.torture.flatten_records import CloseAttempt, FlattenRecord
from okx_async.torture.invariants.readings import TOLERANCE, Reading, readings_of, superseded, targets
from okx_async.torture.witness import Address, ExecutedClose, ListedPosition, address_of, listed_position

MAX_AGE = 1.0
"""Seconds after the start of a reading within which a close may rely on it."""
STANDSTILL = 2.0
"""Seconds for which a position must be listed unchanged before a close that may have been executed is repeated."""
LAST_READING = 1.0
"""Seconds after the deadline for a last reading."""
MAY_MOVE = {"accepted", "unknown", "wait"}
FINAL = {"needs", "fatal"}
REPEATABLE = {"rate", "later", "clock", "not_sent"}
LIFTED = {"51112", "51115", "51117", "51125", "51126", "51148", "51168", "51205", "51206"}
"""Refusals because of pending orders, which a close with autoCxl has the exchange cancel."""
MOST_MISSED = 3
COUNTED = {"later", "frozen", "clock"}
"""Refusals whose repeats are counted; after `rate` and `not_sent` only the deadline ends them."""
MOST_REPEATS = 5
SELDOM_PASS = {"50005": 2, "50046": 3, "50062": 3}


def lifts(attempt: Attempt) -> bool:
    """Return whether a close was refused because of pending orders that it has the exchange cancel."""
    return attempt.request.auto_cxl and attempt.code.partition("_")[0] in LIFTED


def guard(evidence: Evidence) -> Iterator[str]:
    """Every close is allowed by a reading."""
    for flatten in evidence.flattens.values():
        readings = readings_of(evidence, flatten)
        mine = targets(flatten, readings)
        if mine is None:
            continue
        for address, closes in flatten.closes.items():
            target = mine.get(address)
            lines = _unguarded(closes) if target is None else _allowed(address, target, closes, readings)
            yield from (f"{flatten.name} {address.inst_id} {address.pos_side}: {line}" for line in lines)
            yield from (f"{flatten.name} {address.inst_id} {address.pos_side}: {line}" for line in _endless(closes))


def _unguarded(closes: list[CloseAttempt]) -> Iterator[str]:
    """Without a reading of the position, only a close that was plainly refused may be sent again."""
    for one in closes[:-1]:
        if one.attempt.outcome.value not in REPEATABLE and not lifts(one.attempt):
            yield f"{one.attempt.outcome.value} {one.attempt.code} was sent again, and nothing was known of a position"


def _endless(closes: list[CloseAttempt]) -> Iterator[str]:
    """Repeats end: at once after a final refusal, soon after "no position" or "out of time"."""
    yield from _too_many(closes)
    outcomes = [one.attempt.outcome.value for one in closes]
    for one in closes[:-1]:
        lifted = lifts(one.attempt)
        if one.attempt.outcome.value in FINAL and not lifted:
            yield f"{one.attempt.outcome.value} {one.attempt.code}, and yet another close"
    if outcomes.count("maybe_flat") > MOST_MISSED:
        yield f"{outcomes.count('maybe_flat')} closes of what the exchange does not find"
    if outcomes.count("clock") > 2:
        yield f"{outcomes.count('clock')} closes out of time"


def _too_many(closes: list[CloseAttempt]) -> Iterator[str]:
    """Count the repeats for passing reasons: five at most, of some codes fewer; after a taken close they begin anew."""
    counted = few = 0
    for one, following in pairwise(closes):
        outcome, code = one.attempt.outcome.value, one.attempt.code.partition("_")[0]
        if outcome in MAY_MOVE:
            counted = few = 0
        elif outcome in COUNTED:
            counted += 1
            few += code in SELDOM_PASS
            if counted > MOST_REPEATS or few > SELDOM_PASS.get(code, MOST_REPEATS):
                yield f"{outcome} {code}, and repeat {counted} of the close, with {following.attempt.outcome.value}"


def _allowed(
    address: Address, target: ListedPosition, closes: list[CloseAttempt], readings: list[Reading]
) -> Iterator[str]:
    readings = [reading for reading in readings if reading.covers(address.inst_id)]
    # Readings before the first that lists the position concern an earlier one at the same address.
    appears = [reading.may_list(address, target) for reading in readings]
    readings = readings[appears.index(True) :] if True in appears else []
    for number, one in enumerate(closes):
        if one.sent is None:
            continue
        before = [earlier for earlier in closes[:number] if earlier.attempt.outcome.value != "not_sent"]
        heard = max((earlier.ended for earlier in before), default=-inf)
        known = [reading for reading in readings if reading.ended <= one.sent and _counts(reading, before)]
        # A listing from before the last answer no longer allows a close, but a new position stays a new one.
        sure = [reading for reading in known if reading.surely_covers(address.inst_id) and _known(reading, one.sent)]
        other = next((reading for reading in sure if superseded(reading.at(address), target)), None)
        what = f"close {number + 1}, written at {one.sent:.6f}"
        if other is not None:
            yield f"{what}: since {other.ended:.6f} another position was known to stand there"
            continue
        recent = [reading for reading in known if reading.begun >= max(one.sent - MAX_AGE, heard) - TOLERANCE]
        grants = [reading for reading in recent if reading.may_list(address, target)]
        if not any(earlier.written for earlier in before):
            # The first close needs no reading, but must not contradict one.
            if not grants and any(reading in sure for reading in recent):
                yield f"{what}: what was read at {recent[-1].begun:.6f} does not list the position"
            continue
        if not grants:
            yield f"{what}: no reading since {heard:.6f}, and of the second before, lists the position"
            continue
        moved = max((earlier.ended for earlier in before if earlier.attempt.outcome.value in MAY_MOVE), default=-inf)
        if moved > -inf and not any(_stood_still(reading, address, target, moved, known) for reading in grants):
            yield f"{what}: a close was on its way, and the position was not seen to stand still for {STANDSTILL:g} s"


def _known(reading: Reading, sent: float) -> bool:
    """Whether a reading ended before a write, or at the same moment if it took time: a write may wait for it."""
    return reading.ended < sent or reading.begun < reading.ended == sent


def _counts(reading: Reading, before: list[CloseAttempt]) -> bool:
    """Whether no close of this address was on the wire during the reading."""
    return all(reading.ended <= (one.sent or one.ended) or reading.begun >= one.ended - TOLERANCE for one in before)


def _stood_still(last: Reading, address: Address, target: ListedPosition, moved: float, known: list[Reading]) -> bool:
    """Whether the position was listed unchanged from a reading 2 s before, begun after the close that may move it."""
    for listed in last.at(address):
        if listed is None or listed.identity != target.identity:
            continue
        since: float | None = None
        for reading in known:
            if reading.begun < moved - TOLERANCE or reading.begun > last.begun:
                continue
            if listed in reading.at(address):
                since = reading.begun if since is None else since
            elif reading.surely_covers(address.inst_id):  # else the answer may have been one that says nothing of it
                since = None
        if since is not None and last.begun - since >= STANDSTILL - TOLERANCE:
            return True
    return False


def kills(evidence: Evidence) -> Iterator[str]:
    """No late repeat of a close hits a position that was opened while another was being closed."""
    opened = _openings(evidence)
    asked = {(one.counted, one.user_id, *one.address[:3]): one for one in evidence.witness.executed}
    by_address: dict[tuple[str, Address], list[tuple[FlattenRecord, CloseAttempt, bool]]] = defaultdict(list)
    mine = {
        flatten.name: targets(flatten, readings_of(evidence, flatten)) or {} for flatten in evidence.flattens.values()
    }
    for flatten in evidence.flattens.values():
        for address, closes in flatten.closes.items():
            repeat = False
            for one in closes:
                if one.written:
                    by_address[flatten.user_id, address].append((flatten, one, repeat))
                    repeat = True
    latest = evidence.plan.exchange.lag[1] + SLACK + evidence.plan.conditions.freeze
    for trade in evidence.trades:
        where = trade.before
        cause = asked.get((trade.asked or 0.0, where.user_id, where.inst_id, where.mgn_mode, where.pos_side))
        if trade.cause != "close" or cause is None or cause.name:
            continue
        suspects = [
            (flatten, one, repeat)
            for flatten, one, repeat in by_address[cause.user_id, cause.address]
            if may_be(one, cause) and flatten.api_key == cause.api_key
        ]
        born = opened[_identity(trade.before)]
        if suspects and all(
            repeat
            and _is_another(mine[flatten.name].get(cause.address), trade)
            and born + latest < (one.sent or 0.0) - MAX_AGE
            for flatten, one, repeat in suspects
        ):
            flatten, one, _ = suspects[0]
            what = f"a repeat written at {one.sent:.6f} closed a position that was opened at {born:.6f}"
            yield f"{flatten.name} {cause.address.inst_id}: {what}"


def _openings(evidence: Evidence) -> dict[tuple[str, str, bool], float]:
    """Return when each position was opened or turned, by the loop's clock; without those that stood at the start."""
    opened: dict[tuple[str, str, bool], float] = {}
    for trade in evidence.trades:
        if trade.after.pos:
            opened.setdefault(_identity(trade.after), _moment(evidence, trade.at))
    return opened


def _identity(holding: Any) -> tuple[str, str, bool]:
    return holding.pos_id, str(holding.c_time), holding.pos > 0


def _is_another(target: ListedPosition | None, trade: Trade) -> bool:
    """Whether the position that was closed is known to be another one than the target."""
    return target is not None and (trade.before.pos_id, str(trade.before.c_time)) != (target.pos_id, target.c_time)


def may_be(one: CloseAttempt, cause: ExecutedClose) -> bool:
    """Whether an executed request may belong to this attempt."""
    if one.sent is None or cause.at < one.sent - TOLERANCE:
        return False
    return cause.at <= one.ended + TOLERANCE or one.attempt.token == "in doubt"


def _moment(evidence: Evidence, at: float) -> float:
    """Convert a time of the exchange's clock to the loop's."""
    return evidence.start + (at - evidence.start) / evidence.plan.exchange.rate


def filters(evidence: Evidence) -> Iterator[str]:
    """Nothing outside of the filter is closed, and no address is taken up for two positions."""
    closes: dict[tuple[str, Address], list[CloseAttempt]] = defaultdict(list)
    opened = {identity[:2]: at for identity, at in reversed(_openings(evidence).items())}
    for flatten in evidence.flattens.values():
        yield from _late(evidence, flatten, opened)
        addresses: dict[Address, tuple[str, str, str]] = {}
        for record in flatten.taken_up:
            address, listed = address_of(record), listed_position(record)
            if not flatten.scope.includes(record):
                yield f"{flatten.name} {address.inst_id} {address.pos_side}: outside of what was to be closed"
            if addresses.setdefault(address, listed.identity) != listed.identity:
                yield f"{flatten.name} {address.inst_id} {address.pos_side}: a new position was counted as meant"
        for address, made in flatten.closes.items():
            closes[flatten.api_key, address] += made
            if flatten.request is None and address not in addresses:
                yield f"{flatten.name} {address.inst_id} {address.pos_side}: closed, and never taken up"
    for one in evidence.witness.executed:
        if not one.name and not any(may_be(made, one) for made in closes[one.api_key, one.address]):
            yield f"{one.address.inst_id} {one.address.pos_side}: closed at {one.at:.6f} without an attempt"


def _late(evidence: Evidence, flatten: FlattenRecord, openings: Mapping[tuple[str, str], float]) -> Iterator[str]:
    """Yield what was taken up late: not listed by the first reading, and opened after the call."""
    readings = readings_of(evidence, flatten)
    first = next((number for number, reading in enumerate(readings, 1) if reading.sure), len(readings))
    for record, error in zip(flatten.taken_up, flatten.clock_errors, strict=False):
        address, listed = address_of(record), listed_position(record)
        fast = SLACK + max(0.0, error)
        opened = openings.get((listed.pos_id, listed.c_time), -inf)
        if opened > flatten.at + fast and not any(one.may_list(address, listed) for one in readings[:first]):
            what = f"taken up, although it was opened {opened - flatten.at:.3f} s after the call"
            yield f"{flatten.name} {address.inst_id} {address.pos_side}: {what}, and not in the first reading"


def deadlines(evidence: Evidence) -> Iterator[str]:
    """No close is written after the deadline, and the call returns soon after it."""
    plan = evidence.plan
    late = SLACK + 3 * plan.conditions.freeze
    for flatten in evidence.flattens.values():
        seat = plan.seats[flatten.seat]
        wire = seat.connect_timeout + seat.timeout
        by = flatten.at + flatten.deadline
        if flatten.request is None:
            end = by + wire + LAST_READING + late
            if flatten.orders:
                end += flatten.look_again + LAST_READING
            writes = by + late
        else:
            end = by + wire + flatten.patience + wire + late
            writes = by + wire + flatten.patience + late
        for closes in flatten.closes.values():
            for one in closes:
                if one.sent is not None and one.sent > writes:
                    yield f"{flatten.name}: wrote a close {one.sent - by:.3f} s after its deadline"
        if flatten.ended is not None and flatten.ended > end:
            yield f"{flatten.name}: came back {flatten.ended - by:.3f} s after its deadline"
