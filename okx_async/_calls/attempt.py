"""One attempt on its way: what is known of it at any moment, whoever has to end it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from types import TracebackType
from typing import Self

from okx_async._calls.identity import Key
from okx_async._http.timeouts import Line, Patience
from okx_async._models import Attempt, ClosePosition, Outcome, TokenState
from okx_async._rest.responses import Answer

_NOT_SENT, _UNKNOWN = Outcome.NOT_SENT, Outcome.UNKNOWN  # looking a member up through its class costs 50 ns


class Flight:
    """The state of one attempt, kept by the code that moves it and read by the code that reports it.

    Its block is the attempt's scope, as `asyncio.timeout` would be: out of time, or ended by `aclose`, the block is
    left by TimeoutError. It has no time while the request stands in line (but for `max_wait`), then the connection's,
    and from the mark on the response's; those two are counted for all flights together.
    """

    __slots__ = (
        "_cancelling",
        "_handle",
        "_line",
        "_patience",
        "_task",
        "_timeout",
        "_wall_clock",
        "answer",
        "begun",
        "deadline",
        "ended",
        "expired",
        "failure",
        "key",
        "keys",
        "loop",
        "marked",
        "outcome",
        "permit",
        "placed",
        "retry_after",
        "sent",
        "settled",
        "started",
        "token",
        "transport",
        "until",
        "waited",
        "writing",
    )

    def __init__(self, patience: Patience, *, timeout: float, wall_clock: Callable[[], float]) -> None:
        self.loop = patience.loop
        self._patience = patience
        self._timeout = timeout
        self._wall_clock = wall_clock
        self._line: Line | None = None
        self._handle: asyncio.Handle | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self.expired = False
        """Whether its time is over, and its task cancelled because of that."""
        self.keys: tuple[Key, ...] = ()
        self.key: Key | None = None
        self.begun = 0.0
        """When it was asked for, by the loop's clock."""
        self.deadline: float | None = None
        """Until when it may stand in line, by the loop's clock."""
        self.permit: Callable[[], Awaitable[float | None]] | None = None
        """Asked inside the slot: until when it may be written, by the loop's clock; None: not at all."""
        self.until = inf
        """What that told."""
        self.writing: Callable[[], bool] | None = None
        """Told that it is written now, and asked whether it still may be: much may have been heard since `permit`."""
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
        self.outcome = _NOT_SENT
        self.token: TokenState = "refunded"

    # What asyncio.timeout does, without a timer of its own.
    def __enter__(self) -> Self:
        task = asyncio.current_task(self.loop)
        if task is None:
            raise RuntimeError("an attempt is made inside a task")
        self._task = task
        self._cancelling = task.cancelling()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._line is not None or self._handle is not None:
            self._rest()
        task, self._task = self._task, None
        if (
            self.expired
            and task is not None
            and task.uncancel() <= self._cancelling
            and exc_type is asyncio.CancelledError
        ):
            raise TimeoutError from exc  # nobody else has cancelled it

    def limit(self, seconds: float | None) -> None:
        """End the attempt in so many seconds from now; None: not by time."""
        if self.expired or (self.ended and not self.marked):
            return  # the end is on its way already
        self._rest()
        if seconds is not None:
            loop = self.loop
            self._handle = loop.call_later(seconds, self.expire) if seconds > 0 else loop.call_soon(self.expire)

    def left(self) -> float | None:
        """Return the seconds that it may stand in line yet; None: any number."""
        return None if self.deadline is None else max(0.0, self.deadline - self.loop.time())

    @property
    def late(self) -> bool:
        """Whether it may not be written any more."""
        return self.until < inf and self.loop.time() > self.until

    def forbidden(self) -> str:
        """Return why it may not be written after all, "" if it may; to be asked once, in the step of the write."""
        if self.late:
            return "connected too late to be sent"
        if self.writing is not None and not self.writing():
            return "what was heard while it waited for its connection forbids it"
        return ""

    def connect(self, seconds: float) -> None:
        """Note that it asks for a connection, and has so many seconds for that."""
        patience = self._patience
        if self._line is None and self._handle is None and not self.expired and not self.ended:
            line = self._line = patience.connecting  # what the lines below come to, for the rule
            patience.enter(self, line, seconds)
        else:
            self._within(patience.connecting, seconds)

    def expire(self) -> None:
        """Cancel the task: the time is over."""
        self._rest()
        self.expired = True
        if self._task is not None:
            self._task.cancel()

    def _within(self, line: Line, seconds: float) -> None:
        if self.expired or (self.ended and not self.marked):
            return
        self._rest()
        self._patience.enter(self, line, seconds)
        self._line = line

    def _rest(self) -> None:
        """Let no time run."""
        if self._line is not None:
            self._patience.leave(self, self._line)
            self._line = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def end(self) -> None:
        """End the attempt now, from outside."""
        self.limit(0.0)
        self.ended = True

    def start(self) -> None:
        """Note that it has its slot."""
        self.started = True
        self.waited = self.loop.time() - self.begun

    def land(self, answer: Answer, outcome: Outcome, retry_after: str | None) -> None:
        """Note the complete answer."""
        self.settled = self._wall_clock()
        self.answer, self.outcome, self.retry_after = answer, outcome, retry_after

    def mark(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that the request has its connection: from here on it may have been sent."""
        self.marked = True
        self.outcome = _UNKNOWN
        self.transport = transport
        self.sent = self._wall_clock()
        patience = self._patience
        line = self._line
        if line is patience.connecting and self._handle is None and not self.expired:
            self._line = patience.answering
            patience.move(self, self._timeout)
        else:
            self._within(patience.answering, self._timeout)

    def unmark(self) -> None:
        """Note that what went wrong was the connecting."""
        self.marked = False
        self.outcome = _NOT_SENT
        self.sent = None

    def answered(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that an answer has begun to arrive, over a connection that can be reached now."""
        if not self.marked:  # a replaced session, in tests of users
            self.mark(transport)
        if transport is not None:
            self.transport = transport

    def attempt(self, request: ClosePosition) -> Attempt:
        """Return the record for the caller."""
        answer = self.answer
        code, status = ("", None) if answer is None else (answer.code, answer.status)
        return Attempt(request, self.key, self.waited, self.sent, self.settled, code, status, self.outcome, self.token)
