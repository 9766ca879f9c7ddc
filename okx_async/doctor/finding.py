"""The result of one check."""

from dataclasses import dataclass
from enum import StrEnum

from okx_async._models import Record


class Level(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    """Nothing is wrong."""
    WARN = "warn"
    """Closes work, but something deserves attention."""
    FAIL = "fail"
    """Closes will not work, or not as they should."""
    SKIP = "skip"
    """The check could not be made."""


@dataclass(frozen=True, slots=True)
class Finding(Record):
    """The result of one check."""

    check: str
    """The name of the check, such as "clock"."""
    level: Level
    """How severe the result is."""
    text: str
    """The result, in words."""
    remedy: str = ""
    """What to do; "" if nothing."""
