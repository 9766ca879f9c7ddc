"""The one rule of what is sent again, when and how often: for close, confirm and flatten alike.

A request is sent again only if the exchange refused it for a passing reason, such as pending orders that it has the
exchange cancel, or it never left this machine; a close whose outcome is unknown never is. Pauses grow exponentially
and are drawn at random below their bound, so that callers that met the same trouble do not come back together. The
pause of a throttled key is a block in the limiter, a window and a random part of one: with equal pauses two programs
on one limit would march in step.
"""

import re
from collections.abc import Hashable
from math import isfinite
from typing import Final

from okx_async._models import Outcome
from okx_async._rest.codes import FEW_REPEATS, LIFTED_BY_AUTO_CXL, base_code
from okx_async._rest.responses import Answer

MAX_REPEATS: Final = 5
BASE: Final = 0.25
CAP: Final = 15.0
GUARDED_PAUSES: Final = (0.25, 1.0, 3.0, 7.0, 15.0)
"""Bounds (s) of the pauses of a guarded close. Six sends then cover at least 13 s of a flatten's usual 30 s."""
UNCOUNTED_CAP: Final = 3.0
"""Longest pause (s) before a repeat that is not counted: an exit has 30 s, and must not sleep through its end."""
PENDING_REPEATS: Final = 3
"""Repeats after refusals because of orders that the close has cancelled: they are gone in a moment, or stay."""
SPREAD: Final = 0.15
"""The random part of a throttled key's pause, as a share of the window."""
QUIET: Final = 60.0
"""Seconds after which a further refusal begins a new streak: no pause is that long."""

_AT_ONCE: Final = frozenset({Outcome.RATE, Outcome.CLOCK})
_LATER: Final = frozenset({Outcome.LATER, Outcome.NOT_SENT})
# A reading changes nothing at the exchange, so it may be sent again whatever became of it.
_LATER_READ: Final = _LATER | {Outcome.WAIT, Outcome.UNKNOWN}
# A guarded close goes by a fresh reading of its position, so a freeze by the exchange may be waited out.
_LATER_GUARDED: Final = _LATER | {Outcome.FROZEN}

_TOO_MANY_REQUESTS: Final = 429
_MAX_RETRY_AFTER: Final = 30.0
_SECONDS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")


class RetryPolicy:
    """The repeats of one call, or of the closes of one position, so far.

    Args:
        writes: Whether the request may change something at the exchange.
        guarded: Whether each repeat goes by a fresh reading of its position (confirm, flatten). What never left this
            machine is not counted then, nor is a refusal for rate, which waits for a window each time: only the
            deadline ends such repeats.
        auto_cxl: Whether it has the exchange cancel the orders that are in its way: a refusal because of these passes.
    """

    __slots__ = ("_auto_cxl", "_clock_refused", "_few", "_guarded", "_unsent", "_writes", "made")

    def __init__(self, *, writes: bool, guarded: bool = False, auto_cxl: bool = False) -> None:
        self._auto_cxl = auto_cxl
        self._writes = writes
        self._guarded = guarded
        self._clock_refused = False
        self._few = 0
        self._unsent = 0
        self.made = 0

    def pause(self, outcome: Outcome, code: str, draw: float) -> float | None:
        """Return the seconds before the next attempt, None if there is none.

        Args:
            outcome: What became of the last attempt.
            code: The exchange's code, "" if there was no answer.
            draw: A random number from 0 to 1.
        """
        if self._guarded and outcome is Outcome.NOT_SENT:
            return self.unbounded_pause(draw)
        if self._guarded and outcome is Outcome.RATE:
            return 0.0
        few = FEW_REPEATS.get(base_code(code))
        if self._auto_cxl and outcome is Outcome.NEEDS and base_code(code) in LIFTED_BY_AUTO_CXL:
            outcome, few, draw = Outcome.LATER, PENDING_REPEATS, 0.5 + 0.5 * draw
        if self.made >= MAX_REPEATS or (few is not None and self._few >= few):
            return None
        if outcome is Outcome.CLOCK and self._clock_refused:
            return None
        if outcome in _AT_ONCE:
            seconds = 0.0
        elif self._guarded and outcome in _LATER_GUARDED:
            seconds = (0.5 + 0.5 * draw) * GUARDED_PAUSES[self.made]
        elif not self._guarded and outcome in (_LATER if self._writes else _LATER_READ):
            seconds = draw * min(CAP, BASE * 2**self.made)
        else:
            return None
        self._few += few is not None
        self._clock_refused = self._clock_refused or outcome is Outcome.CLOCK
        self.made += 1
        return seconds

    def unbounded_pause(self, draw: float) -> float:
        """Return the seconds before a repeat that is not counted: only the deadline ends such repeats."""
        self._unsent += 1
        return draw * min(UNCOUNTED_CAP, BASE * 2.0 ** min(self._unsent - 1, 10))

    def taken(self) -> None:
        """Begin to count anew: the exchange took a close, and what follows is another one."""
        self._few = self.made = 0


def throttled(answer: Answer, outcome: Outcome) -> bool:
    """Return whether the key should pause: a refusal for rate, or a 429 without a code."""
    return outcome is Outcome.RATE or (not answer.code and _TOO_MANY_REQUESTS in {answer.status, answer.gateway})


def closes_throttled(code: str) -> bool:
    """Return whether it is the separate throttle of closes at market price, whose pauses grow (51113)."""
    return base_code(code) == "51113"


def block_seconds(code: str, nth: int, per: float, retry_after: str | None = None, draw: float = 0.0) -> float:
    """Return for how many seconds from now a throttled key pauses: one window at least, and a random part of one.

    Args:
        code: The exchange's code. 51113 is a throttle of unknown size: 2, 4, 8 s.
        nth: Which refusal in a row it is, from 1.
        per: The window of the key's quota, s.
        retry_after: The text of the Retry-After header, which OKX does not document. Only a number of seconds counts,
            and 30 s of it at most: no proxy may stand between a user and the exit.
        draw: A random number from 0 to 1.
    """
    seconds = per
    if closes_throttled(code):
        seconds = max(seconds, 2.0 ** min(max(nth, 1), 3))
    asked = float(retry_after) if retry_after and _SECONDS.fullmatch(retry_after.strip()) else 0.0
    if isfinite(asked):
        seconds = max(seconds, min(asked, _MAX_RETRY_AFTER))
    return seconds + SPREAD * per * draw


class ThrottleStreaks:
    """For each key, how many refusals by the throttle of closes (51113) came in a row.

    The throttle applies to the key, so the back-off is counted per key. Counted per call, it would restart at 2 s for
    every caller. Requests that were on the wire at the first refusal belong to the same burst and count once.
    """

    __slots__ = ("streaks",)

    def __init__(self) -> None:
        self.streaks: dict[Hashable, tuple[int, float]] = {}
        """Length of the streak, and the time of the last refusal that counted."""

    def refused(self, key: Hashable, begun: float, now: float) -> int:
        """Count a refusal, at `now`, of a request that had its slot at `begun`; return the length of the streak."""
        for old in [each for each, (_, last) in self.streaks.items() if now - last > QUIET]:
            del self.streaks[old]
        nth, last = self.streaks.get(key, (0, begun))
        if nth == 0 or begun > last:
            nth += 1
            self.streaks[key] = nth, now
        return nth

    def accepted(self, key: Hashable, begun: float) -> None:
        """End the streak of a key: a close that had its slot at `begun` was accepted."""
        streak = self.streaks.get(key)
        if streak is not None and begun > streak[1]:
            del self.streaks[key]
