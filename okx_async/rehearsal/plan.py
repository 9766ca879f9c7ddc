"""What a rehearsal will do, and what it costs, before it does it (pure)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Self

from okx_async._errors import InvalidRequestError
from okx_async.rehearsal.assumption import EXPERIMENTS, Assumption, Danger, Experiment
from okx_async.rehearsal.assumptions import ASSUMPTIONS, BY_ID
from okx_async.rehearsal.market import Instrument

_FRAME: Final = 17
"""About how many requests come before the first trial and after the last one."""
_FRAME_SECONDS: Final = 5.0
_OPENING_SECONDS: Final = 1.5
"""About how long an opening takes, with the way back."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The trials of a rehearsal, in their order."""

    assumptions: tuple[Assumption, ...]

    def made_in(self, pos_mode: str) -> Self:
        """Return the trials that can be made in a position mode."""
        return type(self)(tuple(one for one in self.assumptions if one.pos_mode in {"", pos_mode}))

    @property
    def openings(self) -> int:
        """How many times the smallest position is opened."""
        return sum(part.openings for part in self._parts)

    @property
    def requests(self) -> int:
        """About how many requests are sent."""
        return _FRAME + sum(part.requests for part in self._parts)

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return _FRAME_SECONDS + sum(part.seconds + _OPENING_SECONDS * part.openings for part in self._parts)

    @property
    def _parts(self) -> Sequence[Assumption | Experiment]:
        """The trials, and each experiment once."""
        shared = dict.fromkeys(one.experiment for one in self.assumptions if one.experiment)
        return (*self.assumptions, *(EXPERIMENTS[name] for name in shared))

    def lines(self, instrument: Instrument) -> list[str]:
        """Return the plan and its cost in words."""
        counted = {danger: [one for one in self.assumptions if one.danger is danger] for danger in Danger}
        lines = [
            f"{len(group):3} {'trial' if len(group) == 1 else 'trials'}: {danger.words}"
            for danger, group in counted.items()
            if group
        ]
        lines.append(
            f"    about {self.requests} requests in about {self.seconds:.0f} s, of which the exchange counts all"
        )
        if self.openings:
            traded = instrument.min_sz * instrument.ct_val * 2 * self.openings
            lines.append(
                f"    {self.openings} times {instrument.min_sz.normalize():f} {instrument.inst_id} "
                f"({instrument.amount}) opened and closed at market: {traded.normalize():f} {instrument.ct_val_ccy} "
                "traded, which costs the fees and the spread"
            )
        return lines


def make_plan(ids: Collection[str] | None) -> Plan:
    """Return the plan for some assumptions, or for all.

    Raises InvalidRequestError for an id that the register does not have.
    """
    unknown = sorted(set(ids or ()) - set(BY_ID))
    if unknown:
        raise InvalidRequestError(f"--only {unknown[0]}: no such assumption; `okx-async rehearse --list` names them")
    wanted = [one for one in ASSUMPTIONS if not ids or one.id in ids]
    return Plan(tuple(sorted(wanted, key=lambda one: one.danger)))
