"""Many closes at once: each has a result of its own, and no failure stops another."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from okx_async._callbacks import notify
from okx_async._calls.gather import gather_in_turns
from okx_async._errors import OkxError, OutcomeUnknownError, without_frames
from okx_async._log import logger
from okx_async._models import ClosedPosition, ClosePosition, Record


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
    """Return the results in the order of `legs`; a leg that fails neither raises nor stops another.

    What ends the batch before it returns has a note for each leg that was executed, or may have been.
    """
    sent: dict[str, str] = {}
    """What became of the legs that have ended and were executed, or may have been."""

    async def run(leg: ClosePosition) -> CloseResult:
        try:
            result = CloseResult(leg, closed=await close(leg))
        except OkxError as failure:
            result = CloseResult(leg, error=without_frames(failure))
        if result.ok or isinstance(result.error, OutcomeUnknownError):
            became = "accepted" if result.ok else "outcome unknown"
            sent[f"{leg.inst_id}: already sent, {became}"] = f"{leg.inst_id}: cancelled after it was sent, {became}"
        if on_result is not None:
            notify(on_result, result)
        return result

    try:
        return await gather_in_turns(run, legs)
    except BaseException as raised:
        for note, text in sent.items():
            raised.add_note(note)
            logger.warning("%s", text if isinstance(raised, asyncio.CancelledError) else note)
        raise
