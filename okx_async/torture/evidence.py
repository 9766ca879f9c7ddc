"""What is known of a history when it is over, and what a broken invariant is."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain
from typing import Protocol

from okx_async.simulator import JournalRow, Trade
from okx_async.torture.calls import Call
from okx_async.torture.flatten_records import FlattenRecord
from okx_async.torture.plan import Plan
from okx_async.torture.watched_limiter import WatchedLimiter
from okx_async.torture.witness import Witness

SLACK = 0.02
"""Seconds that a promise may be late without a fault of the client: late timers, and work between two of them."""


@dataclass(frozen=True, slots=True)
class Breach:
    """An invariant that did not hold."""

    invariant: str
    words: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.words}"


class Told(Protocol):
    """A call that was told its result."""

    at: float
    ended: float | None
    told: str
    words: str

    @property
    def name(self) -> str:
        """Which one it is."""


def digest(journal: Iterable[JournalRow], *results: Iterable[Told]) -> str:
    """Return a hash of the exchange's journal and of every caller's result."""
    found = sha256()
    for row in journal:
        found.update(repr(tuple(row)).encode())  # a named tuple's own takes three times as long
    for result in chain(*results):
        found.update(repr((result.name, result.at, result.ended, result.told, result.words)).encode())
    return found.hexdigest()


@dataclass(slots=True)
class Evidence:
    """All that is known of a history when it is over."""

    plan: Plan
    start: float
    journal: list[JournalRow]
    calls: dict[str, Call]
    limiters: list[WatchedLimiter]
    not_at_rest: list[str]
    """States of the limiters that still had slots taken or waiters after the silent end of the history."""
    leftovers: list[str]
    """Tasks, timers, connections and exceptions left behind."""
    mishap_count: int = 0
    """Mishaps on the network."""
    flattens: dict[str, FlattenRecord] = field(default_factory=dict)
    """Every flatten and confirmed close, by name."""
    witness: Witness = field(default_factory=lambda: Witness(lambda: 0.0))
    trades: Sequence[Trade] = ()
    """Every change of a position."""
    resting: frozenset[str] = frozenset()
    """The ids of the orders that the exchange still has."""
    rows: dict[str, list[JournalRow]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for row in self.journal:
            if row.cl_ord_id:
                self.rows[row.cl_ord_id].append(row)
