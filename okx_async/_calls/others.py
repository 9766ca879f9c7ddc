"""By which names the other programs of a store may count, as the store last said; what it says holds for a while."""

from collections.abc import Callable
from math import inf
from typing import NamedTuple


class Moment(NamedTuple):
    """Seconds by the host's clock, which goes on while the host sleeps, and by the wall clock."""

    host: float
    wall: float


class Others:
    """What a request relies on that takes a slot under one name alone.

    A machine that was asleep, or a virtual one that was paused, may have a clock that did not notice; the wall clock is
    set right soon after. So what holds until a moment ends by whichever of the two is later, and what begins at one
    does so by the host's clock.

    Args:
        now: The moment.
        look: Has the store asked anew.
    """

    def __init__(self, now: Callable[[], Moment], look: Callable[[], object]) -> None:
        self._now = now
        self._look = look
        self._asked = now()
        """When the store was asked what it answered last."""
        self._alone_until = -inf
        self._sure_from, self._sure_until = inf, -inf
        self._look_at = inf

    def none_is_told(self, asked: Moment, seconds: float) -> None:
        """Let requests count by the API key's name alone for so long: no program had told the user id at `asked`."""
        self._asked, self._alone_until = asked, asked.host + seconds

    def go_on_alone(self) -> None:
        """Let requests count by the API key's name alone: the store says nothing any more."""
        self._alone_until = inf

    def may_not_know(self) -> None:
        """Have requests count by both names: the user id stands in the store no more, or not yet."""
        self._sure_from = inf

    def begin_to_know(self, seconds: float) -> None:
        """Have requests count by both names for so long: the user id stands in the store."""
        self._sure_from = self._now().host + seconds

    def still_know(self, asked: Moment, seconds: float) -> None:
        """Rely for so long on the user id, which stood in the store at `asked`; it is asked anew after half of that."""
        self._asked = asked
        self._sure_until, self._look_at = asked.host + seconds, asked.host + seconds / 2

    @property
    def alone(self) -> bool:
        """Whether a request may count by the API key's name alone."""
        return self._latest(self._now()) <= self._alone_until

    @property
    def sure(self) -> bool:
        """Whether a request may count by the user id alone: no other program counts by the API key's name alone."""
        now = self._now()
        return self._sure_from <= now.host and self._latest(now) <= self._sure_until

    def remind(self) -> None:
        """Have the store asked anew if it is time, once."""
        if self._latest(self._now()) >= self._look_at:
            self._look_at = inf
            self._look()

    def _latest(self, now: Moment) -> float:
        return max(now.host, self._asked.host + now.wall - self._asked.wall)
