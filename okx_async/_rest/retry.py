"""Which attempt is followed by another, when, and how often (pure: it decides, others wait).

Only what the exchange refused, or what never left this machine, is sent again: never a close whose outcome is unknown.
Pauses grow exponentially and are drawn from the whole range below ("full jitter"), so that many callers who met the
same trouble do not come back together. A throttled key is blocked by the limiter, which is its pause.
"""

from __future__ import annotations

from typing import Final

from okx_async._models import Outcome

MAX_REPEATS: Final = 5
BASE: Final = 0.25
CAP: Final = 15.0

_AT_ONCE: Final = frozenset({Outcome.RATE, Outcome.CLOCK})
_LATER: Final = frozenset({Outcome.LATER, Outcome.NOT_SENT})
# Reading changes nothing: there it is harmless to ask again.
_LATER_TO_READ: Final = _LATER | {Outcome.WAIT, Outcome.UNKNOWN}


class Repeats:
    """The repeats of one call so far."""

    __slots__ = ("_changes", "_clock", "_seldom", "made")

    def __init__(self, *, changes: bool) -> None:
        self._changes = changes
        self._clock = False
        self._seldom = 0
        self.made = 0

    def pause(self, outcome: Outcome, draw: float, most: int = MAX_REPEATS) -> float | None:
        """Return the seconds before the next attempt, None if there is none.

        `draw` is random, from 0 to 1; `most`: how often is enough after this answer (see `_outcomes.repeats_of`).
        """
        if self.made >= MAX_REPEATS or (outcome is Outcome.CLOCK and self._clock):
            return None
        if most < MAX_REPEATS:
            if self._seldom >= most:
                return None
            self._seldom += 1
        if outcome in _AT_ONCE:
            seconds = 0.0
        elif outcome in (_LATER if self._changes else _LATER_TO_READ):
            seconds = draw * min(CAP, BASE * 2**self.made)
        else:
            return None
        self._clock = self._clock or outcome is Outcome.CLOCK
        self.made += 1
        return seconds
