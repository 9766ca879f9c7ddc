"""The interface of every limiter, SlotSource and Slot, and the Statistics of one key."""

from collections.abc import Hashable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from okx_async._models import Record
from okx_async._quota import Priority, Quota


@runtime_checkable
class Slot(Protocol):
    """The right to send one request.

    Leaving its block normally *settles* it: the answer has arrived, the token comes back after the window.
    Leaving it by any exception, cancellation included, leaves it *in doubt*: the request may be counted later.
    A mark made before overrides both; the first mark counts, a second raises RuntimeError. Leaving suspends nowhere and
    raises nothing of its own, also if the source was closed meanwhile.
    """

    def check(self, seconds: float | None = None) -> None:
        """Raise NotSentError unless the slot is kept; call it right before the write, with nothing awaited in between.

        Nothing was sent then: refund the slot, and ask for another one.

        Args:
            seconds: Seconds from now for which it must be kept: until the request is given up at the latest. None: for
                as long as any request may take that the source is meant for.
        """

    def settle(self) -> None:
        """Mark that the answer has arrived, now."""

    def refund(self) -> None:
        """Mark that nothing was sent: the token is free again at once."""


@runtime_checkable
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
            max_wait: Seconds to wait at most, at least 0; None waits without limit. A client cancels a wait that lasts
                1 s longer, and likewise what takes 1 s to leave the block.
            quota: Another quota than the limiter's for this key.

        Raises:
            SlotTimeoutError: No slot within `max_wait`; raised at once when that is certain. It names the `key` and the
                `wait` to the earliest possible slot.
            InvalidRequestError: An argument cannot be.
        """

    async def block(self, key: Hashable, seconds: float, *, refused: bool = True) -> None:
        """Grant nothing for `key` in the next `seconds`; a block only moves later.

        Args:
            key: What requests are counted by.
            seconds: Seconds of the block on the limiter's own clock, at least 0.
            refused: Whether the exchange refused a request for rate. False for a pause without a refusal.
        """

    def statistics(self, key: Hashable) -> "Statistics":
        """Return the state of `key` as far as it is known here; any thread may ask.

        Args:
            key: What requests are counted by.
        """

    def keys(self) -> Sequence[Hashable]:
        """Return the keys in use as far as they are known here; any thread may ask."""

    async def aclose(self) -> None:
        """End every waiter in NotSentError; later requests for a slot raise RuntimeError."""


@dataclass(frozen=True, slots=True)
class Statistics(Record):
    """The state of one key; ``free + in_flight + cooling == limit``, always."""

    limit: int
    """The quota's limit, in requests."""
    usable: int
    """The part of `limit` that is used: repeated refusals lower it."""
    free: int
    """Tokens that may be taken now."""
    in_flight: int
    """Tokens of requests that are not answered yet."""
    cooling: int
    """Tokens that wait for the end of their window, doubtful ones included."""
    waiting: int
    """Requests in line."""
    granted: int
    """Slots that were given since the key was last idle."""
    refused: int
    """Refusals for rate since the key was last idle."""
    blocked_until: float
    """The end of the last block, in seconds of the limiter's clock; 0.0 if there was no block."""
    blocked: float = 0.0
    """Seconds that the block lasts yet, 0.0 if there is none."""


def subject(key: Hashable) -> str:
    """Return a key as errors name it: the parts of a tuple of texts, as `okx-async limits` shows them."""
    if isinstance(key, tuple) and key and all(isinstance(part, str) and part.isprintable() and part for part in key):
        return " ".join(key)
    return repr(key)


def no_slot(wait: float, max_wait: float | None = None) -> str:
    """Return the words of a wait that cannot end in time, or did not.

    Args:
        wait: Seconds from now to the earliest possible slot. Some or all of `max_wait` may have passed by now.
        max_wait: Seconds from the call, None if that number is not known.
    """
    within = "no slot within max_wait" if max_wait is None else f"no slot within max_wait={max_wait:g} s"
    if wait <= 0:
        return f"{within}, which is over; nothing was sent"
    if max_wait is not None and wait > max_wait:
        return f"{within}, the earliest possible one is {wait:.3f} s away; nothing was sent"
    return f"{within}, which ends before the earliest possible one, {wait:.3f} s from now; nothing was sent"
