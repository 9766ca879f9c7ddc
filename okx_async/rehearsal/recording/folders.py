"""Paths of the machine in texts of a recording, which say whose machine it was (pure)."""

import re
from collections.abc import Iterable
from typing import Final

PATH: Final = "(a path)"
_LEAST: Final = 4
"""Characters of a folder's name that occurs in no text by chance."""
_PATH: Final = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?[\\/](?!api/v5/)(?:[^\s'\"\\/:;,()]+[\\/])+[^\s'\"\\/:;,()]*")
"""An absolute path of at least two parts, other than one of the exchange."""


def without_paths(text: str, folders: Iterable[str] = ()) -> str:
    """Return a text without paths of a machine.

    Args:
        text: The text.
        folders: Folders that are known, whose names may hold blanks.
    """
    for folder in sorted(folders, key=len, reverse=True):
        if len(folder) >= _LEAST:
            text = re.sub(rf"{re.escape(folder)}[^\s'\":;,()]*", PATH, text)
    return _PATH.sub(PATH, text)
