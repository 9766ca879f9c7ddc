"""The invariants: what must hold in every history, judged from the exchange's journal and from what callers were told.

A table; a new invariant is a function that yields a line for each breach, and a row.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from math import floor
from typing import TYPE_CHECKING

from okx_async.simulator.api.arrivals import worst_window
from okx_async.simulator.api.endpoints import CLOSE_PATH, ROUTES
from okx_async.torture.calls import ACCEPTED, CANCELLED, NOT_SENT, REFUSED, UNKNOWN
from okx_async.torture.invariants.guarding import deadlines, filters, guard, kills
from okx_async.torture.invariants.reports import flat, rows
from okx_async.torture.stage import EPOCH, FOREIGN
from okx_async.torture.witness import Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from okx_async import Attempt
    from okx_async.simulator import JournalRow, Trade
    from okx_async.torture.calls import Call
    from okx_async.torture.flatten_records import Escape
    from okx_async.torture.plan import Plan
    from okx_async.torture.watched_limiter import Wait, WatchedLimiter

__all__ = ["INVARIANTS", "Breach", "Evidence", "judge"]

WINDOW = 2.0
"""Seconds for which a key that was refused for rate pauses at least."""
EXPIRY = 30.0
"""Seconds that a signature may be off."""
REPEATABLE = {"RATE", "LATER", "CLOCK", "NOT-SENT"}
MOST_ATTEMPTS = 6
SLACK = 0.02
"""Seconds that a promise may be late for no fault of ours: late timers, and what the machine does between two."""


@dataclass(frozen=True, slots=True)
class Breach:
    """An invariant that did not hold."""

    invariant: str
    words: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.words}"


@dataclass(slots=True)
class Evidence:
    """All that is known of a history when it is over."""

    plan: Plan
    start: float
    journal: list[JournalRow]
    calls: dict[str, Call]
    limiters: list[WatchedLimiter]
    silent: list[str]
    """States of limiters after the silence, of those that should have been at rest."""
    left: list[str]
    """Tasks, timers, connections and exceptions left behind."""
    struck: int = 0
    """Mishaps on the network."""
    escapes: dict[str, Escape] = field(default_factory=dict)
    """Those who wanted out."""
    witness: Witness = field(default_factory=lambda: Witness(lambda: 0.0))
    trades: Sequence[Trade] = ()
    """Every change of a position."""
    rows: dict[str, list[JournalRow]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for row in self.journal:
            if row.cl_ord_id:
                self.rows[row.cl_ord_id].append(row)


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
    """Tell callers what the exchange did, and nothing else."""
    for call in evidence.calls.values():
        rows = evidence.rows.get(call.name, [])
        executed = sum(row.executed for row in rows)
        sent = sum(attempt.token != "refunded" for attempt in call.attempts)
        who = f"{call.name} {call.request.inst_id}"
        if call.ended is None:
            yield f"{who}: its caller was never told anything"
        elif call.told == ACCEPTED and executed != 1:
            yield f"{who}: told accepted, executed {executed} times"
        elif call.told == REFUSED and executed:
            yield f"{who}: told refused ({call.words}), but it was executed"
        elif call.told == NOT_SENT and rows:
            yield f"{who}: told not sent ({call.words}), but it arrived {len(rows)} times"
        elif call.told == CANCELLED and not call.warned and executed:
            yield f"{who}: cancelled without a note, but it was executed"
        elif call.told not in {ACCEPTED, REFUSED, NOT_SENT, UNKNOWN, CANCELLED}:
            yield f"{who}: {call.told}"
        if executed > 1:
            yield f"{who}: executed {executed} times"
        if len(rows) > sent:
            yield f"{who}: arrived {len(rows)} times, {sent} of {len(call.attempts)} attempts say that they were sent"


def repeats(evidence: Evidence) -> Iterator[str]:
    """Only what was not executed for a passing reason is sent again, five times at most; tokens tell as outcomes do."""
    for call in evidence.calls.values():
        for attempt in call.attempts[:-1]:
            if attempt.outcome.value not in REPEATABLE:
                yield f"{call.name} {call.request.inst_id}: {attempt.outcome.value} {attempt.code} was sent again"
        if len(call.attempts) > MOST_ATTEMPTS:
            yield f"{call.name} {call.request.inst_id}: {len(call.attempts)} attempts"
        for attempt in call.attempts:
            answered = attempt.outcome.value not in {"UNKNOWN", "NOT-SENT"}
            if answered and attempt.token != "settled" and attempt.code:
                yield f"{call.name}: answered {attempt.code}, but its token is {attempt.token}"
            if not answered and attempt.token == "settled":
                yield f"{call.name}: {attempt.outcome.value} {attempt.code}, but its token is settled"


def signatures(evidence: Evidence) -> Iterator[str]:
    """Sign right before sending: no request expires but by the clock or on its way."""
    plan = evidence.plan
    # After a clock has jumped, a request is signed by what was learnt before, once for each jump.
    jumps = sum(mishap.kind == "clock jumps" for mishap in plan.mishaps)
    for call in evidence.calls.values():
        expired = [row for row in evidence.rows.get(call.name, ()) if row.code == "50102" and not row.fault]
        attempts = [attempt for attempt in call.attempts if attempt.code == "50102" and attempt.sent is not None]
        for row, attempt in zip(expired, attempts, strict=False):
            age = EPOCH + row.at - evidence.start - (attempt.sent or 0.0)
            if not jumps and abs(age) < EXPIRY - plan.seats[call.seat].connect_timeout - plan.weather.freeze - SLACK:
                yield f"{call.name} {call.request.inst_id}: counted {age:.3f} s after it was sent, and expired"
        if len(expired) > 1 + jumps:  # in between the exchange was asked for its time
            yield f"{call.name} {call.request.inst_id}: expired {len(expired)} times"


def promptness(evidence: Evidence) -> Iterator[str]:
    """Nobody is kept longer than he said, and no answer is awaited for longer."""
    plan = evidence.plan
    late = SLACK + 3 * plan.weather.freeze
    for call in evidence.calls.values():
        seat = plan.seats[call.seat]
        # Over a caller's session an attempt is on the wire before it has a connection.
        if call.longest > seat.timeout + late + (seat.connect_timeout if seat.own_session else 0.0):
            yield f"{call.name} {call.request.inst_id}: on the wire for {call.longest:.3f} s, timeout={seat.timeout:g}"
        if call.max_wait is None or call.ended is None:
            continue
        took, most = call.ended - call.at, call.max_wait + seat.connect_timeout + seat.timeout + late
        if took > most:
            yield f"{call.name} {call.request.inst_id}: took {took:.3f} s with max_wait={call.max_wait}"
        for attempt in call.attempts:
            if attempt.waited > call.max_wait + late:
                yield f"{call.name}: waited {attempt.waited:.3f} s for its slot with max_wait={call.max_wait}"


def order(evidence: Evidence) -> Iterator[str]:
    """First come, first served in each lane of each key, PANIC first; nobody waits beside a free token."""
    for limiter in evidence.limiters:
        yield from (f"waits beside a free token: {line}" for line in limiter.idle[:3])
        lanes: dict[Hashable, tuple[list[Wait], list[Wait]]] = defaultdict(lambda: ([], []))
        for wait in limiter.waits:
            lanes[wait.key][wait.priority].append(wait)
        for key, (normal, panic) in lanes.items():
            yield from (f"{key!r}: {line}" for lane in (normal, panic) for line in _overtaken(lane))
            yield from (f"{key!r}: {line}" for line in _passed_by(panic, normal))


def _overtaken(lane: list[Wait]) -> Iterator[str]:
    latest = 0.0
    for wait in lane:  # in the order in which they came
        if wait.served is None:
            if wait.left is None:
                yield f"who came at {wait.joined:.3f} still stands in line"
        elif wait.served < latest:
            yield f"who came at {wait.joined:.3f} was served at {wait.served:.3f}, and an earlier one at {latest:.3f}"
        else:
            latest = wait.served


def _passed_by(panic: list[Wait], normal: list[Wait]) -> Iterator[str]:
    times = sorted(wait.served for wait in normal if wait.served is not None)
    for wait in panic:
        gone = wait.left or wait.served or 0.0
        passed = bisect_left(times, gone) - bisect_right(times, wait.joined)
        if passed > 0:
            yield f"who came at {wait.joined:.3f} in PANIC saw {passed} others go first"


def pauses(evidence: Evidence) -> Iterator[str]:
    """Let a key that was refused for rate serve nobody for a window."""
    for number, limiter in enumerate(evidence.limiters):
        served: dict[Hashable, list[float]] = defaultdict(list)
        for wait in limiter.waits:
            if wait.served is not None:
                served[wait.key].append(wait.served)
        for times in served.values():
            times.sort()
        for call in evidence.calls.values():
            if evidence.plan.seats[call.seat].limiter != number:
                continue
            for key, told in call.refused:
                times = served[key]
                after = bisect_right(times, told)
                if after < len(times) and times[after] < told + WINDOW - SLACK:
                    yield f"{call.name} {key!r}: refused at {told:.3f}, and another was served at {times[after]:.3f}"


def thrift(evidence: Evidence) -> Iterator[str]:
    """No slot is spent but for a request that may have been sent."""
    paid: Counter[tuple[str, bool]] = Counter()
    for limiter in evidence.limiters:
        for wait in limiter.waits:
            spent = wait.call and wait.served is not None and wait.fate != "refunded"
            if spent and isinstance(wait.key, tuple) and "/" not in wait.key[-1]:  # "/": a question of the client's own
                paid[wait.call, wait.key[1].startswith("key:")] += 1
    for (name, fallback), count in paid.items():
        sent = sum(attempt.token != "refunded" for attempt in _attempts(evidence, name))
        if count > sent:  # of a request under two keys each has a slot
            yield f"{name}: {count} slots of its {'fallback' * fallback or 'user id'} spent on {sent} requests"


def _attempts(evidence: Evidence, name: str) -> list[Attempt]:
    escape = evidence.escapes.get(name)
    if escape is None:
        return evidence.calls[name].attempts
    return [one.attempt for tries in escape.tries.values() for one in tries]


def tokens(evidence: Evidence) -> Iterator[str]:
    """No slot is lost: all are free after the grace and a window of silence."""
    yield from evidence.silent


def leftovers(evidence: Evidence) -> Iterator[str]:
    """No task, timer, connection or exception is left behind."""
    yield from evidence.left


INVARIANTS: dict[str, Callable[[Evidence], Iterator[str]]] = {
    "windows": windows,
    "truth": truth,
    "repeats": repeats,
    "signatures": signatures,
    "promptness": promptness,
    "order": order,
    "pauses": pauses,
    "thrift": thrift,
    "tokens": tokens,
    "leftovers": leftovers,
    "guard": guard,
    "kills": kills,
    "filters": filters,
    "flat": flat,
    "rows": rows,
    "deadlines": deadlines,
}


def judge(evidence: Evidence) -> list[Breach]:
    """Return every breach of every invariant."""
    return [Breach(name, words) for name, check in INVARIANTS.items() for words in check(evidence)]


def closes(journal: list[JournalRow]) -> int:
    """Count the closes that arrived."""
    return sum(row.path.startswith(CLOSE_PATH) for row in journal)
