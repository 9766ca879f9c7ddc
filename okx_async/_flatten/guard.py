"""May a close of this position be written now? The conditions of a late repeat (pure: times are arguments).

The exchange closes whatever stands at an address (instrument, margin mode, side), so a late repeat would close a *new*
position that was opened there meanwhile. ``posId`` does not tell the two apart: it names the address and survives
closing and reopening. ``cTime`` does, and so does the side, since one trade may turn a net position. So:

* a close is only written on the strength of a reading of positions at most 1 s old, begun after the last close was
  answered, that lists the same posId, cTime and side (another size is the same position);
* after a close that was taken, or may have been, or was refused since one is running, pos and uTime must have stood
  still for 2 s besides, from reading to reading: that close may be on its way;
* after a refusal because a close is running already (51032), nothing is written until that one was seen to act;
* anything else at the address is a new position of its own: nothing is ever written again, whatever later readings say;
* a reading that failed, or cannot be understood, or is older than an earlier one, allows nothing.

What remains: between the reading and its repeat, 1 s at most, a position may be closed and opened again. The endpoint
has no condition that could exclude this.
"""

from collections.abc import Iterable
from decimal import Decimal
from enum import Enum, auto
from typing import Final, TypeAlias

from okx_async._models import Outcome, Position
from okx_async._rest.records import Unreadable

FRESH: Final = 1.0
"""Seconds from the writing of a reading's request to the last moment at which a close may rely on it."""
STILL: Final = 2.0

PositionAddress: TypeAlias = tuple[str, str, str, str]

_MAY_MOVE: Final = frozenset({Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.WAIT, Outcome.FLAT, Outcome.FROZEN})
"""Outcomes that may be followed by a change that no reading shows yet."""


class Reading:
    """One complete answer of account/positions.

    Args:
        started: When its request was about to be written.
        positions: The records, flat ones included.
        inst_ids: The instruments that were asked for, None for all.
        unreadable: The records that do not say which position they are of, flat ones included.
    """

    __slots__ = ("_by_address", "_inst_ids", "positions", "started", "unreadable")

    def __init__(
        self,
        started: float,
        positions: Iterable[Position],
        inst_ids: Iterable[str] | None = None,
        unreadable: Iterable[Unreadable] = (),
    ) -> None:
        self.started = started
        self.positions = tuple(positions)
        self.unreadable = tuple(record for record in unreadable if not is_flat(record.position))
        self._inst_ids = None if inst_ids is None else frozenset(inst_ids)
        self._by_address: dict[PositionAddress, list[Position]] = {}
        for position in self.positions:
            self._by_address.setdefault(address_of(position), []).append(position)

    @property
    def inst_ids(self) -> set[str]:
        """The instruments that it lists."""
        unreadable = (record.position for record in self.unreadable)
        return {position.inst_id for position in (*self.positions, *unreadable)}

    @property
    def complete(self) -> bool:
        """Whether it would list positions of all instruments."""
        return self._inst_ids is None

    def covers(self, inst_id: str) -> bool:
        """Return whether the reading would list positions of this instrument."""
        return self._inst_ids is None or inst_id in self._inst_ids

    def at(self, address: PositionAddress) -> list[Position]:
        """Return the records of an address."""
        return self._by_address.get(address, [])

    def may_list(self, address: PositionAddress, pos_id: str = "", *, beside: int = 0) -> Position | None:
        """Return a record that cannot be read and may be of an address, None if there is none.

        Args:
            address: The address.
            pos_id: Of the position that stood there.
            beside: How many records without an instrument id stood beside that one (`nameless`): they are of other
                positions.
        """
        fitting = self._fitting(address, pos_id)
        named = [position for position in fitting if position.inst_id]
        return next(iter(named or fitting[beside:]), None)

    def nameless(self, before: Position) -> int:
        """Return how many records have no instrument id, and are of a position's address by all else that they say."""
        return sum(not position.inst_id for position in self._fitting(address_of(before), before.pos_id))

    def _fitting(self, address: PositionAddress, pos_id: str) -> list[Position]:
        """Return what cannot be read and says nothing that rules an address out."""
        wanted = *address[:3], pos_id
        fitting = []
        for position, _ in self.unreadable:
            found = position.inst_id, position.mgn_mode, position.pos_side, position.pos_id
            if all(not (ours and theirs) or ours == theirs for ours, theirs in zip(wanted, found, strict=True)):
                fitting.append(position)
        return fitting


class Observation(Enum):
    """What one reading shows at the address of a position."""

    SAME = auto()
    GONE = auto()
    OTHER = auto()
    """Another position."""
    UNCLEAR = auto()
    """A record that may be the same position or another one."""


def address_of(position: Position) -> PositionAddress:
    """Return the place that a close names; a pair has one address for each margin currency."""
    ccy = position.ccy if position.inst_type == "MARGIN" else ""
    return position.inst_id, position.mgn_mode, position.pos_side, ccy


def side_of(position: Position) -> str:
    """Return the side of a position; a pair is always positive, its side is the currency it holds."""
    if position.inst_type == "MARGIN":
        return position.pos_ccy
    return "long" if position.pos > 0 else "short"


def is_flat(position: Position) -> bool:
    """Return whether the record is of an address that holds nothing.

    A text that is no number is unknown, not 0; but flat pairs are listed without pos and posCcy.
    """
    if position.pos.is_nan():
        return position.inst_type == "MARGIN" and not position.pos_ccy and not position.raw.get("pos")
    return position.pos == 0


class Guard:
    """The knowledge of one position since its last close, and until when it allows a close to be written.

    Args:
        before: The position.
        started: When the reading was begun that lists it.
        beside: How many records without an instrument id that reading lists beside it.
    """

    __slots__ = (
        "_address",
        "_answered_at",
        "_beside",
        "_last_state",
        "_newest_u_time",
        "_on_wire",
        "_still_since",
        "before",
        "gone_since",
        "listed",
        "may_move",
        "observation",
        "observed_at",
        "other_close_running",
        "superseded",
    )

    def __init__(self, before: Position, started: float, beside: int = 0) -> None:
        self.before = before
        self._address = address_of(before)
        self._beside = beside
        self.observation: Observation | None = Observation.SAME
        """What the last reading that counts shows; None: no reading since the last close."""
        self.listed: Position | None = before
        """The record that the last reading lists at the address."""
        self.observed_at = started
        """When the last reading was begun."""
        self.superseded = False
        self.gone_since: float | None = None
        """When the first of the last readings in a row was begun that do not list the position."""
        self._answered_at = started
        self._on_wire = False
        self.may_move = False
        """Whether a close was taken, or may have been, or met one that is running, so that the position may change."""
        self.other_close_running = False
        """Whether a close that is not ours is running and has not been seen to act."""
        self._still_since: float | None = None
        self._last_state: tuple[Decimal, int] | None = None
        self._newest_u_time = before.u_time

    def close_started(self) -> None:
        """Note that a close is about to be written: readings before its answer do not count."""
        self._on_wire = True

    def answered(self, outcome: Outcome, now: float) -> None:
        """Note the outcome of the close that was started."""
        self._on_wire = False
        if outcome is Outcome.NOT_SENT:
            return
        self._answered_at = now
        self.observation = None
        self.gone_since = None
        if outcome in _MAY_MOVE:
            self.may_move = True
            self.other_close_running = outcome is Outcome.WAIT
            self._still_since = self._last_state = None

    def observe(self, reading: Reading) -> bool:
        """Learn from a reading; return whether it counts."""
        if reading.started < self.observed_at or not reading.covers(self.before.inst_id):
            return False
        observation, listed = self._compare(reading)
        if self._on_wire or reading.started < self._answered_at:
            # Begun before a close was answered, it allows nothing. But another position stays another one: the same
            # address may list the old side and cTime again, once it was turned twice.
            if observation is Observation.OTHER and listed is not None and not self._stale(listed):
                self.superseded = True
            if observation is not Observation.SAME:  # nor did it stand still
                self._still_since = self._last_state = None
            return False
        if listed is not None and listed.pos_id == self.before.pos_id:
            if self._stale(listed):
                self._still_since = self._last_state = None
                return False
            self._newest_u_time = max(self._newest_u_time, listed.u_time)
        self.observation, self.observed_at = observation, reading.started
        self.listed = None if observation is Observation.GONE else listed
        self.superseded = self.superseded or observation is Observation.OTHER
        if observation is Observation.GONE:
            self.gone_since = reading.started if self.gone_since is None else self.gone_since
        else:
            self.gone_since = None
        self._track_stillness(observation, listed)
        return True

    def may_send_until(self) -> float | None:
        """Return until when a close may be written by the last reading, None if not at all."""
        if self._on_wire or self.superseded or self.observation is not Observation.SAME or self.other_close_running:
            return None
        if self.may_move and not self.stood_still:
            return None
        return self.observed_at + FRESH

    @property
    def unresolved(self) -> bool:
        """Whether a change is possible that no reading has shown, or could have shown, yet."""
        return self.may_move and self.observation in {None, Observation.UNCLEAR}

    @property
    def stood_still(self) -> bool:
        """Whether the same position stood unchanged from reading to reading for `STILL` seconds."""
        since = self._still_since
        return self.observation is Observation.SAME and since is not None and self.observed_at >= since + STILL

    @property
    def still_at(self) -> float | None:
        """The earliest time at which a reading must be begun to show that the position stood still."""
        return None if self._still_since is None else self._still_since + STILL

    def _compare(self, reading: Reading) -> tuple[Observation, Position | None]:
        before = self.before
        found = reading.at(self._address)
        found = [position for position in found if position.pos_id == before.pos_id] or found
        standing = [position for position in found if not is_flat(position)]
        if not standing and (odd := reading.may_list(self._address, before.pos_id, beside=self._beside)) is not None:
            return Observation.UNCLEAR, odd
        if not standing:
            return Observation.GONE, found[0] if found else None
        listed = standing[0]
        if len(standing) > 1 or listed.pos.is_nan() or before.pos.is_nan() or not (before.c_time and listed.c_time):
            return Observation.UNCLEAR, listed
        same = (listed.pos_id, listed.c_time, side_of(listed)) == (before.pos_id, before.c_time, side_of(before))
        return Observation.SAME if same else Observation.OTHER, listed

    def _stale(self, listed: Position) -> bool:
        """Return whether a record is older than an earlier one: its reading came from a copy of the books that lags."""
        return 0 < listed.u_time < self._newest_u_time or 0 < listed.c_time < self.before.c_time

    def _track_stillness(self, observation: Observation, listed: Position | None) -> None:
        """Keep since when the position has stood still."""
        if observation is not Observation.SAME or listed is None:
            self._still_since = self._last_state = None
            return
        state = (listed.pos, listed.u_time)
        if state != self._last_state:
            if self._last_state is not None:
                self.other_close_running = False
            self._last_state, self._still_since = state, self.observed_at
