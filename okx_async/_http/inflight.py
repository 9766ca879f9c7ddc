"""One request on the wire: its time limits, and whether a byte of it may have left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from types import TracebackType
from typing import Self

from okx_async._http.timeouts import TimeoutGroup, TimeoutQueue


class InFlight:
    """The wire side of one attempt.

    Its ``with`` block is a time limit, as that of `asyncio.timeout`: a block that ran out of time, or was ended from
    outside, is left by TimeoutError. No time runs at first; `limit`, `connecting` and `connected` start it.
    """

    __slots__ = (
        "_cancelling",
        "_group",
        "_handle",
        "_queue",
        "_task",
        "_timeout",
        "_wall_clock",
        "confirm_write",
        "ended",
        "expired",
        "failure",
        "loop",
        "may_have_left",
        "may_send_until",
        "sent",
        "transport",
    )

    def __init__(self, group: TimeoutGroup, *, timeout: float, wall_clock: Callable[[], float]) -> None:
        self.loop = group.loop
        self._group = group
        self._timeout = timeout
        self._wall_clock = wall_clock
        self._queue: TimeoutQueue | None = None
        self._handle: asyncio.Handle | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self.expired = False
        """Whether its time is over and its task was cancelled for that reason."""
        self.ended = False
        """Whether it was told to end; once sent, it may still get its answer."""
        self.may_send_until = inf
        """Last moment, by the loop's clock, at which it may be written."""
        self.confirm_write: Callable[[], bool] | None = None
        """Called in the step of the write; False: it must not be written after all."""
        self.may_have_left = False
        """Whether a byte of it may have left this machine."""
        self.sent: float | None = None
        """When it was handed to its connection, by the wall clock (Unix seconds)."""
        self.transport: asyncio.BaseTransport | None = None
        """The connection that carries it, None where it cannot be reached."""
        self.failure = ""
        """Why there is no usable answer."""

    # As asyncio.timeout does it, without a timer of its own.
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
        self._stop()
        task, self._task = self._task, None
        if (
            self.expired
            and task is not None
            and task.uncancel() <= self._cancelling
            and exc_type is asyncio.CancelledError
        ):
            raise TimeoutError from exc  # no other cancellation is on its way

    def limit(self, seconds: float | None) -> None:
        """End the attempt in so many seconds from now; None: not by time."""
        if self.expired or (self.ended and not self.may_have_left):
            return  # its end is on its way already
        self._stop()
        if seconds is not None:
            loop = self.loop
            self._handle = loop.call_later(seconds, self.expire) if seconds > 0 else loop.call_soon(self.expire)

    def end(self) -> None:
        """End the attempt now, from outside."""
        self.limit(0.0)
        self.ended = True

    def expire(self) -> None:
        """Cancel the task: the time is over."""
        self._stop()
        self.expired = True
        if self._task is not None:
            self._task.cancel()

    @property
    def late(self) -> bool:
        """Whether the last moment for the write has passed."""
        return self.may_send_until < inf and self.loop.time() > self.may_send_until

    def forbidden(self) -> str:
        """Return why it may not be written after all, "" if it may. Call it once, in the step of the write."""
        if self.late:
            return "connected too late to be sent"
        if self.confirm_write is not None and not self.confirm_write():
            return "what was heard while it waited for its connection forbids it"
        return ""

    def connecting(self, seconds: float) -> None:
        """Note that it asks for a connection, and start the time for that."""
        self._within(self._group.connecting, seconds)

    def connected(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that it has its connection, so it may have been sent from here on, and start the time of the answer."""
        self.may_have_left = True
        self.transport = transport
        self.sent = self._wall_clock()
        self._within(self._group.answering, self._timeout)

    def not_connected(self) -> None:
        """Take `connected` back: connecting failed, which is known only afterwards on a caller's session."""
        self.may_have_left = False
        self.sent = None

    def answering(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that an answer begins to arrive, over a connection that can be reached now."""
        if not self.may_have_left:  # a session that was replaced, as users' tests do
            self.connected(transport)
        if transport is not None:
            self.transport = transport

    def _within(self, queue: TimeoutQueue, seconds: float) -> None:
        if self.expired or (self.ended and not self.may_have_left):
            return
        if self._queue is not None or self._handle is not None:
            self._stop()
        self._group.enter(self, queue, seconds)
        self._queue = queue

    def _stop(self) -> None:
        """Let no time run."""
        if self._queue is not None:
            self._group.leave(self, self._queue)
            self._queue = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
