"""The limiter of clients that are given none: this process's own, or the shared one that OKX_LIMITS names."""

import os
from typing import Final

from okx_async._limiter import default as own
from okx_async._limiter.slots import SlotSource
from okx_async._log import logger

VARIABLE: Final = "OKX_LIMITS"

_GIVEN: Final[dict[int, SlotSource]] = {}
"""What the last client was given, by process: a forked child has none of its parent's clients."""


def default_limiter() -> SlotSource:
    """Return the limiter that all clients of this process share unless they are given another.

    Raises:
        InvalidRequestError: OKX_LIMITS names no limits that can be used.
    """
    url = os.environ.get(VARIABLE, "")
    if not url:
        limiter: SlotSource = own.default_limiter()
    else:
        from okx_async.stores.urls import shared_limiter  # noqa: PLC0415 - SQLite is for those that use it

        limiter = shared_limiter(url)
    before = _GIVEN.get(os.getpid())
    _GIVEN[os.getpid()] = limiter
    if before is not None and before is not limiter and not getattr(before, "closed", False):
        # As where a file of variables is read after a module has made its client.
        logger.warning(
            "%s was changed after clients were made: they keep their limits, which do not count what clients send that "
            "are made from now on; set it before the first client, or pass the same limiter to all",
            VARIABLE,
        )
    return limiter
