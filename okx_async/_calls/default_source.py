"""The limiter of clients that are given none: this process's own, or the shared one that OKX_LIMITS names."""

import os
from typing import Final

from okx_async._limiter import default as own
from okx_async._limiter.slots import SlotSource

VARIABLE: Final = "OKX_LIMITS"


def default_limiter() -> SlotSource:
    """Return the limiter that all clients of this process share unless they are given another.

    Raises:
        InvalidRequestError: OKX_LIMITS names no limits that can be used.
    """
    url = os.environ.get(VARIABLE, "")
    if not url:
        return own.default_limiter()
    from okx_async.stores.urls import shared_limiter  # noqa: PLC0415 - SQLite is for those that use it

    return shared_limiter(url)
