"""The result of one check."""

from dataclasses import dataclass
from enum import StrEnum

from okx_async._record import Record


class Level(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    WARN = "warn"
    """Closes work, but something deserves attention."""
    FAIL = "fail"
    """Closes will not work, or not as they should."""
    SKIP = "skip"
    """The check could not be made."""


@dataclass(frozen=True, slots=True)
class Finding(Record):
    """One checked thing: ``check`` is its name, ``text`` the result, ``remedy`` what to do ("" if nothing)."""

    check: str
    level: Level
    text: str
    remedy: str = ""
