"""What the errors of a SQLite file of limits mean, in words."""

import os
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Final

try:
    import sqlite3
except ImportError:  # a Python that was built without it
    sqlite3 = SimpleNamespace(Error=OSError)  # type: ignore[assignment]

ELSEWHERE: Final = "name another path, or move it away while no program uses it if it is one of limits"
"""What to do with a file that may be any: to delete it could cost data of the user's own."""
WORDS: Final = {
    1: f"its tables are not those of limits: {ELSEWHERE}",
    3: "it may not be used",
    8: "it cannot be written",
    10: "the disk fails, or is full",  # what SQLite keeps beside the file cannot grow
    11: f"it is damaged: {ELSEWHERE}",
    13: "the disk is full",
    14: "it cannot be opened, or what SQLite keeps beside it cannot be made",
    19: f"something in it refuses what is written: {ELSEWHERE}",
    26: f"it is damaged or no SQLite file: {ELSEWHERE}",
}
"""What SQLite's codes mean, which are a part of its interface."""
CANNOT_OPEN: Final = 14
OPENED: Final = 4
"""Most files that SQLite has open at once for one of limits."""


def words_of(error: Exception) -> str:
    """Return what an error of the file means."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return (_no_more() if code == CANNOT_OPEN else None) or WORDS.get(code, str(error))
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"{error}: {ELSEWHERE}"


def _no_more() -> str | None:
    """Return why this process can open no more files now, None if it can: SQLite does not tell."""
    with ExitStack() as opened:
        try:
            for _ in range(OPENED):
                opened.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            return error.strerror
    return None
