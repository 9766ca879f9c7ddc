"""ccxt: the throttler of its asynchronous exchanges, in both modes.

https://docs.ccxt.com/

The configuration is what `Exchange.init_rest_rate_limiter` makes of ``rateLimit`` (milliseconds a request) and
``rollingWindowSize`` (milliseconds).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager

from ccxt.async_support.base.throttler import Throttler

from benchmarks.peers import Peer
from benchmarks.peers._waiting import Waiting


class Keyed(dict[str, Throttler]):
    """A throttler of its own for each key; in ccxt itself all requests of an exchange share one."""

    def __init__(self, **config: object) -> None:
        self._config = config

    def __missing__(self, key: str) -> Throttler:
        throttler = self[key] = Throttler(self._config)
        return throttler

    def slot(self, key: str) -> AbstractAsyncContextManager[object]:
        """Wait on entry."""
        return Waiting(self[key])

    async def spin(self, keys: Iterable[str]) -> None:
        """Take a slot of each."""
        for key in keys:
            await self[key]()


def leaky(limit: int, per: float) -> Keyed:
    """Return the default mode: evenly spaced."""
    pause = per * 1000 / limit
    return Keyed(algorithm="leakyBucket", delay=0.001, capacity=1, cost=1, refillRate=1 / pause, rateLimit=pause)


def rolling(limit: int, per: float) -> Keyed:
    """Return the rolling window."""
    return Keyed(algorithm="rollingWindow", cost=1, windowSize=per * 1000, rateLimit=per * 1000 / limit)


def free_leaky() -> Keyed:
    """Return slots that are always free: a bucket that is never empty."""
    return Keyed(algorithm="leakyBucket", delay=0.001, capacity=10**9, cost=1, tokens=10**9, refillRate=1.0)


def free_rolling() -> Keyed:
    """Return slots that are always free: the window is over by the next call."""
    return rolling(20, 1e-9)


PEERS = (
    Peer("ccxt-leaky", "ccxt", "Throttler, leaky bucket, rateLimit=100", leaky, free_leaky),
    Peer("ccxt-rolling", "ccxt", "Throttler, rolling window of 2000 ms, rateLimit=100", rolling, free_rolling),
)
