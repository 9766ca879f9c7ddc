"""The state of limiters, summed over their keys: read when metrics are collected, in whatever thread asks."""

import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from okx_async import SlotSource, Statistics
from okx_async._log import logger
from okx_async.instrumentation.labels import endpoint_of, environment_of

SLOTS: Final = ("free", "in_flight", "cooling")
KEYS: Final = ("in_use", "exhausted", "paused", "reduced")


@dataclass(slots=True)
class Totals:
    """The sums over the keys of one endpoint in one environment.

    Keys are ``in_use``; ``exhausted`` are those without a slot that may be taken, ``paused`` those that grant nothing
    for a time, ``reduced`` those that use a part of their limit only, after refusals in consecutive windows.
    """

    free: int = 0
    in_flight: int = 0
    cooling: int = 0
    waiting: int = 0
    in_use: int = 0
    exhausted: int = 0
    paused: int = 0
    reduced: int = 0

    def add(self, state: Statistics) -> None:
        """Add the state of one key."""
        self.free += state.free
        self.in_flight += state.in_flight
        self.cooling += state.cooling
        self.waiting += state.waiting
        self.in_use += 1
        self.exhausted += state.free <= state.limit - state.usable
        self.paused += state.blocked > 0
        self.reduced += state.usable < state.limit


class Watched:
    """The limiters that are watched, none of them kept alive."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._limiters: list[Callable[[], SlotSource | None]] = []

    def add(self, *limiters: SlotSource) -> None:
        """Watch limiters."""
        for limiter in limiters:
            if not callable(getattr(limiter, "keys", None)) or not callable(getattr(limiter, "statistics", None)):
                raise TypeError(f"a limiter to be watched needs keys() and statistics(), got {type(limiter).__name__}")
        with self._lock:
            known = {id(limiter) for limiter in self}
            added = {id(limiter): limiter for limiter in limiters if id(limiter) not in known}
            self._limiters += map(weakref.ref, added.values())

    def __iter__(self) -> Iterator[SlotSource]:
        found = [(reference, reference()) for reference in self._limiters]
        self._limiters = [reference for reference, limiter in found if limiter is not None]
        return iter([limiter for _, limiter in found if limiter is not None])

    def totals(self) -> dict[tuple[str, str], Totals]:
        """Return the sums by environment and endpoint. A limiter that fails is logged and left out."""
        sums: dict[tuple[str, str], Totals] = {}
        with self._lock:
            limiters = list(self)
        for limiter in limiters:
            try:
                states = [(key, limiter.statistics(key)) for key in limiter.keys()]  # noqa: SIM118 - no mapping
            except Exception:
                logger.exception("%s: its state could not be read for metrics", type(limiter).__name__)
                continue
            for key, state in states:
                sums.setdefault((environment_of(key), endpoint_of(key)), Totals()).add(state)
        return sums
