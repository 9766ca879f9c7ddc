"""The interface of every limiter, SlotSource and Slot, and the Statistics of one key."""

from collections.abc import Hashable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from okx_async._quota import Priority, Quota
from okx_async._record import Record


class Slot(Protocol):
    """The right to send one request.

    Leaving its block normally *settles* it: the answer has arrived, the token comes back after the window.
    Leaving it by any exception, cancellation included, leaves it *in doubt*: the request may be counted later.
    A mark made before overrides both; the first mark counts, a second raises RuntimeError.
    """

    def check(self, seconds: float | None = None) -> None:
        """Raise NotSentError unless the slot is kept; call it right before the write, with nothing awaited in between.

        Nothing was sent then: refund the slot, and ask for another one.

        Args:
            seconds: For how long from now it must be kept: until the request is given up at the latest. None: for as
                long as any request may take that the source is meant for.
        """

    def settle(self) -> None:
        """Mark that the answer has arrived, now."""

    def refund(self) -> None:
        """Mark that nothing was sent: the token is free again at once."""


class SlotSource(Protocol):
    """A limiter, for one process or for many; it serves all event loops and threads of a process."""

    @property
    def linger(self) -> float:
        """Seconds after the end of a request with unknown outcome until it cannot matter any more."""

    def slot(
        self,
        key: Hashable,
        *,
        priority: Priority = Priority.NORMAL,
        max_wait: float | None = None,
        quota: Quota | None = None,
    ) -> AbstractAsyncContextManager[Slot]:
        """Return a context manager that waits for a slot of `key` and gives it back.

        Args:
            key: What requests are counted by.
            priority: PANIC goes ahead of every NORMAL waiter of the key.
            max_wait: Seconds to wait at most; None waits without limit.
            quota: Another quota than the limiter's for this key.

        Raises:
            SlotTimeoutError: No slot within `max_wait`; raised at once when that is certain.
        """

    async def block(self, key: Hashable, seconds: float, *, refused: bool = True) -> None:
        """Grant nothing for `key` in the next `seconds`; a block only moves later.

        Args:
            key: What requests are counted by.
            seconds: The length of the block, on the limiter's own clock.
            refused: Whether the exchange refused a request for rate. False for a pause without a refusal.
        """

    def statistics(self, key: Hashable) -> "Statistics":
        """Return the state of `key` as far as it is known here; any thread may ask."""

    def keys(self) -> Sequence[Hashable]:
        """Return the keys in use as far as they are known here; any thread may ask."""

    async def aclose(self) -> None:
        """End every waiter in NotSentError; later requests for a slot raise RuntimeError."""


@dataclass(frozen=True, slots=True)
class Statistics(Record):
    """The state of one key; ``free + in_flight + cooling == limit``, always.

    ``limit`` is the quota's, ``usable`` the part of it that is used; ``cooling`` counts the tokens that wait for the
    end of their window, doubtful ones included; ``waiting`` counts the requests in line. ``granted`` and ``refused``
    count since the key was last idle. ``blocked_until`` is a time of the limiter's clock, 0.0 if there was no block;
    ``blocked`` are the seconds that the block lasts yet, 0.0 if there is none.
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
    blocked: float = 0.0
