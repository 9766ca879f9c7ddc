"""Records of the demo: the counts of one run, its promises, and the bounds of its pace."""

from dataclasses import dataclass
from typing import Final

from okx_async import Quota

QUOTA: Final = Quota()
STRATEGIES: Final = 8


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the book and the simulated network; latency and jitter in seconds, each way."""

    seed: int
    latency: float
    jitter: float


@dataclass(frozen=True, slots=True)
class Key:
    """The exchange's counts for one rate key, and the longest wait of a call for a slot (s)."""

    scope: str
    requests: int
    worst_window: int
    refused: int
    longest_wait_s: float


@dataclass(frozen=True, slots=True)
class Group:
    """The exchange's counts for a group of keys, and the longest wait of a call for a slot (s)."""

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
    """The counts of one run; ``took_s``: from first call to last answer; ``failures``: the texts of failed calls."""

    groups: tuple[Group, ...]
    took_s: float
    worst_window: int
    refused: int
    positions_left: int
    failures: tuple[str, ...] = ()

    @property
    def total(self) -> Group:
        """The sum of all groups."""
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
    """The bounds that the busiest key sets: its `requests` take `rounds` of 20.

    ``least_s``: 2 s between rounds plus the shortest round trip, which no client can beat. ``rule_s``: the same for a
    client whose 2 s begin with each answer, at the mean `round_trip_s`.
    """

    requests: int
    rounds: int
    least_s: float
    rule_s: float
    round_trip_s: float
