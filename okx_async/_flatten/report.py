"""What a flatten comes to: a report with a row for each position, and the orders that are still pending."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from okx_async._errors import OkxError
from okx_async._models import Attempt, OpenOrder, Position


class FlattenState(Enum):
    """What became of one position, by the last reading that counts."""

    CLOSED = "closed"
    """Gone: the exchange lists it no more, after a close that it took or may have taken."""
    ALREADY_FLAT = "already_flat"
    """Gone, and not by a close of this call: somebody else, a liquidation or auto-deleveraging was first."""
    SUPERSEDED = "superseded"
    """A position stands there that this call was not about, opened meanwhile; it is left alone."""
    PARTIAL = "partial"
    """Still there but smaller: a close was filled in part, and the rest could not be closed in time."""
    DUST = "dust"
    """Still there, and too small for the exchange to close."""
    REFUSED = "refused"
    """Still there: the exchange refuses to close it, for good or as often as a close is repeated; `error` says why."""
    IN_PROGRESS = "in_progress"
    """Still there, with a close on its way: taken, or running already (51032)."""
    UNKNOWN = "unknown"
    """Nobody can tell: something may have been executed, and no reading has shown what came of it."""
    DEADLINE = "deadline"
    """Still there, or not seen since: there was no time left to send a close, or to send it again."""


@dataclass(frozen=True, slots=True)
class FlattenRow:
    """One position: as it was first read (``before``), every close that was tried, and as it was read last.

    ``before`` is None for a position that appeared meanwhile, ``after`` where the exchange lists nothing any more, or
    where nothing could be read since the last close. ``error``: what the last close met, or what stopped it.
    ``seconds``: from the call until its end was known.
    """

    before: Position | None
    attempts: tuple[Attempt, ...]
    after: Position | None
    state: FlattenState
    error: OkxError | None
    seconds: float

    @property
    def position(self) -> Position:
        """The position that the row is about."""
        found = self.before or self.after
        if found is None:
            raise AssertionError("a row without a position")
        return found


@dataclass(frozen=True, slots=True)
class FlattenReport:
    """What a flatten came to; true only if ``flat``.

    ``flat``: the last reading was complete, was begun after every close was answered, and lists no position in the
    filter; positions that appeared meanwhile count. ``open_orders``: still pending on these instruments, None if that
    could not be read. ``seconds``: from the call to the report.
    """

    flat: bool
    rows: tuple[FlattenRow, ...]
    open_orders: tuple[OpenOrder, ...] | None
    seconds: float

    def __bool__(self) -> bool:
        return self.flat
