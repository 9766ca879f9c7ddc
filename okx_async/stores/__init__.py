"""Limiters whose limits are shared by many processes.

import okx_async as okx
from okx_async.stores import SqliteLimiter

client = okx.Client(okx.Credentials.from_env(), limiter=SqliteLimiter())
"""

from okx_async.stores.redis import RedisLimiter
from okx_async.stores.sqlite import SqliteLimiter

__all__ = ["RedisLimiter", "SqliteLimiter"]
