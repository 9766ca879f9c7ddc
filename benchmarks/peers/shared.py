"""Limiters whose limits processes share, in a file or in a server: ours, and those that people use.

Each is told of 20 per 2 s for one key. A library that has no file that processes may share has none here.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import okx_async as okx
from benchmarks.peers import SharedPeer, Slot
from okx_async.stores import RedisLimiter, SqliteLimiter

LIMIT, PER = 20, 2.0
KEY = "one key"


def _waiting(wait: Callable[[], Awaitable[object]]) -> Slot:
    """Return slots of a library that only has something to await: nothing is given back."""

    @asynccontextmanager
    async def slot() -> Any:
        await wait()
        yield

    return slot


async def _sqlite(path: str) -> Slot:
    limiter = SqliteLimiter(path, okx.Quota(LIMIT, PER))
    return lambda: limiter.slot((KEY,))


async def _redis(url: str) -> Slot:
    limiter = RedisLimiter(url, okx.Quota(LIMIT, PER))
    return lambda: limiter.slot((KEY,))


async def _limits(url: str) -> Slot:
    item = import_module("limits").RateLimitItemPerSecond(LIMIT, int(PER))
    storage, strategies = import_module("limits.aio.storage"), import_module("limits.aio.strategies")
    strategy = strategies.MovingWindowRateLimiter(storage.RedisStorage(f"async+{url}", implementation="redispy"))

    async def wait() -> None:
        while not await strategy.hit(item, KEY):
            window = await strategy.get_window_stats(item, KEY)
            await asyncio.sleep(max(0.0, window.reset_time - time.time()))

    return _waiting(wait)


async def _pyrate_redis(url: str) -> Slot:
    library: Any = import_module("pyrate_limiter")
    server = import_module("redis.asyncio").Redis.from_url(url)
    bucket = await library.RedisBucket.init([library.Rate(LIMIT, int(PER * 1000))], server, KEY)
    limiter = library.Limiter(bucket)
    return _waiting(lambda: limiter.try_acquire_async(KEY))


async def _pyrate_file(path: str) -> Slot:
    library: Any = import_module("pyrate_limiter")
    rates = [library.Rate(LIMIT, int(PER * 1000))]
    bucket = library.SQLiteBucket.init_from_file(rates, db_path=path, use_file_lock=True)
    limiter = library.Limiter(bucket)
    return _waiting(lambda: limiter.try_acquire_async(KEY))


async def _throttled(url: str) -> Slot:
    library = import_module("throttled.asyncio")
    throttle = library.Throttled(
        using=library.RateLimiterType.SLIDING_WINDOW.value,
        quota=library.rate_limiter.per_duration(import_module("datetime").timedelta(seconds=int(PER)), limit=LIMIT),
        store=library.RedisStore(server=url),
        timeout=3600.0,  # without it the library answers at once and does not wait
    )
    return _waiting(lambda: throttle.limit(KEY))


PEERS = (
    SharedPeer("okx_async, file", "okx-async", "SqliteLimiter(path, Quota(20, 2.0))", _sqlite, server=False),
    SharedPeer("okx_async, server", "okx-async", "RedisLimiter(url, Quota(20, 2.0))", _redis),
    SharedPeer(
        "pyrate-limiter, file",
        "pyrate-limiter",
        "Limiter over SQLiteBucket with its file lock, Rate(20, 2000)",
        _pyrate_file,
        server=False,
    ),
    SharedPeer("pyrate-limiter, server", "pyrate-limiter", "Limiter over RedisBucket, Rate(20, 2000)", _pyrate_redis),
    SharedPeer("limits, server", "limits", "MovingWindowRateLimiter over RedisStorage", _limits),
    SharedPeer("throttled-py, server", "throttled-py", "Throttled over RedisStore, sliding window", _throttled),
)
