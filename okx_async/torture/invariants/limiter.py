"""Invariants of the limiter: who is served in which order, when a key pauses, and that no slot is wasted or lost."""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator

from okx_async import Attempt, Priority
from okx_async.torture.evidence import SLACK, Evidence
from okx_async.torture.watched_limiter import Wait

WINDOW = 2.0
"""Seconds for which a key that was refused for rate pauses at least."""

READINGS = "account/positions"
ORDINARY_READINGS = 6
"""Readings of positions in a window that are for all; the other four of ten are for those of priority PANIC."""


def order(evidence: Evidence) -> Iterator[str]:
    """First come, first served in each lane of each key, PANIC first; no call waits while a token is free."""
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
    """No slot of a key that was refused for rate is granted for a window."""
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
    """No slot is spent, except on a request that may have been sent."""
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
    flatten = evidence.flattens.get(name)
    if flatten is None:
        return evidence.calls[name].attempts
    return [one.attempt for closes in flatten.closes.values() for one in closes]


def tokens(evidence: Evidence) -> Iterator[str]:
    """No slot is lost: all are free after the grace and a window of silence."""
    yield from evidence.not_at_rest


def reserve(evidence: Evidence) -> Iterator[str]:
    """No window holds more ordinary readings of positions than those that are not reserved for the exit."""
    # A slot is noted when its task runs, which a machine that stands still delays.
    window = WINDOW - SLACK - 3 * evidence.plan.conditions.freeze
    for limiter in evidence.limiters:
        served: dict[Hashable, list[float]] = defaultdict(list)
        for wait in limiter.waits:
            ordinary = wait.priority is Priority.NORMAL and wait.fate != "refunded"
            if ordinary and wait.served is not None and isinstance(wait.key, tuple) and wait.key[-1] == READINGS:
                served[wait.key].append(wait.served)
        for key, times in served.items():
            times.sort()
            for first, last in zip(times, times[ORDINARY_READINGS:], strict=False):
                if last - first < window:
                    yield f"{key!r}: {ORDINARY_READINGS + 1} ordinary readings in {last - first:.3f} s until {last:.3f}"
                    break
