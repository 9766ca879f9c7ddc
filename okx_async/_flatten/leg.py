"""The next move for one position, and its state in the end (pure: the engine waits, reads and sends).

One close is in flight for each position. A refusal that says that nothing was executed is followed by another close
once its reason may have passed. Every other outcome is followed by readings of positions until the position is gone,
or a reading allows another close, or the time is over. The `Guard` has the last word on every close, inside its slot:
this module only says when it is worth asking.

A position is gone when two readings in a row do not list it, both begun after the last close was answered. They are at
least 200 ms apart unless every close was plainly taken or refused. The last reading covers everything in the filter, so
that it shows positions that appeared meanwhile too.
"""

from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import Final, NamedTuple

from okx_async._errors import OkxError, RejectedError
from okx_async._flatten.guard import Guard, Observation, Reading, address_of, is_flat
from okx_async._flatten.report import FLAT_STATES, FlattenRow, FlattenState
from okx_async._models import Attempt, Outcome, Position
from okx_async._rest.codes import LIFTED_BY_AUTO_CXL, base_code
from okx_async._rest.retry import RetryPolicy

PROOF_GAP: Final = 0.2
"""Seconds between two readings that prove a doubtful position gone."""
SHORT_PROOF_GAP: Final = 0.001
"""Seconds between two that prove any other position gone; with less, a coarse clock could take one reading for two."""
READ_PAUSES: Final = (0.1, 0.2, 0.4, 0.8, 1.0)
"""Seconds from one reading to the next; the last pause is used again and again."""
WITHHELD_PAUSE: Final = 0.1
"""Seconds after a close that was withheld because of a reading."""
MAX_MISSED: Final = 3
"""Closes that the exchange answers with "no such position" although it lists it."""
MAX_UNCHANGED: Final = 3
"""Closes in a row that the exchange takes and that change nothing; then no further one is sent."""

DUST: Final = frozenset({"51020", "51120", "51121", "51132"})

_TAKEN: Final = frozenset({Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.WAIT})
_DOUBTS: Final = frozenset({Outcome.UNKNOWN, Outcome.FLAT, Outcome.WAIT, Outcome.FROZEN})


class Move(Enum):
    """The kinds of moves for a position."""

    SEND = auto()
    """Take a slot, ask the guard inside it, and send a close."""
    READ = auto()
    """Have positions read."""
    DONE = auto()
    """Do nothing: the position is gone, or must be left alone."""


class Step(NamedTuple):
    """The next move, and the time before which it must not be made."""

    move: Move
    at: float


class Leg:
    """One position that is being closed. Times are seconds of one clock; `now` never runs backwards.

    Args:
        before: The position.
        started: When the reading was begun that lists it.
        beside: How many records without an instrument id that reading lists beside it.
    """

    def __init__(self, before: Position, started: float, beside: int = 0) -> None:
        self.before = before
        self.guard = Guard(before, started, beside)
        self.attempts: tuple[Attempt, ...] = ()
        self.outcome: Outcome | None = None
        self.error: OkxError | None = None
        self.done_at: float | None = None
        """When the last move was made."""
        self._was_sent = False
        self._heard = False
        """Whether another close of this client was heard to end at its address."""
        self._halted: FlattenState | None = None
        self.sent_blind = False
        """Whether a close went out without a reading."""
        self._taken = False
        """Whether a close was taken, or may have been, or met one that was."""
        self._accepted = self._doubted = False
        self._not_before = started
        self._read_at = started
        self._reads = 0
        self._retry = RetryPolicy(writes=True, guarded=True)
        self._missed = 0
        self._unchanged = 0
        self._size = before.pos

    # --- what to do ---

    def step(self, now: float) -> Step:
        """Return the next move."""
        guard = self.guard
        if self._halted is not None or guard.superseded or guard.observation is Observation.GONE:
            return Step(Move.DONE, now)
        ready = guard.stood_still and not guard.other_close_running
        if not guard.may_move or (ready and self._unchanged < MAX_UNCHANGED):
            return Step(Move.SEND, max(self._not_before, now))
        if ready:
            return Step(Move.DONE, now)
        at = self._read_at
        # A reading that was made at that time, before a refusal, is not repeated at once: a clock may not have moved.
        if guard.still_at is not None and guard.still_at > guard.observed_at and not guard.other_close_running:
            at = min(at, guard.still_at)
        return Step(Move.READ, max(at, now))

    def may_send_until(self) -> float | None:
        """Return until when a close may be written by the last reading, None if not at all."""
        return None if self._halted is not None else self.guard.may_send_until()

    @property
    def may_send_blind(self) -> bool:
        """Whether a close may go out without a reading: the first one, if no reading speaks against it.

        It repeats nothing, and a failing reading must not stand between a user and the exit.
        """
        gone = self.guard.observation is Observation.GONE
        return not (self._was_sent or self._heard) and self._halted is None and not self.guard.superseded and not gone

    @property
    def doubtful(self) -> bool:
        """Whether the two readings that prove it gone must be `PROOF_GAP` apart: no close was plainly taken."""
        return self._doubted or not self._accepted

    @property
    def pending(self) -> bool:
        """Whether a close was taken, or may have been, and the position is not proven gone."""
        return self._taken and not self.proven

    @property
    def proof_at(self) -> float | None:
        """The earliest time at which a further reading proves the position gone; None if the last one lists it."""
        since = self.guard.gone_since
        return None if since is None else since + (PROOF_GAP if self.doubtful else SHORT_PROOF_GAP)

    @property
    def proven(self) -> bool:
        """Whether the position was proven gone."""
        at = self.proof_at
        return at is not None and self.guard.observed_at >= at

    # --- what happened ---

    def close_started(self, *, blind: bool = False) -> None:
        """Note that a close is about to be written; `blind`: without a reading."""
        self.sent_blind = self.sent_blind or blind
        self.guard.close_started()

    def heard(self, outcome: Outcome, now: float) -> None:
        """Note the end of another close of the position by this client: what was read before does not count."""
        self.guard.answered(outcome, now)
        if outcome is not Outcome.NOT_SENT:
            self._heard = True
            self._doubted = self._doubted or outcome in _DOUBTS
            self._not_before = max(self._not_before, now)
            self._read_at, self._reads = now, 0

    def withheld(self, now: float, attempts: tuple[Attempt, ...] = ()) -> None:
        """Note that a close was not written after all, because a reading or another close forbade it.

        Args:
            now: The time.
            attempts: The record of it, if it had its slot and its connection.
        """
        self.attempts += attempts
        self.guard.answered(Outcome.NOT_SENT, now)
        self._not_before = max(self._not_before, now + WITHHELD_PAUSE)

    def answered(
        self,
        outcome: Outcome,
        error: OkxError | None,
        attempts: tuple[Attempt, ...],
        now: float,
        draw: float,
        *,
        auto_cxl: bool = False,
    ) -> None:
        """Note the end of a close.

        Args:
            outcome: How it ended.
            error: What it raised, None if it was accepted.
            attempts: Its records.
            now: The time.
            draw: A random number from 0 to 1, for the pause before the next close.
            auto_cxl: Whether the close has the exchange cancel the orders that are in its way.
        """
        self.guard.answered(outcome, now)
        self.attempts += attempts
        # A close that could not be sent hides neither the outcome of an earlier one nor the reason of a stop.
        if outcome is not Outcome.NOT_SENT or not (self._was_sent or self._halted):
            self.outcome, self.error = outcome, error
        self._was_sent = self._was_sent or outcome is not Outcome.NOT_SENT
        self._not_before = self._read_at = now
        self._reads = 0
        self._taken = self._taken or outcome in _TAKEN
        self._doubted = self._doubted or outcome in _DOUBTS
        if outcome is Outcome.ACCEPTED:
            self._accepted = True
            self._count_unchanged()
        code = "" if error is None else error.code
        if outcome in _TAKEN:
            self._retry.taken()
            self._halted = None  # it was halted for another leg while this close was on the wire
        elif outcome is Outcome.FLAT:
            self._missed += 1
            if self._missed >= MAX_MISSED:
                self._halted = FlattenState.REFUSED
        elif auto_cxl and base_code(code) in LIFTED_BY_AUTO_CXL:
            self._not_before = now + self._retry.unbounded_pause(draw)
        elif outcome in {Outcome.NEEDS, Outcome.FATAL}:
            self._halted = FlattenState.DUST if base_code(code) in DUST else FlattenState.REFUSED
        else:
            pause = self._retry.pause(outcome, code, draw)
            self._not_before = now + (pause or 0.0)
            if pause is None:
                self._halted = FlattenState.REFUSED

    def halt(self, error: OkxError) -> None:
        """Send no further close: the API key is refused, or the client was closed.

        A close that was taken keeps its own story: its leg is followed by readings as long as there are any.
        """
        if self._halted is None and not self._taken:
            self._halted = FlattenState.REFUSED if isinstance(error, RejectedError) else FlattenState.CLIENT_CLOSED
            self.error = self.error or error

    def observe(self, reading: Reading, now: float) -> bool:
        """Learn from a reading; return whether it counts."""
        counts = self.guard.observe(reading)
        if counts:
            self.schedule_read(now)
        return counts

    def schedule_read(self, now: float) -> None:
        """Schedule the next reading, after one that counts or one that failed."""
        self._read_at = now + read_pause(self._reads)
        self._reads += 1

    def _count_unchanged(self) -> None:
        """Count the accepted closes in a row that found the position at the same size."""
        size = self.before.pos if self.guard.listed is None else self.guard.listed.pos
        self._unchanged = self._unchanged + 1 if size == self._size else 1
        self._size = size

    # --- how it ended ---

    def state(self, wanted: Callable[[Position], bool]) -> FlattenState:
        """Return the state of the position by all readings; `wanted` tells whether a position is in the filter."""
        guard, listed = self.guard, self.guard.listed
        stranger = guard.observation is Observation.OTHER and listed is not None and not wanted(listed)
        if stranger or self.proven:
            return FlattenState.CLOSED if self._taken else FlattenState.ALREADY_FLAT
        if guard.observation is Observation.GONE or (guard.unresolved and not guard.superseded):
            return FlattenState.UNKNOWN
        if guard.superseded:
            return FlattenState.SUPERSEDED
        return self._listed() if self._halted in {None, FlattenState.CLIENT_CLOSED} else self._halted

    def _listed(self) -> FlattenState:
        """Return the state of a position that is still listed."""
        listed = self.guard.listed
        if self._taken and listed is not None and abs(listed.pos) < abs(self.before.pos):
            return FlattenState.PARTIAL
        if self.outcome in {Outcome.ACCEPTED, Outcome.WAIT}:
            return FlattenState.IN_PROGRESS
        return FlattenState.UNKNOWN if self.outcome is Outcome.UNKNOWN else self._halted or FlattenState.DEADLINE

    def row(self, state: FlattenState, seconds: float) -> FlattenRow:
        """Return the row of the report, in this state."""
        after = None if self.guard.observation in {None, Observation.GONE} else self.guard.listed
        error = None if state in FLAT_STATES else self.error
        return FlattenRow(self.before, self.attempts, after, state, error, seconds, self.sent_blind)


def read_pause(count: int) -> float:
    """Return the seconds from the reading with this number, counted from 0, to the next."""
    return READ_PAUSES[min(count, len(READ_PAUSES) - 1)]


def newcomers(reading: Reading, legs: Iterable[Leg], wanted: Callable[[Position], bool]) -> list[Position]:
    """Return the positions in the filter that a reading lists and that no leg has at its address."""
    legs = list(legs)
    theirs = {id(leg.guard.listed) for leg in legs}
    addresses = {(address_of(leg.before), leg.before.pos_id) for leg in legs}
    return [
        position
        for position in reading.positions
        if not is_flat(position)
        and id(position) not in theirs
        and (address_of(position), position.pos_id) not in addresses
        and wanted(position)
    ]
