"""The record of each flatten and each confirmed close: its attempts and its result."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import ref

from okx_async import (
    Attempt,
    Client,
    ClosePosition,
    FlattenReport,
    FlattenRow,
    InvalidRequestError,
    NothingToCloseError,
    NotSentError,
    OkxError,
    OutcomeUnknownError,
    Position,
    Priority,
    RejectedError,
)
from okx_async.torture.calls import CANCELLED
from okx_async.torture.watched_limiter import CURRENT_CALL
from okx_async.torture.witness import Address, ListedPosition, address_of, address_of_request, is_open, listed_position

REPORT, FLAT, SUPERSEDED, GONE_BEFORE, REFUSED, NOTHING, UNKNOWN = (
    *("report", "flat", "superseded", "gone before", "refused", "nothing sent", "unknown"),
)
"""The possible results: REPORT of a flatten, all others of a confirmed close; NOTHING of both."""


@dataclass(frozen=True, slots=True)
class FlattenScope:
    """What is to be closed; `inst_ids` None: everything; `side` and `mgn_mode` "": either."""

    inst_ids: tuple[str, ...] | None = None
    side: str = ""
    mgn_mode: str = ""

    def where(self, position: Position) -> bool:
        """Tell the client whether a position is meant."""
        return self._fits(position.raw)

    def includes(self, record: Mapping[str, Any]) -> bool:
        """Whether a record of account/positions is of something that is to be closed."""
        named = self.inst_ids is None or record["instId"] in self.inst_ids
        return named and is_open(record) and self._fits(record)

    def _fits(self, record: Mapping[str, Any]) -> bool:
        return (not self.side or listed_position(record).side == self.side) and (
            not self.mgn_mode or record["mgnMode"] == self.mgn_mode
        )


@dataclass(frozen=True, slots=True)
class CloseAttempt:
    """One attempt to close; times are the loop's clock. `sent` is None if nothing was written."""

    attempt: Attempt
    sent: float | None
    ended: float

    @property
    def written(self) -> bool:
        """Whether a byte of the request may have left."""
        return self.sent is not None and self.attempt.token != "refunded"


@dataclass(frozen=True, slots=True)
class RestingOrder:
    """One order as it was placed before the flatten began."""

    id: str
    inst_id: str
    mgn_mode: str
    pos_side: str
    entry: bool
    """Whether it could open a position; else it protects one."""
    side: str
    """The side of the position that it adds to, or protects."""
    certain: bool
    """Whether it is in the flatten's filter for certain."""


@dataclass(slots=True)
class FlattenRecord:
    """One flatten, or one close that is to be confirmed (`request`); times are the loop's clock."""

    name: str
    seat: int
    user_id: str
    api_key: str
    scope: FlattenScope
    at: float
    deadline: float
    """Seconds; of a confirmed close, `max_wait`."""
    patience: float = 0.0
    request: ClosePosition | None = None
    lane: object = None
    """The same for confirmed closes whose client has their positions read for all of them."""
    closes: dict[Address, list[CloseAttempt]] = field(default_factory=dict)
    taken_up: list[Mapping[str, Any]] = field(default_factory=list)
    """The positions that it took up, as it was told of them."""
    clock_errors: list[float] = field(default_factory=list)
    """For each of them, by how many seconds the client then took the call for later than it was."""
    clock_error: Callable[[], float] = lambda: 0.0
    """Returns by how many seconds the client's machine is ahead of the exchange's clock."""
    report: FlattenReport | None = None
    told: str = ""
    words: str = ""
    warned: bool = False
    ended: float | None = None
    orders: list[RestingOrder] = field(default_factory=list)
    """The orders that rested at its beginning, if it was to cancel orders."""
    look_again: float = 0.0
    _called_late: Callable[[], float] = lambda: 0.0
    end_hook: Callable[[], object] = lambda: None
    """Called at the end of `progress`; may raise."""

    def attempt(self, attempt: Attempt, sent: float | None, ended: float) -> None:
        """Note a try that has ended."""
        self.closes.setdefault(address_of_request(attempt.request), []).append(CloseAttempt(attempt, sent, ended))

    @property
    def targets(self) -> dict[Address, ListedPosition]:
        """The positions that it took up, by place: the first one of each."""
        return {address_of(record): listed_position(record) for record in reversed(self.taken_up)}

    def progress(self, row: FlattenRow) -> None:
        """Note a position that it took up: `on_progress` of the flatten."""
        if row.before is not None and row.before.raw not in self.taken_up:
            self.taken_up.append(row.before.raw)
            self.clock_errors.append(self._called_late())
        self.end_hook()

    async def flatten(self, client: Client, *, auto_cxl: bool, priority: Priority) -> None:
        """Run it; what it ends in is noted, and raised only if it is a cancellation."""
        scope = self.scope
        ending: BaseException | None = None
        mark = CURRENT_CALL.set(self.name)
        ahead = self.clock_error()
        self._called_late = lambda: ahead + client._caller.clock_offset  # noqa: SLF001 - what it believes by then
        try:
            self.report = await client.flatten(
                scope.inst_ids,
                where=scope.where if scope.side or scope.mgn_mode else None,
                auto_cxl=auto_cxl,
                deadline=self.deadline,
                priority=priority,
                on_progress=self.progress,
                cancel_orders="entries" if self.orders else None,
                look_again=self.look_again,
            )
        except asyncio.CancelledError as cancelled:
            ending = cancelled
            raise
        except (OkxError, RuntimeError) as error:  # RuntimeError: the client was closed
            ending = error
        finally:
            CURRENT_CALL.reset(mark)
            self._end(ending, REPORT, NOTHING)

    async def confirm(self, client: Client, request: ClosePosition, priority: Priority) -> None:
        """Close one position and have it confirmed; the ending is noted as for `flatten`."""
        self.request = request
        self.lane = ref(client), priority
        ending: BaseException | None = None
        mark = CURRENT_CALL.set(self.name)
        try:
            closed = await client.close_position(
                request.inst_id,
                request.mgn_mode,
                pos_side=request.pos_side,
                auto_cxl=request.auto_cxl,
                cl_ord_id=request.cl_ord_id,
                priority=priority,
                max_wait=self.deadline,
                confirm=True,
                confirm_timeout=self.patience,
            )
            if not closed.flat:
                ending = RuntimeError("confirmed, and yet not flat")
        except asyncio.CancelledError as cancelled:
            ending = cancelled
            raise
        except (OkxError, RuntimeError) as error:
            ending = error
        finally:
            CURRENT_CALL.reset(mark)
            self._end(ending, FLAT, _became(ending))

    def _end(self, ending: BaseException | None, good: str, bad: str) -> None:
        self.ended = asyncio.get_running_loop().time()
        self.told = good if ending is None else CANCELLED if isinstance(ending, asyncio.CancelledError) else bad
        if ending is not None:
            self.words = f"{type(ending).__name__}: {ending}"
            self.warned = bool(getattr(ending, "__notes__", ()))
        elif self.report is not None:
            for row in self.report.rows:
                _forget(row.error)
            self.words = ", ".join(f"{row.position.inst_id} {row.state.value}" for row in self.report.rows)


def _forget(error: BaseException | None) -> None:
    """Drop the frames that an error has kept: they would keep the client, and what it knows, into the next history."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _became(ending: BaseException | None) -> str:
    """Return the result that an exception of a confirmed close stands for."""
    match ending:
        case InvalidRequestError() | NotSentError() | RuntimeError():
            return NOTHING
        case NothingToCloseError():
            return GONE_BEFORE
        case RejectedError():
            return SUPERSEDED if "superseded" in str(ending) else REFUSED
        case OutcomeUnknownError():
            return UNKNOWN
        case _:
            return f"something else: {ending!r}"
