"""What a rehearsal would do, and what became of it."""

from dataclasses import dataclass

from okx_async.rehearsal.cleanup import Left
from okx_async.rehearsal.environment import Account
from okx_async.rehearsal.market import Instrument
from okx_async.rehearsal.plan import Plan
from okx_async.rehearsal.results import TrialResult, Verdict


@dataclass(frozen=True, slots=True)
class Survey:
    """What a rehearsal would do, found out without changing anything."""

    account: Account
    environment: str
    instrument: Instrument
    plan: Plan
    left_behind: int
    """How many openings of an earlier rehearsal are noted and not known to be closed."""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a rehearsal; true only if nothing is left and no assumption was found wrong."""

    environment: str
    inst_id: str
    """The instrument that was traded, "" if it did not come to that."""
    results: tuple[TrialResult, ...]
    left: Left
    found: Left | None = None
    """What became of what an earlier rehearsal had left; None: there was nothing."""
    stopped: str = ""
    """Why not all trials were made; "": they were."""
    seconds: float = 0.0
    round_trips: tuple[float, ...] = ()
    """Seconds from each request of the rehearsal itself to the end of its answer, the shortest first."""

    @property
    def wrong(self) -> tuple[TrialResult, ...]:
        """The assumptions that did not hold."""
        return tuple(result for result in self.results if result.verdict is Verdict.NOT_HELD)

    def __bool__(self) -> bool:
        return self.left.flat and not self.wrong and not self.stopped
