"""Invariants of single closes: what a call was told, what it sent again, how it was signed and how long it took."""

from collections import defaultdict
from collections.abc import Iterator
from math import floor

from okx_async.simulator import JournalRow
from okx_async.simulator.api.arrivals import worst_window
from okx_async.simulator.api.endpoints import CLOSE_PATH, ROUTES
from okx_async.torture.calls import ACCEPTED, CANCELLED, NOT_SENT, REFUSED, UNKNOWN, Call
from okx_async.torture.evidence import SLACK, Evidence
from okx_async.torture.invariants.guarding import REPEATABLE, lifts
from okx_async.torture.invented import EPOCH
from okx_async.torture.stage import FOREIGN

EXPIRY = 30.0
"""Seconds that a signature may be off."""
MOST_ATTEMPTS = 6
JOIN_LOOK = 0.05
"""Seconds that may pass until a call whose time is over sees that the close it joined is on the wire no more."""


def windows(evidence: Evidence) -> Iterator[str]:
    """No window holds more of our requests than the limit, on the exchange's own clock.

    The window is closed at both ends and knows milliseconds only: the strictest reading of "20 in 2 s".
    """
    times: dict[tuple[str, str], list[int]] = defaultdict(list)
    limits: dict[tuple[str, str], int] = {}
    for row in evidence.journal:
        if row.key is not None and not row.cl_ord_id.startswith(FOREIGN):
            times[row.key].append(floor(row.at * 1000))
            path = row.path.partition("?")[0]
            # A limiter with a share of the quota of closes has the whole quota of every other endpoint.
            shares = 1 if path == CLOSE_PATH else evidence.plan.shares
            limits[row.key] = ROUTES[row.method, path].limit * shares
    for key, ats in times.items():
        limit = limits[key]
        if len(ats) > limit and (worst := worst_window(ats, 2001)) > limit:
            ats.sort()
            at = next(b for a, b in zip(ats, ats[limit:], strict=False) if b - a <= 2000)  # the window
            yield f"{worst} of ours within 2 s at {key}, the one too many at {at / 1000 - evidence.start:.3f}"


def truth(evidence: Evidence) -> Iterator[str]:
    """Callers are told what the exchange did, and nothing else."""
    for call in evidence.calls.values():
        rows = evidence.rows.get(call.name, [])
        executed = sum(row.executed for row in rows)
        sent = sum(attempt.token != "refunded" for attempt in call.attempts)
        who = f"{call.name} {call.request.inst_id}"
        if call.ended is None:
            yield f"{who}: its caller was never told anything"
        elif call.told == ACCEPTED and executed != 1 and not call.join:  # `joins` judges those that were
            yield f"{who}: told accepted, executed {executed} times"
        elif call.told == REFUSED and executed and not call.join:
            yield f"{who}: told refused ({call.words}), but it was executed"
        elif call.told == NOT_SENT and rows:
            yield f"{who}: told not sent ({call.words}), but it arrived {len(rows)} times"
        elif call.told == CANCELLED and not call.warned and executed:
            yield f"{who}: cancelled without a note, but it was executed"
        elif call.told not in {ACCEPTED, REFUSED, NOT_SENT, UNKNOWN, CANCELLED}:
            yield f"{who}: {call.told}"
        yield from _overheard(evidence, call, rows)
        if executed > 1:
            yield f"{who}: executed {executed} times"
        if len(rows) > sent:
            yield f"{who}: arrived {len(rows)} times, {sent} of {len(call.attempts)} attempts say that they were sent"


def _overheard(evidence: Evidence, call: Call, rows: list[JournalRow]) -> Iterator[str]:
    """Yield a line for a call told as unknown whose acceptance came while it was awaited, and not just as it ended."""
    heard = evidence.witness.accepted.get(call.name)
    if call.told != UNKNOWN or heard is None or any(row.fault for row in rows):
        return
    late = SLACK + evidence.plan.conditions.freeze
    most = evidence.plan.seats[call.seat].timeout - late
    for begun, ended in call.spans:
        if begun <= heard <= ended and (ended - begun < most or heard < ended - late):
            yield f"{call.name}: told unknown ({call.words}), but its acceptance had come at {heard:.6f}"


def repeats(evidence: Evidence) -> Iterator[str]:
    """Only a close refused for a passing reason is sent again, five times at most; tokens agree with outcomes."""
    for call in evidence.calls.values():
        for attempt in call.attempts[:-1]:
            if attempt.outcome.value not in REPEATABLE and not lifts(attempt):
                yield f"{call.name} {call.request.inst_id}: {attempt.outcome.value} {attempt.code} was sent again"
        # A close that waits for others is begun anew after one of a higher lane took its place, before it was sent.
        made = [attempt for attempt in call.attempts if attempt.token != "refunded" or not call.join]
        if len(made) > MOST_ATTEMPTS:
            yield f"{call.name} {call.request.inst_id}: {len(made)} attempts"
        for attempt in call.attempts:
            answered = attempt.outcome.value not in {"unknown", "not_sent"}
            if answered and attempt.token != "settled" and attempt.code:
                yield f"{call.name}: answered {attempt.code}, but its token is {attempt.token}"
            if not answered and attempt.token == "settled":
                yield f"{call.name}: {attempt.outcome.value} {attempt.code}, but its token is settled"


def signatures(evidence: Evidence) -> Iterator[str]:
    """No request expires except by the clock or on its way, as each is signed right before sending."""
    plan = evidence.plan
    # After a clock has jumped, one request a jump is signed by the old offset.
    jumps = sum(mishap.kind == "clock jumps" for mishap in plan.mishaps)
    for call in evidence.calls.values():
        expired = [row for row in evidence.rows.get(call.name, ()) if row.code == "50102" and not row.fault]
        attempts = [attempt for attempt in call.attempts if attempt.code == "50102" and attempt.sent is not None]
        for row, attempt in zip(expired, attempts, strict=False):
            age = EPOCH + row.at - evidence.start - (attempt.sent or 0.0)
            if not jumps and abs(age) < EXPIRY - plan.seats[call.seat].connect_timeout - plan.conditions.freeze - SLACK:
                yield f"{call.name} {call.request.inst_id}: counted {age:.3f} s after it was sent, and expired"
        if len(expired) > 1 + jumps:  # in between the exchange was asked for its time
            yield f"{call.name} {call.request.inst_id}: expired {len(expired)} times"


def promptness(evidence: Evidence) -> Iterator[str]:
    """No call takes longer than its caller allowed, and no answer is awaited for longer than its time-out."""
    plan = evidence.plan
    late = SLACK + 3 * plan.conditions.freeze
    for call in evidence.calls.values():
        seat = plan.seats[call.seat]
        # Over a caller's session an attempt is on the wire before it has a connection.
        if call.longest > seat.timeout + late + (seat.connect_timeout if seat.own_session else 0.0):
            yield f"{call.name} {call.request.inst_id}: on the wire for {call.longest:.3f} s, timeout={seat.timeout:g}"
        if call.max_wait is None or call.ended is None:
            continue
        took, most = call.ended - call.at, call.max_wait + seat.connect_timeout + seat.timeout + late
        most += JOIN_LOOK * call.join
        if took > most:
            yield f"{call.name} {call.request.inst_id}: took {took:.3f} s with max_wait={call.max_wait}"
        for attempt in call.attempts:
            if attempt.waited > call.max_wait + late:
                yield f"{call.name}: waited {attempt.waited:.3f} s for its slot with max_wait={call.max_wait}"
