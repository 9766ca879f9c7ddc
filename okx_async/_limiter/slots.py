"""What every limiter offers: a slot, taken by ``async with``, and what becomes of it."""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from okx_async._quota import Priority, Quota


class Slot(Protocol):
    """Leave to send one request.

    Leaving its block normally *settles* it: the answer has arrived, the token comes back after the window.
    Leaving it by any exception, cancellation included, leaves it *in doubt*: the request may be counted later.
    A mark made before overrides both; the first mark counts, a second raises RuntimeError.
    """

    def check(self) -> None:
        """Raise NotSentError if the slot is no longer ours: call it right before the write."""

    def settle(self) -> None:
        """Mark that the answer has arrived, now."""

    def refund(self) -> None:
        """Mark that nothing was sent: the token is free again at once."""


class SlotSource(Protocol):
    """A limiter, for one process or for many."""

    def slot(
        self,
        key: Hashable,
        *,
        priority: Priority = Priority.NORMAL,
        max_wait: float | None = None,
        quota: Quota | None = None,
    ) -> AbstractAsyncContextManager[Slot]:
        """Return a context manager that waits for a slot of `key` and gives it back.

        `max_wait` (seconds): SlotTimeoutError, at once when no slot can be had in time. `quota`: another one than
        the limiter's, for this key.
        """

    async def block(self, key: Hashable, seconds: float, *, refused: bool = True) -> None:
        """Grant nothing for `key` in the next `seconds`, on the limiter's own clock; a block only moves later.

        `refused`: the exchange refused a request for rate, rather than somebody asking for a pause.
        """

    async def aclose(self) -> None:
        """End every waiter in NotSentError; later requests for a slot raise RuntimeError."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """The state of one key: ``free + in_flight + cooling == limit``, always.

    ``limit`` is the quota's, ``usable`` what is used of it; ``cooling`` counts the tokens that wait for the end of
    their window, doubtful ones included; ``waiting`` the requests in line. ``granted`` and ``refused`` count since
    the key was last idle. ``blocked_until`` is a time of the limiter's clock, 0.0 if there was no block.
    """

    limit: int
    usable: int
    free: int
    in_flight: int
    cooling: int
    waiting: int
    granted: int
    refused: int
    blocked_until: float
