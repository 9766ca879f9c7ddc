"""A clock that runs fast, slow or wrong, for tests of what depends on the time."""

from collections.abc import Callable


class Clock:
    """A clock derived from another one; call it for its time in seconds.

    Args:
        source: The clock that it follows; returns seconds.
        start: Its first time, in seconds; by default that of `source`.
        rate: Its seconds for each second of `source`; by default 1.
    """

    def __init__(self, source: Callable[[], float], *, start: float | None = None, rate: float = 1.0) -> None:
        self._source = source
        self._origin = source()
        self._start = self._origin if start is None else start
        self._rate = rate

    def __call__(self) -> float:
        """Return its time in seconds."""
        return self._start + (self._source() - self._origin) * self._rate

    def step(self, seconds: float) -> None:
        """Set it forward, or back.

        Args:
            seconds: Seconds by which it is set forward; negative: back.
        """
        self._start += seconds
