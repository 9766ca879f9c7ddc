"""The clocks of a client: the exchange's as far as it is known, for signatures, and the caller's, for records.

What the exchange tells and what a caller's function returns is checked before it is used: signatures need a time that
is one, and no record is lost for the want of it.
"""

import time
from collections.abc import Callable
from math import inf
from typing import Final

from okx_async._errors import NotSentError
from okx_async._log import logger
from okx_async._rest.signing import END_OF_TIME
from okx_async._validation import short_repr

PLAUSIBLE: Final = 86_400.0
"""Seconds that the exchange's time may be from this machine's: farther away it is in other units, or nonsense."""
MOST_MISSED: Final = 3
"""Refusals without a usable answer of public/time after which a correction is given up: one may be a mistake."""


class ExchangeClock:
    """This machine's wall clock, corrected by answers of public/time.

    It is corrected only after the exchange has refused a timestamp (50102): most clocks are right, and a wrong
    correction would break them. The answer with the shortest round trip is the most exact one. A correction ends when
    the exchange refuses a timestamp made by it and does not tell another time.
    """

    __slots__ = ("_missed", "_round_trip", "_wall_clock", "asked", "learnt", "offset")

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        self._wall_clock = wall_clock
        self._round_trip = inf
        self._missed = 0
        self.offset = 0.0
        """Seconds by which the exchange is ahead of this machine."""
        self.asked = 0
        """How often the exchange was asked."""
        self.learnt = 0
        """The number of the last question that was answered."""

    def now(self) -> float:
        """Return the exchange's time, Unix seconds; NotSentError if this machine's clock has none.

        A time that is none, such as -1.0, stays so: corrected, it would look like one.
        """
        try:
            moment = float(self._wall_clock() + 0.0)  # of a number only
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - a caller's function may raise anything
            raise NotSentError(f"nothing was sent: wall_clock failed ({type(error).__name__}): check it") from None
        return moment + self.offset if 0.0 <= moment < END_OF_TIME else moment

    def refused(self) -> None:
        """Forget how exact the last answer was: the exchange refused a timestamp made by it."""
        self._round_trip = inf

    def learn(self, sent: float, received: float, told: float) -> None:
        """Take in an answer: the wall clock when it was asked for and received, and the time `told` in it.

        A time that cannot be right teaches nothing, nor does an answer that came before the question: then this
        machine's clock was set meanwhile.
        """
        round_trip, offset = received - sent, told - (sent + received) / 2
        if not (round_trip >= 0 and abs(offset) <= PLAUSIBLE):
            logger.warning(
                "the exchange's time cannot be used: %s, %+g s from this machine's", short_repr(told), offset
            )
            self.missed()
            return
        self.asked += 1
        self._missed = 0
        if round_trip <= self._round_trip:
            self._round_trip = round_trip
            self.offset = offset
        self.learnt = self.asked

    def missed(self) -> None:
        """Count a question without a usable answer; after some in a row the correction is given up."""
        self.asked += 1
        self._missed += 1
        if self._round_trip == inf and self._missed >= MOST_MISSED:
            self.offset = 0.0


def record_clock(wall_clock: Callable[[], float], fallback: Callable[[], float] = time.time) -> Callable[[], float]:
    """Return a clock for records that always has a time: that of `wall_clock`, or else of `fallback`."""
    if wall_clock is fallback:
        return wall_clock
    failed = False

    def now() -> float:
        nonlocal failed
        try:
            moment = wall_clock()
            if 0.0 <= moment < END_OF_TIME:
                return float(moment)
            reason = f"returned {short_repr(moment)}"
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - a caller's function may raise anything
            reason = f"raised {type(error).__name__}"
        if not failed:  # once: there are two records for each request
            logger.error("wall_clock %s: records get the time of this machine instead", reason)
            failed = True
        return fallback()

    return now
