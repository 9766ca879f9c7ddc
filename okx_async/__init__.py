"""Close OKX positions from asyncio: never refused for rate, honest about every outcome.

https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-close-positions
"""

from okx_async._calls.batch import CloseResult
from okx_async._calls.reports import LimitEvent, LimitEventKind
from okx_async._client import Client
from okx_async._credentials import Credentials
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
from okx_async._flatten.report import FlattenReport, FlattenRow, FlattenState
from okx_async._limiter.limiter import Limiter
from okx_async._limiter.slots import Slot, SlotSource, Statistics
from okx_async._models import (
    Attempt,
    ClosedPosition,
    ClosePosition,
    MgnMode,
    OpenOrder,
    Outcome,
    Position,
    PosSide,
    TokenState,
)
from okx_async._quota import Priority, Quota
from okx_async._rest.rate_keys import rate_key

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
    "LimitEvent",
    "LimitEventKind",
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
