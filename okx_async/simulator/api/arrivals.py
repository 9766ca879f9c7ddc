"""The exchange's rate limits, counted on arrival, and the rows of its journal.

The kind of window is not documented, so both kinds are offered. ``sliding``: a request is refused when `limit` arrivals
lie within the last 2 s; an arrival exactly 2 s ago no longer counts. ``fixed``: buckets of 2 s, aligned to the server's
time. Whether refused requests count is not documented either; by default they do.

`worst_window` checks a run afterwards: it uses the journal's times only and shares nothing with the counter.

https://www.okx.com/docs-v5/en/#overview-rate-limits
"""

from collections import deque
from collections.abc import Iterable
from math import inf
from typing import Literal, NamedTuple, TypeAlias, get_args

RateKey: TypeAlias = tuple[str, str]
"""(user id or IP, scope): ``("44705892343619584", "BTC-USDT-SWAP")``, ``("447…", "account/positions")``."""
Window: TypeAlias = Literal["sliding", "fixed"]
WINDOWS: tuple[Window, ...] = get_args(Window)

_MOST = 10_000  # requests of another program in a window: each of them is counted
PER = 2.0  # seconds of every limit, but for one
_SWEEP = 1024  # keys before the first search for idle ones


class JournalRow(NamedTuple):
    """One request as the exchange saw it."""

    at: float
    """When it was counted, or answered where it was not counted: exchange clock, in seconds."""
    uid: str
    """ "" where the request was public or its sender unknown."""
    key: RateKey | None
    """The rate limit that counted it; None: none did."""
    method: str
    """ "GET" or "POST"."""
    path: str
    """As in the request line, with its query."""
    code: str
    """The answer's; "" where it had none."""
    status: int
    """The HTTP status; 0 where the connection was cut instead."""
    executed: bool
    """Whether it changed the books."""
    fault: str = ""
    """The name of the injected fault that took part."""
    cl_ord_id: str = ""
    """The client's own id for a close."""


class Arrivals:
    """Counts the arrivals of each key, and admits or refuses them; times are arguments.

    Args:
        window: The kind of window, "sliding" or "fixed"; by default "sliding".
        count_rejected: Whether refused requests count; by default they do.
    """

    def __init__(self, window: Window = "sliding", *, count_rejected: bool = True) -> None:
        if window not in WINDOWS:
            raise ValueError(f'window must be "sliding" or "fixed", got {window!r}')
        self._fixed = window == "fixed"
        self._count_rejected = count_rejected
        self._logs: dict[RateKey, deque[float]] = {}
        self._buckets: dict[RateKey, tuple[int, int]] = {}
        self._sweep_at = _SWEEP
        self._others: dict[RateKey, list[float]] = {}  # seconds between the other program's requests, and its next one

    def crowd(self, key: RateKey, requests: float) -> None:
        """Count `requests` of another program in each window, evenly, from the next arrival on; 0: none.

        Raises ValueError for more than are counted in a moment.
        """
        if not 0 <= requests <= _MOST:
            raise ValueError(f"requests must be from 0 to {_MOST}, got {requests!r}")
        self._others.pop(key, None)
        if requests:
            self._others[key] = [PER / requests, -inf]

    def admit(self, key: RateKey, limit: int, at: float, server_ms: int, per: float = PER) -> bool:
        """Count one arrival and return whether it is admitted.

        Args:
            key: The rate limit's key.
            limit: Arrivals admitted in a window.
            at: The exchange's clock, in seconds.
            server_ms: The server's time, in milliseconds.
            per: Seconds of the window; by default 2.
        """
        if self._others and (others := self._others.get(key)) is not None:
            every, then = others
            then = max(then, at - 2 * PER)  # older ones change nothing any more
            while then <= at:
                self._admit(key, limit, then, server_ms - round(1000 * (at - then)), per)
                then += every
            others[1] = then
        return self._admit(key, limit, at, server_ms, per)

    def _admit(self, key: RateKey, limit: int, at: float, server_ms: int, per: float) -> bool:
        if self._fixed:
            return self._admit_fixed(key, limit, server_ms - server_ms % int(per * 1000))
        log = self._logs.get(key)
        if log is None:
            self._forget_idle(at)
            log = self._logs[key] = deque()
        while log and at - log[0] >= per:
            log.popleft()
        admitted = len(log) < limit
        if admitted or self._count_rejected:
            log.append(at)
        return admitted

    def _admit_fixed(self, key: RateKey, limit: int, bucket: int) -> bool:
        """Count an arrival in the bucket that began at `bucket`, in ms of the server's time."""
        if key not in self._buckets and len(self._buckets) >= self._sweep_at:
            self._buckets = {k: v for k, v in self._buckets.items() if v[0] + PER * 1000 > bucket}
            self._sweep_at = max(_SWEEP, 2 * len(self._buckets))
        current, count = self._buckets.get(key, (bucket, 0))
        if current != bucket:
            count = 0
        admitted = count < limit
        self._buckets[key] = (bucket, count + (admitted or self._count_rejected))
        return admitted

    def _forget_idle(self, at: float) -> None:
        """Drop keys without arrivals in the window; the doubled threshold keeps the cost per key constant."""
        if len(self._logs) >= self._sweep_at:
            self._logs = {key: log for key, log in self._logs.items() if log and at - log[-1] < PER}
            self._sweep_at = max(_SWEEP, 2 * len(self._logs))


def worst_window(times: Iterable[float], per: float = PER) -> int:
    """Return the largest number of `times` in any window [t, t + per), by the plain definition."""
    ordered = sorted(times)
    worst = first = 0
    for last, at in enumerate(ordered):
        while at - ordered[first] >= per:
            first += 1
        worst = max(worst, last - first + 1)
    return worst
