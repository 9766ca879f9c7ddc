"""The attempts of one client that have begun and not ended, and how they end when the client is closed."""

import asyncio
from collections.abc import Iterator

from okx_async._calls.attempt import AttemptState


class Underway:
    """The attempts underway; once `closing` is set no other begins.

    Args:
        timeout: Seconds from a usable connection to the complete answer.
    """

    def __init__(self, timeout: float) -> None:
        self.closing = False
        self._timeout = timeout
        self._attempts: dict[AttemptState, None] = {}  # no set: those that wait end in the order in which they came
        self._all_ended = asyncio.Event()

    def __iter__(self) -> Iterator[AttemptState]:
        return iter(self._attempts)

    def begin(self, attempt: AttemptState) -> None:
        """Count an attempt in."""
        self._attempts[attempt] = None

    def end(self, attempt: AttemptState) -> None:
        """Count it out."""
        del self._attempts[attempt]
        if self.closing and not self._attempts:
            self._all_ended.set()

    def close(self) -> None:
        """Begin none any more, and end those that wait."""
        self.closing = True
        for attempt in self._attempts:
            if not attempt.wire.may_have_left:
                attempt.wire.end()

    async def ended(self) -> None:
        """Await those on the wire for their time limit, then give them up."""
        for _ in range(2):
            if self._attempts:
                self._all_ended.clear()
                try:
                    async with asyncio.timeout(self._timeout):
                        await self._all_ended.wait()
                except TimeoutError:
                    for attempt in self._attempts:
                        attempt.wire.end()
