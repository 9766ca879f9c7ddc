"""What the doctor says: one line for each thing looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Level"]


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """Closes work, and something should be looked at."""
    FAIL = "fail"
    """Closes will not work, or not as they should."""
    SKIP = "skip"
    """Could not be looked at."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: ``check`` names it, ``remedy`` is what to do, "" where there is nothing."""

    check: str
    level: Level
    text: str
    remedy: str = ""
