"""What the demo measures: one run through the book, what held of its promises, and how fast anybody could be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from okx_async import Quota

__all__ = ["QUOTA", "STRATEGIES", "Group", "Key", "Pace", "Run", "Settings"]

QUOTA: Final = Quota()
STRATEGIES: Final = 8


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the book and the simulated network; latency and jitter in seconds, each way."""

    seed: int
    latency: float
    jitter: float


@dataclass(frozen=True, slots=True)
class Key:
    """What the exchange counted under one key, and the longest wait of a call (s)."""

    scope: str
    requests: int
    worst_window: int
    refused: int
    longest_wait_s: float


@dataclass(frozen=True, slots=True)
class Group:
    """What the exchange counted for the keys of a group, and the longest wait of a call (s)."""

    name: str
    keys: int
    requests: int
    closed: int
    worst_window: int
    refused: int
    longest_wait_s: float
    by_key: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """One way through the book; ``took_s``: from the first call to the last answer; ``failures``: of calls."""

    groups: tuple[Group, ...]
    took_s: float
    worst_window: int
    refused: int
    positions_left: int
    failures: tuple[str, ...] = ()

    @property
    def total(self) -> Group:
        """All groups as one."""
        groups = self.groups
        return Group(
            "all",
            sum(group.keys for group in groups),
            sum(group.requests for group in groups),
            sum(group.closed for group in groups),
            self.worst_window,
            self.refused,
            max(group.longest_wait_s for group in groups),
        )

    def promises(self) -> dict[str, bool]:
        """Return whether each promise held: no window above the limit, nothing refused, nothing left open."""
        return {
            "windows_kept": self.worst_window <= QUOTA.limit,
            "nothing_refused": not self.refused and not self.failures,
            "nothing_left": not self.positions_left,
        }


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the busiest key lets anybody be.

    Of its `requests`, 20 go in a round. ``least_s``: 2 s between rounds and the shortest round trip, which no client
    can beat. ``rule_s``: the same for a client that lets the 2 s begin with each answer, at the mean `round_trip_s`.
    """

    requests: int
    rounds: int
    least_s: float
    rule_s: float
    round_trip_s: float
