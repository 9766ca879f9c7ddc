"""The exchange's clock as far as it is known, for signatures."""

from __future__ import annotations

from collections.abc import Callable
from math import inf


class ExchangeClock:
    """This machine's wall clock, corrected by answers of public/time.

    It is corrected only after the exchange has refused a timestamp (50102): most clocks are right, and a wrong
    correction would break them. The answer with the shortest round trip is the most exact one.
    """

    __slots__ = ("_round_trip", "_wall_clock", "asked", "learnt", "offset")

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        self._wall_clock = wall_clock
        self._round_trip = inf
        self.offset = 0.0
        """Seconds by which the exchange is ahead of this machine."""
        self.asked = 0
        """How often the exchange was asked."""
        self.learnt = 0
        """The number of the last question that was answered."""

    def now(self) -> float:
        """Return the exchange's time, Unix seconds."""
        return self._wall_clock() + self.offset

    def refused(self) -> None:
        """Forget how exact the last answer was: the exchange refused a timestamp made by it."""
        self._round_trip = inf

    def learn(self, sent: float, received: float, told: float) -> None:
        """Take in an answer: the wall clock when it was asked for and received, and the time `told` in it."""
        round_trip = received - sent
        self.asked += 1
        if round_trip < 0:  # this machine's clock was set back meanwhile
            return
        if round_trip <= self._round_trip:
            self._round_trip = round_trip
            self.offset = told - (sent + received) / 2
        self.learnt = self.asked

    def missed(self) -> None:
        """Count a question without an answer."""
        self.asked += 1
