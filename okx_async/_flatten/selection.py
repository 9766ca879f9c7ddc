"""The positions that a flatten is about: those in its filter, by name and by the caller's `where`.

A predicate of the caller's may fail. Before the first close that is raised, unless the record lacks a number that the
predicate may have looked at: such a record is left alone, and bars no other. Later on nothing is raised any more: what
the predicate fails at counts as wanted, so that it is not flat, and is not closed.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Final, cast

from okx_async._callbacks import unawaited
from okx_async._errors import InvalidRequestError, NotSentError, in_words
from okx_async._flatten.guard import Reading, address_of, is_flat
from okx_async._flatten.report import FlattenRow, FlattenState
from okx_async._log import logger
from okx_async._models import MgnMode, Position, PosSide
from okx_async._validation import short_repr

_LEFT: Final = FlattenState.UNKNOWN
"""The state of a position that `where` failed at: whether it was to be closed is not known."""


class Selection:
    """The filter of one flatten.

    Args:
        inst_ids: The instruments, None for all.
        where: The caller's predicate, None for none.
    """

    def __init__(self, inst_ids: Collection[str] | None, where: Callable[[Position], object] | None) -> None:
        self.inst_ids = None if inst_ids is None else frozenset(inst_ids)
        self._where = where
        self._undecided: dict[tuple[object, ...], tuple[Position, NotSentError]] = {}
        """The positions that `where` failed at before the first close, and in which words that is told."""

    @property
    def undecided(self) -> bool:
        """Whether `where` failed at a position before the first close."""
        return bool(self._undecided)

    def first(self, reading: Reading) -> list[Position]:
        """Return the positions to be closed, before the first close; raises what `where` raises."""
        return [position for position in reading.positions if self._selected_at_first(position)]

    def certain(self, position: Position) -> bool:
        """Return whether a position is in the filter for certain, so that it may be closed; False if `where` raises."""
        return self._verdict_later(position, failing=False)

    def holds(self, position: Position) -> bool:
        """Return whether a position is in the filter, True if `where` raises: that must not hide a position."""
        return self._verdict_later(position, failing=True)

    def may_hold(self, position: Position) -> bool:
        """Return whether a position that can be read in part may be in the filter.

        `where` is asked about every mode and side that it may have.
        """
        if not position.inst_id:
            return True
        mgn_modes: tuple[str, ...] = (position.mgn_mode,)
        pos_sides: tuple[str, ...] = (position.pos_side,)
        return any(
            self.holds(replace(position, mgn_mode=cast("MgnMode", mgn_mode), pos_side=cast("PosSide", pos_side)))
            for mgn_mode in (mgn_modes if any(mgn_modes) else ("cross", "isolated"))
            for pos_side in (pos_sides if any(pos_sides) else ("net", "long", "short"))
        )

    def failed_at(self, position: Position) -> bool:
        """Return whether `where` failed at this position before the first close."""
        return _identity(position) in self._undecided

    def rows_without_close(self, listed: Iterable[Position] | None, seconds: float) -> list[FlattenRow]:
        """Return the rows of positions that no close was sent for: they appeared, or `where` failed at them.

        Args:
            listed: Those that the last reading lists; None: there was none.
            seconds: From the call to now.
        """
        failed = self._undecided if listed is None else {}
        rows = [FlattenRow(before, (), None, _LEFT, failure, seconds) for before, failure in failed.values()]
        for position in listed or ():
            before, failure = self._undecided.get(_identity(position), (None, None))
            state = FlattenState.SUPERSEDED if failure is None else _LEFT
            rows.append(FlattenRow(before, (), position, state, failure, seconds))
        return rows

    def _selected_at_first(self, position: Position) -> bool:
        """Return whether a position is in the filter; a CancelledError of `where` is no cancellation of this task."""
        try:
            return self._selected(position)
        except asyncio.CancelledError as raised:
            raise InvalidRequestError(f"where raised {raised!r}") from raised
        except InvalidRequestError:
            raise
        except Exception as raised:
            missing = _missing(position)
            if not missing:
                raise
            text = f"{position.inst_id}: where raised {in_words(raised)}; the record has no number for {missing}"
            failure = NotSentError(f"{text}; nothing was sent for it: look at positions")
            logger.warning("%s", failure)
            self._undecided[_identity(position)] = position, failure
            return False

    def _selected(self, position: Position) -> bool:
        """Return whether a position is in the filter; raises what `where` raises."""
        return (
            not is_flat(position)
            and (self.inst_ids is None or position.inst_id in self.inst_ids)
            and (self._where is None or self._verdict(self._where(position)))
        )

    def _verdict(self, verdict: object) -> bool:
        """Return the answer of `where` as a bool."""
        if unawaited(verdict):  # of a lambda, say; it is always true, so that everything would be closed
            raise InvalidRequestError(
                f"where must be a plain function, since it is not awaited, got {short_repr(self._where)}"
            )
        return bool(verdict)

    def _verdict_later(self, position: Position, *, failing: bool) -> bool:
        """Return whether a position is in the filter, `failing` if `where` raises: for use after the first reading."""
        try:
            return self._selected(position)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # a predicate that fails now must not hide a position
            logger.warning("%s raised: %s is left alone", short_repr(self._where), position.inst_id, exc_info=True)
            return failing


def _missing(position: Position) -> str:
    """Return the names of the numbers that a record does not have, "" if it has all that a predicate may look at."""
    numbers = {"pos": position.pos, "avg_px": position.avg_px, "mark_px": position.mark_px, "upl": position.upl}
    return ", ".join(name for name, number in numbers.items() if number is None or number.is_nan())


def _identity(position: Position) -> tuple[object, ...]:
    """Return what tells a position from another one, opened later at its address."""
    return *address_of(position), position.pos_id, position.c_time
