"""The record of each close: its request, its attempts and its result."""

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from okx_async import (
    Attempt,
    Client,
    ClosePosition,
    CloseResult,
    InvalidRequestError,
    NotSentError,
    OkxError,
    Outcome,
    OutcomeUnknownError,
    Priority,
    RejectedError,
)

ACCEPTED, REFUSED, NOT_SENT, UNKNOWN, CANCELLED = "accepted", "refused", "not sent", "unknown", "cancelled"


@dataclass(slots=True)
class Call:
    """One close as its caller knows it; times are the loop's clock."""

    request: ClosePosition
    seat: int
    at: float
    max_wait: float | None
    priority: Priority
    attempts: list[Attempt] = field(default_factory=list)
    told: str = ""
    words: str = ""
    warned: bool = False
    """Whether its cancellation carried the note that it may have been executed."""
    ended: float | None = None
    longest: float = 0.0
    """The longest time of an attempt on the wire, seconds."""
    refused: list[tuple[Hashable, float]] = field(default_factory=list)
    """Each key that was refused for rate, and when."""

    @property
    def name(self) -> str:
        """Its cl_ord_id, by which the exchange's journal knows it."""
        return self.request.cl_ord_id or ""

    def attempt(self, attempt: Attempt, sent: float | None, ended: float) -> None:
        """Note an attempt that has ended."""
        self.attempts.append(attempt)
        if attempt.outcome is Outcome.RATE:
            self.refused.append((attempt.key, ended))
        if sent is not None:
            self.longest = max(self.longest, ended - sent)


class Calls:
    """Every call of a history, by name."""

    def __init__(self, now: Callable[[], float], end_hook: Callable[[], object] = lambda: None) -> None:
        self.now = now
        self._end_hook = end_hook
        self.made: dict[str, Call] = {}

    def begin(self, request: ClosePosition, seat: int, max_wait: float | None, priority: Priority) -> Call:
        """Note a call that is about to be made; its request must have a cl_ord_id of its own."""
        call = Call(request, seat, self.now(), max_wait, priority)
        self.made[call.name] = call
        return call

    def end(self, call: Call, ending: BaseException | None) -> None:
        """Record the result of a call: the exception, or None if it was accepted."""
        call.ended = self.now()
        call.told = _told(ending)
        if ending is not None:
            call.words = f"{type(ending).__name__}: {ending}"
            call.warned = bool(getattr(ending, "__notes__", ()))

    async def close(self, client: Client, call: Call) -> None:
        """Make the call; what it ends in is noted, and raised only if it is a cancellation."""
        request = call.request
        ending: BaseException | None = None
        try:
            await client.close_position(
                request.inst_id,
                request.mgn_mode,
                pos_side=request.pos_side,
                ccy=request.ccy,
                auto_cxl=request.auto_cxl,
                cl_ord_id=request.cl_ord_id,
                tag=request.tag,
                priority=call.priority,
                max_wait=call.max_wait,
            )
        except asyncio.CancelledError as cancelled:
            ending = cancelled
            raise
        except (OkxError, RuntimeError) as error:  # RuntimeError: the client was closed
            ending = error
        finally:
            self.end(call, ending)
            ending = None  # an error that its own frame holds stays until the collector comes

    async def close_all(self, client: Client, calls: list[Call]) -> None:
        """Make the calls as one batch."""
        first = calls[0]

        def told(result: CloseResult) -> None:
            self.end(self.made[result.request.cl_ord_id or ""], result.error)
            self._end_hook()

        ending: BaseException | None = None
        try:
            await client.close_positions(
                [call.request for call in calls], priority=first.priority, max_wait=first.max_wait, on_result=told
            )
        except asyncio.CancelledError as cancelled:
            ending = cancelled
            raise
        except RuntimeError as error:
            ending = error
        finally:
            for call in calls:
                if call.ended is None and ending is not None:
                    self.end(call, ending)


def _told(ending: BaseException | None) -> str:
    match ending:
        case None:
            return ACCEPTED
        case asyncio.CancelledError():
            return CANCELLED
        case InvalidRequestError() | NotSentError() | RuntimeError():
            return NOT_SENT
        case RejectedError():
            return REFUSED
        case OutcomeUnknownError():
            return UNKNOWN
        case _:
            return f"something else: {ending!r}"
