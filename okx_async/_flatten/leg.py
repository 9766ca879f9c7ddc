"""What to do next about each position, and what became of it (pure: it decides, others wait, read and send).

One close is in flight for each position. A refusal that says that nothing was executed is followed by another close
once its reason may have passed; everything else is followed by looking at positions, again and again, until the
position is gone, or may be closed anew by what was read, or the time is over. The `Guard` has the last word on every
close, inside its slot: this module only says when it is worth asking.

Gone is what two readings in a row do not list, both begun after the last close was answered. They are at least 200 ms
apart unless every close was plainly taken or refused. The last reading covers everything in the filter, so that it
speaks of positions that appeared meanwhile too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import Final, NamedTuple

from okx_async._errors import OkxError, RejectedError
from okx_async._flatten.guard import Guard, Reading, Sight, is_flat, slot_of
from okx_async._flatten.report import FlattenRow, FlattenState
from okx_async._models import Attempt, Outcome, Position
from okx_async._rest.codes import base_code
from okx_async._rest.retry import RetryPolicy

APART: Final = 0.2
"""Seconds between two readings that prove a doubtful position gone."""
SOON: Final = 0.001
"""Seconds between two that prove another one gone: with less, a coarse clock could take one reading for two."""
LOOKS: Final = (0.1, 0.2, 0.4, 0.8, 1.0)
"""Seconds from one look at a position to the next, the last again and again."""
PAUSE: Final = 0.1
"""Seconds after a close that could not be sent by what was read, or a reading that failed."""
MOST_MISSED: Final = 3
"""Closes that the exchange answers with "no such position" although it lists it."""
MOST_IDLE: Final = 3
"""Closes in a row that the exchange takes and that change nothing: then it is not for us to close."""

DUST: Final = frozenset({"51020", "51120", "51121", "51132"})

_TAKEN: Final = frozenset({Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.WAIT})
_DOUBTS: Final = frozenset({Outcome.UNKNOWN, Outcome.FLAT, Outcome.WAIT, Outcome.FROZEN})


class Move(Enum):
    """What there is to do about a position."""

    SEND = auto()
    """Take a slot, ask the guard inside it, and send."""
    LOOK = auto()
    """Have positions read."""
    REST = auto()
    """Nothing: it is gone, or not ours to close."""


class Step(NamedTuple):
    """The next move, and the time before which it is not to be made."""

    move: Move
    at: float


class Leg:
    """One position on its way out. Times are seconds of one clock; `now` never runs backwards."""

    def __init__(self, before: Position, started: float) -> None:
        self.before = before
        self.guard = Guard(before, started)
        self.attempts: tuple[Attempt, ...] = ()
        self.outcome: Outcome | None = None
        self.error: OkxError | None = None
        self.ended: float | None = None
        """When it last came to rest."""
        self._tried = False
        self._halted: FlattenState | None = None
        self._taken = False
        """Whether one of its closes was taken, or may have been, or met one that was."""
        self._accepted = self._doubted = False
        self._not_before = started
        self._look_at = started
        self._looks = 0
        self._retry = RetryPolicy(writes=True, guarded=True)
        self._missed = 0
        self._idle = 0
        self._size = before.pos

    # --- what to do ---

    def step(self, now: float) -> Step:
        """Return the next move."""
        guard = self.guard
        if self._halted is not None or guard.superseded or guard.sight is Sight.GONE:
            return Step(Move.REST, now)
        if not guard.may_move:
            return Step(Move.SEND, max(self._not_before, now))
        if guard.stood_still and not guard.waiting:
            if self._idle >= MOST_IDLE:
                return Step(Move.REST, now)
            return Step(Move.SEND, max(self._not_before, now))
        at = self._look_at
        # What was read then, before a close that was refused, is not read again at once: a clock may not have moved.
        if guard.still_at is not None and guard.still_at > guard.seen and not guard.waiting:
            at = min(at, guard.still_at)
        return Step(Move.LOOK, max(at, now))

    def until(self) -> float | None:
        """Return until when a close may be written by what is known; None: not at all."""
        return None if self._halted is not None else self.guard.until()

    @property
    def unread(self) -> bool:
        """Whether this is its first close and nothing speaks against it: it may go out though nothing could be read.

        It repeats nothing, and a failing reading must not stand between a user and the exit.
        """
        guard = self.guard
        return not self._tried and self._halted is None and not guard.superseded and guard.sight is not Sight.GONE

    @property
    def doubtful(self) -> bool:
        """Whether it takes some time between two readings to prove that it is gone: no close was plainly taken."""
        return self._doubted or not self._accepted

    @property
    def pending(self) -> bool:
        """Whether a close of it was taken, or may have been, and it is not proven gone."""
        return self._taken and not self.proven

    @property
    def proof_at(self) -> float | None:
        """When a further reading must be begun, at the earliest, to prove that it is gone; None: it is listed."""
        since = self.guard.gone_since
        return None if since is None else since + (APART if self.doubtful else SOON)

    @property
    def proven(self) -> bool:
        """Whether it was proven gone."""
        at = self.proof_at
        return at is not None and self.guard.seen >= at

    # --- what happened ---

    def sent(self) -> None:
        """Note that a close is about to be written."""
        self.guard.sent()

    def withheld(self, now: float) -> None:
        """Note that a close was not written after all: by what was read it may not be, or not by then."""
        self.guard.answered(Outcome.NOT_SENT, now)
        self._not_before = max(self._not_before, now + PAUSE)

    def answered(
        self, outcome: Outcome, error: OkxError | None, attempts: tuple[Attempt, ...], now: float, draw: float
    ) -> None:
        """Note what became of a close; `draw` is random, from 0 to 1."""
        self.guard.answered(outcome, now)
        self.attempts += attempts
        # What could not be sent changes nothing after a close that was, nor where all was stopped for a reason.
        if outcome is not Outcome.NOT_SENT or not (self._tried or self._halted):
            self.outcome, self.error = outcome, error
        self._tried = self._tried or outcome is not Outcome.NOT_SENT
        self._not_before = self._look_at = now
        self._looks = 0
        self._taken = self._taken or outcome in _TAKEN
        self._doubted = self._doubted or outcome in _DOUBTS
        if outcome is Outcome.ACCEPTED:
            self._accepted = True
            self._count()
        code = "" if error is None else error.code
        if outcome in _TAKEN:
            self._retry.taken()
        elif outcome is Outcome.FLAT:
            self._missed += 1
        elif outcome not in {Outcome.NEEDS, Outcome.FATAL}:
            pause = self._retry.pause(outcome, code, draw)
            self._not_before = now + (pause or 0.0)
            if pause is None:
                self._halted = FlattenState.REFUSED
        if outcome in {Outcome.NEEDS, Outcome.FATAL}:
            self._halted = FlattenState.DUST if base_code(code) in DUST else FlattenState.REFUSED
        elif self._missed >= MOST_MISSED:
            self._halted = FlattenState.REFUSED

    def halt(self, error: OkxError) -> None:
        """Send nothing any more: the API key is refused, or the client was closed."""
        if self._halted is None:
            self._halted = FlattenState.REFUSED if isinstance(error, RejectedError) else FlattenState.DEADLINE
            self.error = self.error or error

    def saw(self, reading: Reading, now: float) -> bool:
        """Take in a reading; return whether it counts."""
        if not self.guard.saw(reading):
            return False
        self._look_at = now + LOOKS[min(self._looks, len(LOOKS) - 1)]
        self._looks += 1
        return True

    def unreadable(self, now: float) -> None:
        """Note that a reading failed."""
        self._look_at = now + LOOKS[min(self._looks, len(LOOKS) - 1)]
        self._looks += 1

    def _count(self) -> None:
        """Count how many closes in a row were taken and found the position of the same size."""
        size = self.before.pos if self.guard.listed is None else self.guard.listed.pos
        self._idle = self._idle + 1 if size == self._size else 1
        self._size = size

    # --- what became of it ---

    def state(self, wanted: Callable[[Position], bool]) -> FlattenState:
        """Return what became of it by all that is known; `wanted`: whether a position is in the filter."""
        guard, listed = self.guard, self.guard.listed
        stranger = guard.sight is Sight.OTHER and listed is not None and not wanted(listed)
        if stranger or self.proven:
            return FlattenState.CLOSED if self._taken else FlattenState.ALREADY_FLAT
        if guard.sight is Sight.GONE or (guard.unseen and not guard.superseded):
            return FlattenState.UNKNOWN
        if guard.superseded:
            return FlattenState.SUPERSEDED
        return self._listed() if self._halted in {None, FlattenState.DEADLINE} else self._halted

    def _listed(self) -> FlattenState:
        """Return what is to be said of a position that still stands there."""
        listed = self.guard.listed
        if self._taken and listed is not None and abs(listed.pos) < abs(self.before.pos):
            return FlattenState.PARTIAL
        if self.outcome in {Outcome.ACCEPTED, Outcome.WAIT}:
            return FlattenState.IN_PROGRESS
        return FlattenState.UNKNOWN if self.outcome is Outcome.UNKNOWN else FlattenState.DEADLINE

    def row(self, state: FlattenState, seconds: float) -> FlattenRow:
        """Return its row of the report, in this state."""
        gone = state in {FlattenState.CLOSED, FlattenState.ALREADY_FLAT}
        after = None if self.guard.sight in {None, Sight.GONE} else self.guard.listed
        return FlattenRow(self.before, self.attempts, after, state, None if gone else self.error, seconds)


def newcomers(reading: Reading, legs: Iterable[Leg], wanted: Callable[[Position], bool]) -> list[Position]:
    """Return the positions in the filter that a reading lists and that no leg has in its slot."""
    legs = list(legs)
    theirs = {id(leg.guard.listed) for leg in legs}
    slots = {(slot_of(leg.before), leg.before.pos_id) for leg in legs}
    return [
        position
        for position in reading.positions
        if not is_flat(position)
        and id(position) not in theirs
        and (slot_of(position), position.pos_id) not in slots
        and wanted(position)
    ]
