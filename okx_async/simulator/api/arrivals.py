"""The exchange's own count of arrivals, and the journal that a run is judged by.

The window's kind is not documented, so both are offered. ``sliding``: a request is refused when `limit` arrivals
lie within the last 2 s; one that is exactly 2 s old no longer counts. ``fixed``: buckets of 2 s, aligned to the
server's time. Whether refused requests count is not documented either; by default they do.

`worst_window` is the judge, and shares nothing with the counter: it looks at the journal's times alone.

https://www.okx.com/docs-v5/en/#overview-rate-limits
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from math import inf
from typing import Literal, NamedTuple, TypeAlias

__all__ = ["Arrivals", "JournalRow", "RateKey", "Window", "worst_window"]

RateKey: TypeAlias = tuple[str, str]
"""(user id or IP, scope): ``("44705892343619584", "BTC-USDT-SWAP")``, ``("447…", "account/positions")``."""
Window: TypeAlias = Literal["sliding", "fixed"]

PER = 2.0  # seconds of every limit that is served here, but for the one that has its own
_SWEEP = 1024  # keys before the first search for idle ones


class JournalRow(NamedTuple):
    """One request as the exchange saw it.

    ``at``: exchange clock in seconds, the moment of the count (of the answer, where it was not counted);
    ``uid``: "" where the request was public or its sender unknown; ``key``: what it was counted under, None if it
    was not; ``path``: as in the request line, with its query; ``code``: the answer's, "" where it had none;
    ``status``: the HTTP status, 0 where the connection was cut instead; ``executed``: it changed the books;
    ``fault``: the name of the injected fault that took part, or ""; ``cl_ord_id``: the client's own name for a close,
    or "".
    """

    at: float
    uid: str
    key: RateKey | None
    method: str
    path: str
    code: str
    status: int
    executed: bool
    fault: str = ""
    cl_ord_id: str = ""


class Arrivals:
    """Counts arrivals of each key and says who is admitted. Times are arguments."""

    def __init__(self, window: Window = "sliding", *, count_rejected: bool = True) -> None:
        if window not in {"sliding", "fixed"}:
            raise ValueError(f'window must be "sliding" or "fixed", got {window!r}')
        self._fixed = window == "fixed"
        self._count_rejected = count_rejected
        self._logs: dict[RateKey, deque[float]] = {}
        self._buckets: dict[RateKey, tuple[int, int]] = {}
        self._sweep_at = _SWEEP
        self._others: dict[RateKey, list[float]] = {}  # their seconds a request, and when the next one comes

    def crowd(self, key: RateKey, requests: float) -> None:
        """Count so many requests of somebody else in each window, evenly, from the next arrival on; 0: none."""
        self._others.pop(key, None)
        if requests:
            self._others[key] = [PER / requests, -inf]

    def admit(self, key: RateKey, limit: int, at: float, server_ms: int, per: float = PER) -> bool:
        """Count one arrival at `at` (exchange clock, s) and `server_ms` (server time, ms); False: refused."""
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
        """`bucket`: when it began, in ms of the server's time."""
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
        """Drop the keys without arrivals in the window; doubling the threshold keeps that cheap per key."""
        if len(self._logs) >= self._sweep_at:
            self._logs = {key: log for key, log in self._logs.items() if log and at - log[-1] < PER}
            self._sweep_at = max(_SWEEP, 2 * len(self._logs))


def worst_window(times: Iterable[float], per: float = PER) -> int:
    """Return the largest number of `times` in any window [t, t + per): the plain definition."""
    ordered = sorted(times)
    worst = first = 0
    for last, at in enumerate(ordered):
        while at - ordered[first] >= per:
            first += 1
        worst = max(worst, last - first + 1)
    return worst
