"""One request on the wire: its time limits, and whether a byte of it may have left."""

import asyncio
import os
from collections.abc import Callable
from math import inf
from types import TracebackType
from typing import Final, Protocol, Self

from okx_async._errors import NotSentError
from okx_async._http.bodies import MAX_BODY
from okx_async._http.sockets import readable, reset
from okx_async._http.timeouts import EARLY, TURNS, TimeoutGroup, TimeoutQueue

TOO_LATE: Final = "connected too late to be sent"


class Held(Protocol):
    """What a request needs to be written: a slot."""

    def check(self, seconds: float | None = None) -> None:
        """Raise NotSentError unless it is kept for so long."""


def why_lost(held: tuple[Held, ...], seconds: float) -> str:
    """Return why a slot is not kept for so many seconds, "" if all are."""
    for each in held:
        try:
            each.check(seconds)
        except NotSentError as lost:
            return str(lost).removesuffix("; nothing was sent") or "its slot was lost"
    return ""


class InFlight:
    """The wire side of one attempt.

    Its ``with`` block is a time limit, as that of `asyncio.timeout`: a block that ran out of time, or was ended from
    outside, is left by TimeoutError. No time runs at first; `limit`, `connecting` and `connected` start it.
    """

    __slots__ = (
        "_cancelling",
        "_group",
        "_handle",
        "_task",
        "_wall_clock",
        "confirm_write",
        "connect_until",
        "ended",
        "expired",
        "failure",
        "futile",
        "held",
        "longest",
        "loop",
        "may_have_left",
        "may_send_until",
        "queue",
        "sent",
        "timeout",
        "transport",
    )

    def __init__(self, group: TimeoutGroup, *, timeout: float, wall_clock: Callable[[], float]) -> None:
        self.loop = group.loop
        self._group = group
        self.timeout = timeout
        """Seconds from the write to the complete answer."""
        self._wall_clock = wall_clock
        self.queue: TimeoutQueue | None = None
        self._handle: asyncio.Handle | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self.expired = False
        """Whether its time is over and its task was cancelled for that reason."""
        self.ended = False
        """Whether it was told to end; once sent, it may still get its answer."""
        self.may_send_until = inf
        """Last moment, by the loop's clock, at which it may be written."""
        self.connect_until = inf
        """Until when it waits for its connection, by the loop's clock; `connecting` has a time of its own besides."""
        self.confirm_write: Callable[[], bool] | None = None
        """Called in the step of the write; False: it must not be written after all."""
        self.held: tuple[Held, ...] = ()
        """Its slots: in the step of the write they must be kept until its time for an answer is over."""
        self.longest = MAX_BODY
        """Most bytes of its answer."""
        self.may_have_left = False
        """Whether a byte of it may have left this machine."""
        self.sent: float | None = None
        """When it was handed to its connection, by the wall clock (Unix seconds)."""
        self.transport: asyncio.BaseTransport | None = None
        """The connection that carries it, None where it cannot be reached."""
        self.failure = ""
        """Why there is no usable answer."""
        self.futile = False
        """Whether a repeat would meet the same failure."""

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
        if self.transport is not None:
            self._uncarry()
        task, self._task = self._task, None
        if (
            self.expired
            and task is not None
            and task.uncancel() <= self._cancelling
            and exc_type is asyncio.CancelledError
        ):
            raise TimeoutError from exc  # no other cancellation is on its way

    @property
    def given_up(self) -> bool:
        """Whether its end, or the cancellation of its task, is on its way."""
        task = self._task
        return self.ended or self.expired or task is None or task.cancelling() > self._cancelling

    @property
    def is_running(self) -> bool:
        """Whether its task is the one that runs now."""
        try:
            return self._task is not None and asyncio.current_task() is self._task
        except RuntimeError:  # no event loop
            return False

    def limit(self, seconds: float | None) -> None:
        """End the attempt in so many seconds from now; None: not by time."""
        if self.expired or (self.ended and not self.may_have_left):
            return  # its end is on its way already
        self._stop()
        if seconds is not None:
            loop = self.loop
            self._handle = loop.call_later(seconds, self.expire) if seconds > 0 else loop.call_soon(self.expire)

    def end(self) -> None:
        """End the attempt now, from outside; an answer that is in its socket is read first."""
        if not self.may_have_left:
            self.limit(0.0)
        elif not self.expired:
            self._expire_in(TURNS)
        self.ended = True

    def expire(self) -> None:
        """Cancel the task: the time is over."""
        self._stop()
        self.expired = True
        if self._task is not None:
            self._task.cancel()

    def arriving(self) -> bool:
        """Return whether its connection has bytes that the loop has not read."""
        return self.transport is not None and readable(self.transport)

    def give_back(self, seconds: float) -> None:
        """Give it some seconds to connect, within `connect_until`: the loop stood still for as long."""
        self.limit(min(seconds, self.connect_until - self.loop.time()))

    @property
    def call_is_over(self) -> bool:
        """Whether the time of its whole call is over, and not only that to connect."""
        return self.connect_until <= self.loop.time() + EARLY

    @property
    def late(self) -> bool:
        """Whether the last moment for the write has passed."""
        return self.may_send_until < inf and self.loop.time() > self.may_send_until

    def forbidden(self) -> str:
        """Return why it may not be written after all, "" if it may. Call it once, in the step of the write."""
        if self._group.process != os.getpid():
            return "it is that of the process before a fork"
        if self.may_send_until < inf and self.late:
            return TOO_LATE
        if lost := why_lost(self.held, self.timeout):
            return lost
        if self.confirm_write is not None and not self.confirm_write():
            return "what was heard while it waited for its connection forbids it"
        return ""

    def connecting(self, seconds: float) -> None:
        """Note that it asks for a connection, and start the time for that."""
        self._connecting(self._group.connecting, seconds)

    def asking(self) -> None:
        """Note that it is handed to a caller's session, which limits the time to connect by itself."""
        self._connecting(self._group.answering, self.timeout)

    def awaiting(self) -> None:
        """Start the time of the answer: before its slots are checked, which must outlast it."""
        self._within(self._group.answering, self.timeout)

    def written(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that it is written now, so it may have left from here on."""
        self.sent = self._wall_clock()
        self.may_have_left = True
        self._carry(transport)

    def connected(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that it is written, or that this must be presumed, and start the time of the answer."""
        self.written(transport)
        self.awaiting()

    def not_connected(self) -> None:
        """Take `connected` back, on a session where it could only be presumed."""
        self.may_have_left = False
        self.sent = None

    def answering(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that an answer begins to arrive, over a connection that can be reached now."""
        if not self.may_have_left:  # a session that was replaced, as users' tests do
            self.connected(transport)
        elif transport is not None:
            self._carry(transport)

    def answered(self) -> None:
        """Note that its connection is back in a pool that others use, too."""
        self._uncarry()
        self.transport = None

    def drop(self) -> None:
        """Reset its connection, unless that carries another request by now, or is that of the process before a fork."""
        if self._group.process != os.getpid():
            return
        if self.transport is not None and self._group.carriers.get(self.transport, self) is self:
            reset(self.transport)

    def _carry(self, transport: asyncio.BaseTransport | None) -> None:
        if self.transport is not None:
            self._uncarry()
        self.transport = transport
        if transport is not None:
            self._group.carriers[transport] = self

    def _uncarry(self) -> None:
        carriers, transport = self._group.carriers, self.transport
        if transport is not None and carriers.get(transport) is self:
            del carriers[transport]

    def _expire_in(self, turns: int) -> None:
        self._stop()
        self._handle = self.loop.call_soon(self._expire_in, turns - 1) if turns else self.loop.call_soon(self.expire)

    def _connecting(self, queue: TimeoutQueue, seconds: float) -> None:
        if self.connect_until < inf and (left := self.connect_until - self.loop.time()) < seconds:
            self.limit(left)
        else:
            self._within(queue, seconds)

    def _within(self, queue: TimeoutQueue, seconds: float) -> None:
        if self.expired or (self.ended and not self.may_have_left):
            return
        if self._handle is not None:
            self._stop()
        self._group.enter(self, queue, seconds)

    def _stop(self) -> None:
        """Let no time run."""
        self._group.leave(self)
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
