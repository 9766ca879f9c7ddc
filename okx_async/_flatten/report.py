"""The report of a flatten: a row for each position, and the orders that are still pending."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from okx_async._errors import OkxError
from okx_async._models import Attempt, OpenOrder, Position, Record


class FlattenState(Enum):
    """The state of one position in the end, by the last reading that counts."""

    CLOSED = "closed"
    """Gone: the exchange does not list it any more, after a close that it took or may have taken."""
    ALREADY_FLAT = "already_flat"
    """Gone, and not by a close of this call: another program, a liquidation or auto-deleveraging was first."""
    SUPERSEDED = "superseded"
    """Another position stands there that was opened meanwhile; it is left alone."""
    PARTIAL = "partial"
    """Still there but smaller: a close was filled in part, and the rest could not be closed in time."""
    DUST = "dust"
    """Still there, and too small for the exchange to close."""
    REFUSED = "refused"
    """Still there: the exchange refuses to close it, for good or as often as a close is repeated; `error` says why."""
    IN_PROGRESS = "in_progress"
    """Still there, with a close on its way: taken, or running already (51032)."""
    UNKNOWN = "unknown"
    """Unknown: a close may have been executed, and no reading has shown its effect."""
    DEADLINE = "deadline"
    """Still there, or not seen since: there was no time left to send a close, or to send it again."""
    CLIENT_CLOSED = "client_closed"
    """Still there, or not seen since: the client was closed meanwhile, so that nothing more could be sent or read."""


FLAT_STATES: Final = frozenset({FlattenState.CLOSED, FlattenState.ALREADY_FLAT})
"""The states of a position that is proven gone."""


@dataclass(frozen=True, slots=True)
class FlattenRow(Record):
    """One position: as it was first read (``before``), its ``attempts``, and as it was last read (``after``)."""

    before: Position | None
    """The position as it was first read; None for one that appeared meanwhile."""
    attempts: tuple[Attempt, ...]
    """Every close that was attempted, in order."""
    after: Position | None
    """The position as it was last read; None if the exchange lists nothing any more, or if no reading succeeded since
    the last close."""
    state: FlattenState
    """What became of the position."""
    error: OkxError | None
    """The error of the last close, or what stopped it; None if there was none."""
    seconds: float
    """From the call to the end of the position, in seconds."""
    unread: bool = False
    """Whether a close went out though positions could not be read."""

    @property
    def position(self) -> Position:
        """The position that the row is about."""
        found = self.before or self.after
        if found is None:
            raise AssertionError("a row without a position")
        return found


@dataclass(frozen=True, slots=True)
class FlattenReport(Record):
    """The result of a flatten; true only if ``flat``."""

    flat: bool
    """Whether the last reading was complete, was begun after every close was answered, and lists no position in the
    filter; positions that appeared meanwhile count."""
    rows: tuple[FlattenRow, ...]
    """A row for each position that was closed or to be closed."""
    open_orders: tuple[OpenOrder, ...] | None
    """Orders that are still pending on these instruments, without any instruments on all; None if not every list of
    orders could be read."""
    seconds: float
    """From the call to the report, in seconds."""
    cancelled: tuple[OpenOrder, ...] = ()
    """With ``cancel_orders``: the orders whose cancel the exchange took."""
    cancel_codes: Mapping[str, int] = field(default_factory=dict, hash=False)
    """With ``cancel_orders``: how many cancels it answered by each of its codes ("0": taken)."""
    appeared: tuple[Position, ...] = ()
    """With ``cancel_orders``: the positions in the filter that only the second look found."""
    notes: tuple[str, ...] = ()
    """What could not be done, in words."""
    orders_read: tuple[OpenOrder, ...] = ()
    """Where ``open_orders`` is None: the orders of them that could be read. There may be more."""

    def __bool__(self) -> bool:
        return self.flat
