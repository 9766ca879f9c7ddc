"""Many closes at once, each with an end of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from okx_async._calls import tell
from okx_async._errors import OkxError
from okx_async._models import CloseResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from okx_async._models import ClosedPosition, ClosePosition

__all__ = ["run_batch", "together"]

_T = TypeVar("_T")
_Item = TypeVar("_Item")


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
            result = CloseResult(leg, error=failure)
        if on_result is not None:
            tell(on_result, result)
        return result

    return await together(run, legs)


async def together(work: Callable[[_Item], Awaitable[_T]], items: Iterable[_Item]) -> list[_T]:
    """Return what `work` comes to for each item, in their order; what one raises is raised once all have ended.

    Cancelled, it ends them all, and has the notes of their CancelledErrors: which of them were on the wire.
    """
    notes: list[str] = []

    async def run(item: _Item) -> _T:
        try:
            return await work(item)
        except asyncio.CancelledError as cancelled:
            notes.extend(getattr(cancelled, "__notes__", ()))
            raise

    tasks = [asyncio.ensure_future(run(item)) for item in items]
    try:
        if tasks:
            await asyncio.wait(tasks)
    except asyncio.CancelledError as cancelled:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for note in notes:
            cancelled.add_note(note)
        raise
    finally:
        for task in tasks:
            task.cancel()  # no effect on those that are done, but that no unread exception is complained of
    return [task.result() for task in tasks]
