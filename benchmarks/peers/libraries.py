"""Limiters that people use. A function a peer, which fails if the library is not installed (`.[bench]` brings all)."""

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from importlib import import_module
from typing import Any

from benchmarks.peers import Peer


class _Waiting:
    """Awaits ``wait()`` on entry, for libraries that only have something to await: nothing is given back."""

    __slots__ = ("_wait",)

    def __init__(self, wait: Callable[[], Any]) -> None:
        self._wait = wait

    async def __aenter__(self) -> None:
        await self._wait()

    async def __aexit__(self, *_: object) -> None:
        pass


class _PerKey(dict[str, Any]):
    """A limiter of its own for each key, for libraries that have no keys; used by ``async with``."""

    def __init__(self, make: Callable[[], Any]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: str) -> Any:
        limiter = self[key] = self._make()
        return limiter

    def slot(self, key: str) -> Any:
        return self[key]

    async def spin(self, keys: Iterable[str]) -> None:
        for key in keys:
            async with self[key]:
                pass


def aiolimiter() -> Peer:
    """Return a leaky bucket; free: it is empty again by the next call.

    https://aiolimiter.readthedocs.io/
    """
    new = import_module("aiolimiter").AsyncLimiter

    def make(limit: float, per: float) -> _PerKey:
        return _PerKey(lambda: new(limit, per))

    return Peer("aiolimiter", "aiolimiter", "AsyncLimiter(20, 2): leaky bucket", make, lambda: make(20, 1e-9))


class _Awaited(_PerKey):
    """The same for limiters with a method `wait`."""

    def slot(self, key: str) -> _Waiting:
        return _Waiting(self[key].wait)

    async def spin(self, keys: Iterable[str]) -> None:
        for key in keys:
            await self[key].wait()


def asynciolimiter() -> Peer:
    """Return a leaky bucket; free: it is never full.

    https://asynciolimiter.readthedocs.io/
    """
    new = import_module("asynciolimiter").LeakyBucketLimiter
    return Peer(
        "asynciolimiter",
        "asynciolimiter",
        "LeakyBucketLimiter(10, capacity=20): leaky bucket",
        lambda limit, per: _Awaited(lambda: new(limit / per, capacity=limit)),
        lambda: _Awaited(lambda: new(10, capacity=10**9)),
    )


def asynciolimiter_strict() -> Peer:
    """Return its evenly spaced one; as free as can be: each call but the first waits for a turn of the loop."""
    new = import_module("asynciolimiter").StrictLimiter
    return Peer(
        "asynciolimiter-strict",
        "asynciolimiter",
        "StrictLimiter(10): evenly spaced",
        lambda limit, per: _Awaited(lambda: new(limit / per)),
        lambda: _Awaited(lambda: new(1e9)),
    )


class _Called(_PerKey):
    """The same for ccxt's throttlers, which are called; in ccxt itself all requests of an exchange share one.

    Configured as `Exchange.init_rest_rate_limiter` does from ``rateLimit`` (milliseconds a request) and
    ``rollingWindowSize`` (milliseconds). https://docs.ccxt.com/
    """

    def __init__(self, **config: object) -> None:
        super().__init__(partial(import_module("ccxt.async_support.base.throttler").Throttler, config))

    def slot(self, key: str) -> _Waiting:
        return _Waiting(self[key])

    async def spin(self, keys: Iterable[str]) -> None:
        for key in keys:
            await self[key]()


def ccxt_leaky() -> Peer:
    """Return the default mode, evenly spaced; free: a bucket that is never empty."""
    import_module("ccxt")
    leaky = partial(_Called, algorithm="leakyBucket", delay=0.001, cost=1)

    def make(limit: int, per: float) -> _Called:
        pause = per * 1000 / limit
        return leaky(capacity=1, refillRate=1 / pause, rateLimit=pause)

    how = "Throttler, leaky bucket, rateLimit=100"
    return Peer("ccxt-leaky", "ccxt", how, make, lambda: leaky(capacity=10**9, tokens=10**9, refillRate=1.0))


def ccxt_rolling() -> Peer:
    """Return the rolling window; free: it is over by the next call."""
    import_module("ccxt")

    def make(limit: int, per: float) -> _Called:
        return _Called(algorithm="rollingWindow", cost=1, windowSize=per * 1000, rateLimit=per * 1000 / limit)

    how = "Throttler, rolling window of 2000 ms, rateLimit=100"
    return Peer("ccxt-rolling", "ccxt", how, make, lambda: make(20, 1e-9))


class _Acquired:
    """One limiter for all keys, with a function that waits for a slot of a key."""

    def __init__(self, acquire: Callable[[str], Any], hit: Callable[[str], Any] | None = None) -> None:
        self._acquire, self._hit = acquire, hit or acquire

    def slot(self, key: str) -> _Waiting:
        return _Waiting(partial(self._acquire, key))

    async def spin(self, keys: Iterable[str]) -> None:
        hit = self._hit
        for key in keys:
            await hit(key)


def limits() -> Peer:
    """Return the moving window, which is its log of times; free: a limit that is never reached.

    It only says yes or no; a user who waits asks for the end of the window and tries again.
    https://limits.readthedocs.io/
    """
    new = import_module("limits").RateLimitItemPerSecond
    storage, strategies = import_module("limits.aio.storage"), import_module("limits.aio.strategies")

    def make(limit: int, per: float) -> _Acquired:
        item, strategy = new(limit, int(per)), strategies.MovingWindowRateLimiter(storage.MemoryStorage())

        async def wait(key: str) -> None:
            while not await strategy.hit(item, key):
                window = await strategy.get_window_stats(item, key)
                await asyncio.sleep(max(0.0, window.reset_time - time.time()))

        return _Acquired(wait, partial(strategy.hit, item))

    how = "MovingWindowRateLimiter, 20 per 2 second: log of times"
    return Peer("limits", "limits", how, make, lambda: make(10**9, 1), least_per=1.0)


def pyrate_limiter() -> Peer:
    """Return its log of times, a bucket a key as its page on many keys has it; free: a limit that is never reached.

    https://pyratelimiter.readthedocs.io/
    """
    library: Any = import_module("pyrate_limiter")

    class Buckets(library.BucketFactory):
        def __init__(self, rate: object) -> None:
            self._rate = rate
            self._clock = library.MonotonicClock()
            self._buckets: dict[str, object] = {}

        def wrap_item(self, name: str, weight: int = 1) -> object:
            return library.RateItem(name, self._clock.now(), weight=weight)

        def get(self, item: Any) -> object:
            bucket = self._buckets.get(item.name)
            if bucket is None:
                bucket = self._buckets[item.name] = self.create(library.InMemoryBucket, [self._rate])
            return bucket

    def make(limit: int, per: float) -> _Acquired:
        return _Acquired(library.Limiter(Buckets(library.Rate(limit, max(1, round(per * 1000))))).try_acquire_async)

    how = "Limiter over InMemoryBucket, Rate(20, 2000): log of times"
    return Peer("pyrate-limiter", "pyrate-limiter", how, make, lambda: make(10**9, 1.0), least_per=0.001)


def throttled_py() -> Peer:
    """Return the sliding window, a weighted count of two fixed ones; free: a limit that is never reached.

    https://github.com/ZhuoZhuoCrayon/throttled-py
    """
    library = import_module("throttled.asyncio")

    def make(limit: int, per: float) -> _Acquired:
        throttle = library.Throttled(
            using=library.RateLimiterType.SLIDING_WINDOW.value,
            quota=library.rate_limiter.per_duration(timedelta(seconds=int(per)), limit=limit),
            store=library.MemoryStore(options={"MAX_SIZE": 100_000}),  # the default of 1,024 would forget keys in use
            timeout=3600.0,  # without it the library answers at once and does not wait
        )
        return _Acquired(throttle.limit)

    how = "Throttled, sliding window, 20 per 2 s"
    return Peer("throttled-py", "throttled-py", how, make, lambda: make(10**9, 1.0), least_per=1.0)
