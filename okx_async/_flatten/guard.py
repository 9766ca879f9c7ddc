"""May a close of this position be written now? What a late repeat must know first (pure: times are arguments).

The exchange closes whatever stands in a slot (instrument, margin mode, side), so a repeat that comes late would close a
*new* position that was opened there meanwhile. ``posId`` does not tell the two apart: it names the slot and survives
closing and reopening. ``cTime`` does, and the side, since one trade may turn a net position. So:

* no close is written but by a reading of positions at most 1 s old, begun after the last close was answered, that
  lists the same posId, cTime and side (another size is the same position);
* after a close that was taken, or may have been, or met one that is running, pos and uTime must have stood still for
  2 s besides, from reading to reading: that close may be on its way;
* after a refusal because a close is running already (51032), nothing is written until that one was seen to act;
* anything else in the slot is somebody's new position: nothing is ever written again, whatever later readings say;
* a reading that failed, or cannot be understood, or is older than what was seen before, allows nothing.

What remains: between the reading and its repeat, 1 s at most, a position may be closed and opened again. The endpoint
has no condition that could exclude this.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from enum import Enum, auto
from typing import Final, TypeAlias

from okx_async._models import Outcome, Position

FRESH: Final = 1.0
"""Seconds from the writing of a reading's request to the last moment at which a close may rely on it."""
STILL: Final = 2.0

Slot: TypeAlias = "tuple[str, str, str, str]"

_MAY_MOVE: Final = frozenset({Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.WAIT, Outcome.FLAT, Outcome.FROZEN})
"""What may be followed by a change that no reading shows yet."""


class Reading:
    """One complete answer of account/positions; `started`: when its request was about to be written.

    `inst_ids`: what was asked for, None for all. Flat records may be among the `positions`.
    """

    __slots__ = ("_by_slot", "_inst_ids", "positions", "started")

    def __init__(self, started: float, positions: Iterable[Position], inst_ids: Iterable[str] | None = None) -> None:
        self.started = started
        self.positions = tuple(positions)
        self._inst_ids = None if inst_ids is None else frozenset(inst_ids)
        self._by_slot: dict[Slot, list[Position]] = {}
        for position in self.positions:
            self._by_slot.setdefault(slot_of(position), []).append(position)

    def covers(self, inst_id: str) -> bool:
        """Whether it speaks of this instrument."""
        return self._inst_ids is None or inst_id in self._inst_ids

    def at(self, slot: Slot) -> list[Position]:
        """Return the records of a slot."""
        return self._by_slot.get(slot, [])


class Sight(Enum):
    """What a reading says of a position."""

    SAME = auto()
    GONE = auto()
    OTHER = auto()
    """Another position stands in its slot."""
    UNCLEAR = auto()
    """Something stands there that cannot be told from it, or not from another one."""


def slot_of(position: Position) -> Slot:
    """Return what a close is addressed to; a pair has one slot for each margin currency."""
    ccy = position.ccy if position.inst_type == "MARGIN" else ""
    return position.inst_id, position.mgn_mode, position.pos_side, ccy


def side_of(position: Position) -> str:
    """Return the side; pairs are always positive, long in the base currency and short in the other."""
    if position.inst_type == "MARGIN":
        return position.pos_ccy
    return "long" if position.pos > 0 else "short"


def is_flat(position: Position) -> bool:
    """Whether the record is of a slot that holds nothing.

    A text that is no number is unknown, not 0; but flat pairs are listed without pos and posCcy.
    """
    if position.pos.is_nan():
        return position.inst_type == "MARGIN" and not position.pos_ccy and not position.raw.get("pos")
    return position.pos == 0


class Guard:
    """What is known of one position since its last close, and until when a close may be written by it."""

    __slots__ = (
        "_flying",
        "_heard",
        "_mark",
        "_may_move",
        "_newest",
        "_slot",
        "_still_since",
        "_waiting",
        "before",
        "gone_since",
        "listed",
        "seen",
        "sight",
        "superseded",
    )

    def __init__(self, before: Position, started: float) -> None:
        self.before = before
        self._slot = slot_of(before)
        self.sight: Sight | None = Sight.SAME
        """What the last reading that counts says; None: no reading since the last close."""
        self.listed: Position | None = before
        """What it lists in the slot."""
        self.seen = started
        """When it was begun."""
        self.superseded = False
        self.gone_since: float | None = None
        """When the first of the readings in a row was begun that do not list the position."""
        self._heard = started
        self._flying = False
        self._may_move = False
        self._waiting = False
        """Whether another close is running that has not been seen to act."""
        self._still_since: float | None = None
        self._mark: tuple[Decimal, int] | None = None
        self._newest = before.u_time

    def sent(self) -> None:
        """Note that a close is about to be written: what is read before its answer does not count."""
        self._flying = True

    def answered(self, outcome: Outcome, now: float) -> None:
        """Note what became of it."""
        self._flying = False
        if outcome is Outcome.NOT_SENT:
            return
        self._heard = now
        self.sight = None
        self.gone_since = None
        if outcome in _MAY_MOVE:
            self._may_move = True
            self._waiting = outcome is Outcome.WAIT
            self._still_since = self._mark = None

    def saw(self, reading: Reading) -> bool:
        """Take in a reading; return whether it counts."""
        if self._flying or reading.started < self._heard or not reading.covers(self.before.inst_id):
            return False
        if reading.started < self.seen:
            return False
        sight, listed = self._look(reading)
        if listed is not None and listed.pos_id == self.before.pos_id:
            if self._stale(listed):
                self._still_since = self._mark = None
                return False
            self._newest = max(self._newest, listed.u_time)
        self.sight, self.listed, self.seen = sight, None if sight is Sight.GONE else listed, reading.started
        self.superseded = self.superseded or sight is Sight.OTHER
        if sight is Sight.GONE:
            self.gone_since = reading.started if self.gone_since is None else self.gone_since
        else:
            self.gone_since = None
        self._watch(sight, listed)
        return True

    def until(self) -> float | None:
        """Return until when a close may be written by what is known; None: not at all."""
        if self._flying or self.superseded or self.sight is not Sight.SAME or self._waiting:
            return None
        if self._may_move and not self.stood_still:
            return None
        return self.seen + FRESH

    @property
    def unseen(self) -> bool:
        """Whether something may have changed that no reading has shown, or could have shown, yet."""
        return self._may_move and self.sight in {None, Sight.UNCLEAR}

    @property
    def may_move(self) -> bool:
        """Whether a close was taken, or may have been, or was met, so that positions must be watched."""
        return self._may_move

    @property
    def waiting(self) -> bool:
        """Whether a close that is not ours is running, and has not been seen to act."""
        return self._waiting

    @property
    def stood_still(self) -> bool:
        """Whether the same position stood unchanged, from reading to reading, for as long as it must."""
        since = self._still_since
        return self.sight is Sight.SAME and since is not None and self.seen >= since + STILL

    @property
    def still_at(self) -> float | None:
        """When a reading must be begun, at the earliest, to show that it stood still."""
        return None if self._still_since is None else self._still_since + STILL

    def _look(self, reading: Reading) -> tuple[Sight, Position | None]:
        before = self.before
        found = reading.at(self._slot)
        found = [position for position in found if position.pos_id == before.pos_id] or found
        standing = [position for position in found if not is_flat(position)]
        if not standing:
            return Sight.GONE, found[0] if found else None
        listed = standing[0]
        if len(standing) > 1 or listed.pos.is_nan() or before.pos.is_nan() or not (before.c_time and listed.c_time):
            return Sight.UNCLEAR, listed
        same = (listed.pos_id, listed.c_time, side_of(listed)) == (before.pos_id, before.c_time, side_of(before))
        return Sight.SAME if same else Sight.OTHER, listed

    def _stale(self, listed: Position) -> bool:
        """Whether a record is older than what was seen before: a reading from a copy of the books that lags."""
        return 0 < listed.u_time < self._newest or 0 < listed.c_time < self.before.c_time

    def _watch(self, sight: Sight, listed: Position | None) -> None:
        """Keep since when it has stood still."""
        if sight is not Sight.SAME or listed is None:
            self._still_since = self._mark = None
            return
        mark = (listed.pos, listed.u_time)
        if mark != self._mark:
            if self._mark is not None:
                self._waiting = False
            self._mark, self._still_since = mark, self.seen
