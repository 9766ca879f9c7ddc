"""Calls that end in another way than by their outcome: cancelled, stopped, or by an error in code that is not ours.

What is known of the request is told in each case: as a note on what ends the call, or as the OkxError in its place.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from okx_async._calls.attempt import AttemptState
from okx_async._calls.cancellations import cancellations
from okx_async._errors import NotSentError, OutcomeUnknownError, in_words
from okx_async._log import logger
from okx_async._rest.requests import ApiRequest


def unforeseen(error: BaseException, request: ApiRequest, attempt: AttemptState) -> NotSentError | OutcomeUnknownError:
    """Return the error for an exception of a limiter, a clock or the like: it says what became of the request."""
    text = f"{request.label}: {in_words(error)}"
    if not attempt.wire.may_have_left:
        return NotSentError(f"{text}; nothing was sent", key=attempt.key)
    step = "it may have been executed: ask positions, do not blindly repeat" if request.writes else "ask again"
    return OutcomeUnknownError(f"{text}; {step}", key=attempt.key)


def note_sent(raised: BaseException, request: ApiRequest, attempt: AttemptState) -> None:
    """Note on what ends a call, and in the log, that its close was sent."""
    if attempt.wire.may_have_left and request.writes:
        code = "" if attempt.answer is None else attempt.answer.code
        became = f"answered {code}" if code else "outcome unknown"
        raised.add_note(f"{request.label}: already sent, {became}")
        how = "cancelled" if isinstance(raised, asyncio.CancelledError) else f"ended by {type(raised).__name__}"
        logger.warning("%s: %s after it was sent, %s", request.label, how, became)


def note_unproven(raised: BaseException, inst_id: str) -> None:
    """Note, also in the log, that a close was taken, or may have been, and its position is not proven gone."""
    raised.add_note(f"{inst_id}: already sent, not proven closed")
    logger.warning("%s: cancelled after it was sent, not proven closed", inst_id)


async def meet_cancellation(earlier: int, request: ApiRequest, attempt: AttemptState) -> None:
    """Let a cancellation end the call here if a function of the user's asked for it in this very step.

    The task would end in it after the call has returned, and what the call returned would be lost.

    Args:
        earlier: The `cancellations` when the call began.
        request: The request.
        attempt: Its last attempt.
    """
    if cancellations() > earlier:
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError as cancelled:
            note_sent(cancelled, request, attempt)
            raise


@asynccontextmanager
async def keeps_notes(*ends: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Call all of `ends` after the block, in this order; a further cancellation meanwhile keeps the notes of the first.

    It skips none of them either.
    """
    notes: list[str] = []
    try:
        async with AsyncExitStack() as stack:
            for end in reversed(ends):
                stack.push_async_callback(end)
            try:
                yield
            except asyncio.CancelledError as cancelled:
                notes += getattr(cancelled, "__notes__", ())
                raise
    except asyncio.CancelledError as cancelled:
        own = getattr(cancelled, "__notes__", ())
        for note in [each for each in notes if each not in own]:
            cancelled.add_note(note)
        raise
