"""One attempt on its way: what is known of it at any moment, whoever has to end it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from okx_async._models import Attempt, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from okx_async._answer import Answer
    from okx_async._models import ClosePosition, TokenState

__all__ = ["Flight"]


class Flight:
    """The state of one attempt, kept by the code that moves it and read by the code that reports it.

    `scope` is the only timer of the attempt, and what `aclose` ends it by. It has no time while the request stands in
    line (but for `max_wait`), then the connection's, and from the mark on the response's.
    """

    __slots__ = (
        "_loop",
        "_timeout",
        "_wall_clock",
        "answer",
        "begun",
        "deadline",
        "ended",
        "failure",
        "key",
        "keys",
        "marked",
        "outcome",
        "placed",
        "retry_after",
        "scope",
        "sent",
        "settled",
        "started",
        "token",
        "transport",
        "waited",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, *, timeout: float, wall_clock: Callable[[], float]) -> None:
        self._loop = loop
        self._timeout = timeout
        self._wall_clock = wall_clock
        self.scope = asyncio.timeout(None)
        self.keys: tuple[Hashable, ...] = ()
        self.key: Hashable = None
        self.begun = 0.0
        """When it was asked for, by the loop's clock."""
        self.deadline: float | None = None
        """Until when it may stand in line, by the loop's clock."""
        self.ended = False
        """Whether it was told to end; once sent, it may have its answer yet."""
        self.placed = False
        """Whether it holds a place of the gate."""
        self.started = False
        """Whether it had its slot: from here on it is an attempt."""
        self.waited = 0.0
        self.marked = False
        """Whether a byte of it may have left."""
        self.sent: float | None = None
        self.settled: float | None = None
        self.transport: asyncio.BaseTransport | None = None
        self.answer: Answer | None = None
        self.retry_after: str | None = None
        self.failure = ""
        self.outcome = Outcome.NOT_SENT
        self.token: TokenState = "refunded"

    def limit(self, seconds: float | None) -> None:
        """End the attempt in so many seconds from now; None: not by time."""
        if self.scope.expired() or (self.ended and not self.marked):
            return  # the end is on its way already
        self.scope.reschedule(None if seconds is None else self._loop.time() + seconds)

    def end(self) -> None:
        """End the attempt now, from outside."""
        self.limit(0.0)
        self.ended = True

    def start(self) -> None:
        """Note that it has its slot."""
        self.started = True
        self.waited = self._loop.time() - self.begun

    def land(self, answer: Answer, outcome: Outcome, retry_after: str | None) -> None:
        """Note the complete answer."""
        self.settled = self._wall_clock()
        self.answer, self.outcome, self.retry_after = answer, outcome, retry_after

    def mark(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that the request has its connection: from here on it may have been sent."""
        self.marked = True
        self.outcome = Outcome.UNKNOWN
        self.transport = transport
        self.sent = self._wall_clock()
        self.limit(self._timeout)

    def unmark(self) -> None:
        """Note that what went wrong was the connecting."""
        self.marked = False
        self.outcome = Outcome.NOT_SENT
        self.sent = None

    def answered(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that an answer has begun to arrive, over a connection that can be reached now."""
        if not self.marked:  # a replaced session, in tests of users
            self.mark(transport)
        if transport is not None:
            self.transport = transport

    def attempt(self, request: ClosePosition) -> Attempt:
        """Return the record for the caller."""
        return Attempt(
            request=request,
            key=self.key,
            waited=self.waited,
            sent=self.sent,
            settled=self.settled,
            code="" if self.answer is None else self.answer.code,
            status=None if self.answer is None else self.answer.status,
            outcome=self.outcome,
            token=self.token,
        )
