"""Words that name a position in a request: typed ones, which are checked by rules, and those that the exchange lists.

A rule finds a slip of the hand before anything is sent. A word that the exchange itself listed is no such slip: a new
product may have an id in other letters, a new margin mode or a new side, and it must be possible to close it.
"""

from __future__ import annotations

import re
from typing import Final

# Spelt out, because \d, \w and isalnum() accept digits and letters of every alphabet.
INST_ID: Final = re.compile(
    r"(?P<family>[A-Z0-9_.]+-[A-Z0-9_.]+)-[0-9]{6}-[A-Z0-9_.]+-[CP]"  # an option
    r"|[A-Z0-9_.]+(?:-[A-Z0-9_.]+)*"
)
LISTED_OPTION: Final = re.compile(r"(?P<family>[^-]+-[^-]+)-[0-9]{6}-[^-]+-[CPcp]")
"""An option of the exchange's, in whatever letters."""
MGN_MODE: Final = re.compile("cross|isolated")
POS_SIDE: Final = re.compile("net|long|short")
CCY: Final = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_LONGEST: Final = 100


class ListedText(str):
    """A word that the exchange listed and that breaks the rule for typed ones: it goes out as it stands."""

    __slots__ = ()


def is_readable(value: object) -> bool:
    """Return whether a value of a record can be a word: one line of text without control characters."""
    return isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable()


def as_listed(text: str, rule: re.Pattern[str]) -> str:
    """Return a word of the exchange's, marked if it breaks the rule for typed ones."""
    return ListedText(text) if is_readable(text) and not rule.fullmatch(text) else text
