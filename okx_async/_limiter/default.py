"""The limiter that all clients of a process share unless they are given another."""

import threading
from functools import lru_cache
from typing import Final

from okx_async._limiter.limiter import Limiter
from okx_async._threads import unforked

_MAKING: Final = unforked(threading.RLock())


def default_limiter() -> Limiter:
    """Return the limiter that all clients of this process share unless they are given another.

    One part of a program may have closed it. That bars no other part: a new one takes its place, and its counts.
    """
    with _MAKING:  # threads may ask for it at the same moment
        limiter = _default_limiter()
        if limiter.closed:
            closed = limiter._registry  # noqa: SLF001 - of the same class as the new one's
            _default_limiter.cache_clear()
            limiter = _default_limiter()
            with closed.lock:
                limiter._registry.succeed(closed)  # noqa: SLF001 - no other thread has it yet
        return limiter


@lru_cache(maxsize=1)
def _default_limiter() -> Limiter:
    return Limiter()
