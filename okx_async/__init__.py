"""Close OKX positions from asyncio: never refused for rate, honest about every outcome.

https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-close-positions
"""

from okx_async._client import Client
from okx_async._errors import (
    AuthenticationError,
    ClockSkewError,
    CloseInProgressError,
    InvalidRequestError,
    NothingToCloseError,
    NotSentError,
    OkxError,
    OutcomeUnknownError,
    PendingOrdersError,
    RateLimitedError,
    RejectedError,
    SlotTimeoutError,
    UnavailableError,
)
from okx_async._keys import rate_key
from okx_async._limiter import Limiter
from okx_async._models import (
    Attempt,
    ClosedPosition,
    ClosePosition,
    CloseResult,
    Credentials,
    MgnMode,
    Outcome,
    Position,
    PosSide,
    Priority,
    Quota,
    TokenState,
)
from okx_async._report import FlattenReport, FlattenRow, FlattenState, OpenOrder
from okx_async._slots import Slot, SlotSource, Statistics

__version__ = "0.1.0"

__all__ = [
    "Attempt",
    "AuthenticationError",
    "Client",
    "ClockSkewError",
    "CloseInProgressError",
    "ClosePosition",
    "CloseResult",
    "ClosedPosition",
    "Credentials",
    "FlattenReport",
    "FlattenRow",
    "FlattenState",
    "InvalidRequestError",
    "Limiter",
    "MgnMode",
    "NotSentError",
    "NothingToCloseError",
    "OkxError",
    "OpenOrder",
    "Outcome",
    "OutcomeUnknownError",
    "PendingOrdersError",
    "PosSide",
    "Position",
    "Priority",
    "Quota",
    "RateLimitedError",
    "RejectedError",
    "Slot",
    "SlotSource",
    "SlotTimeoutError",
    "Statistics",
    "TokenState",
    "UnavailableError",
    "rate_key",
]

# Tracebacks, reprs and pickles say okx_async.Client, not where it happens to be defined.
for _public in [globals()[name] for name in __all__]:
    if getattr(_public, "__module__", "").startswith("okx_async."):
        _public.__module__ = "okx_async"
