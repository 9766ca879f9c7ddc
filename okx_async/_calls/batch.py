"""Many closes at once: each has a result of its own, and no failure stops another."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from okx_async._callbacks import notify
from okx_async._calls.gather import gather_in_turns
from okx_async._errors import OkxError, without_frames
from okx_async._models import ClosedPosition, ClosePosition
from okx_async._record import Record


@dataclass(frozen=True, slots=True)
class CloseResult(Record):
    """The result of one leg of a batch: exactly one of ``closed`` and ``error`` is set."""

    request: ClosePosition
    """The close that was asked for."""
    closed: ClosedPosition | None = None
    """What `Client.close_position` would have returned; None if it failed."""
    error: OkxError | None = None
    """What it would have raised; None if the exchange accepted the close."""

    @property
    def ok(self) -> bool:
        """Whether the exchange accepted the close."""
        return self.error is None

    def result(self) -> ClosedPosition:
        """Return ``closed``, or raise ``error``."""
        if self.closed is None:
            raise self.error or AssertionError("a CloseResult without closed and error")
        return self.closed


async def run_batch(
    legs: list[ClosePosition],
    close: Callable[[ClosePosition], Awaitable[ClosedPosition]],
    on_result: Callable[[CloseResult], object] | None,
) -> list[CloseResult]:
    """Return the results in the order of `legs`; a leg that fails neither raises nor stops another."""

    async def run(leg: ClosePosition) -> CloseResult:
        try:
            result = CloseResult(leg, closed=await close(leg))
        except OkxError as failure:
            result = CloseResult(leg, error=without_frames(failure))
        if on_result is not None:
            notify(on_result, result)
        return result

    return await gather_in_turns(run, legs)
