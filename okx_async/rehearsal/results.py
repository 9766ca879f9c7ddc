"""What became of each assumption in a rehearsal."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

Value = str | int | float | bool
"""One thing observed, as JSON has it."""


class Verdict(StrEnum):
    """What a trial says of an assumption."""

    HELD = "held"
    NOT_HELD = "not_held"
    NOT_TRIED = "not_tried"

    @property
    def words(self) -> str:
        """The verdict as people read it."""
        return self.value.replace("_", " ")


@dataclass(frozen=True, slots=True)
class TrialResult:
    """The result of one trial."""

    id: str
    """The id of the assumption."""
    verdict: Verdict
    evidence: str
    """The observation that decided, or the reason why there was no trial; without secrets."""
    observed: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    """What was observed, by name: what settings of a simulated exchange can take over. Times in seconds."""
    seconds: float = 0.0
