"""The search for secrets in any spelling, in single texts and over the texts of one message (pure).

What a spelling is, `_spellings` says. Beyond that a text is decoded where it looks like Base64 or hexadecimal, a
long secret is found by each part of ten characters, and the texts of a message are searched as if they were one:
a secret may be split over fields.
"""

import re
from base64 import b64decode
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

from okx_async._spellings import folded, spellings, stages, unescape

SHORTEST: Final = 6
"""Characters of the shortest secret that is searched for: a shorter one is found in half of all texts."""
_LONG: Final = 16
_PART: Final = 10
_ROUNDS: Final = 4  # how often a text may have been escaped
_ENCODED: Final = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2}){6,}")
_KEPT: Final = 20_000  # texts whose result is kept: a recording repeats its words


class Secrets:
    """The secrets of one recording."""

    def __init__(self) -> None:
        self._by_start: dict[str, list[str]] = {}
        self._known: set[str] = set()
        self._seen: dict[str, bool] = {}
        self._folded: dict[str, tuple[str, str, str, str]] = {}

    def __repr__(self) -> str:
        return f"<Secrets: {len(self._known)}>"

    def add(self, *secrets: str, parts: bool = False) -> None:
        """Search for these; shorter ones than six characters are left out.

        Args:
            secrets: The texts.
            parts: Whether a part of ten characters of a long one is enough; by default not.
        """
        for secret in secrets:
            if secret in self._known or len(secret) < SHORTEST:
                continue
            self._known.add(secret)
            self._seen.clear()
            for form in spellings(secret):
                self._note(form)
                if parts and len(form) >= _LONG:
                    for start in range(len(form) - _PART + 1):
                        self._note(form[start : start + _PART])

    def in_text(self, text: str) -> bool:
        """Whether a text holds a secret."""
        if len(text) < SHORTEST or not self._by_start:
            return False
        seen = self._seen.get(text)
        if seen is None:
            if len(self._seen) >= _KEPT:
                self._seen.clear()
            seen = self._seen[text] = any(self._found(form) for form in _forms(text))
        return seen

    def in_long_text(self, text: str) -> bool:
        """Whether a text of any length holds a secret, short ones left aside: chance would find them."""
        return any(len(form) >= _LONG for stage in stages(text) for _, form in self._hits(stage))

    def split_over(self, texts: Sequence[str]) -> set[int]:
        """Return the numbers of the texts over which a secret is split, if they are read one after the other."""
        if not self._by_start:
            return set()
        hit: set[int] = set()
        done = set()
        folds = [self._folds(text) for text in texts]
        for number in range(4):
            pieces = [forms[number] for forms in folds]
            whole = "".join(pieces)
            if whole in done:  # nothing was escaped, or there are no blanks
                continue
            done.add(whole)
            ends = list(accumulate(map(len, pieces)))
            for start, form in self._hits(whole):
                end = start + len(form)
                hit |= {
                    index
                    for index, (piece, piece_end) in enumerate(zip(pieces, ends, strict=True))
                    if piece and piece_end > start and piece_end - len(piece) < end
                }
        return hit

    def _folds(self, text: str) -> tuple[str, str, str, str]:
        """Return a text folded in both ways, as it stands and unescaped."""
        found = self._folded.get(text)
        if found is None:
            if len(self._folded) >= _KEPT:
                self._folded.clear()
            found = self._folded[text] = (*folded(text), *folded(_unescaped(text)))
        return found

    def _note(self, form: str) -> None:
        at_start = self._by_start.setdefault(form[:SHORTEST], [])
        if form not in at_start:
            at_start.append(form)

    def _found(self, text: str) -> bool:
        return next(self._hits(text), None) is not None

    def _hits(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield places and forms of all that is found in a folded text."""
        by_start = self._by_start
        for start in range(len(text) - SHORTEST + 1):
            for form in by_start.get(text[start : start + SHORTEST], ()):
                if text.startswith(form, start):
                    yield start, form


def _unescaped(text: str) -> str:
    for _ in range(_ROUNDS):
        text, before = unescape(text), text
        if text == before:
            break
    return text


def _forms(text: str) -> Iterator[str]:
    """Yield the folded forms of a text, and of what its encoded parts stand for."""
    yield from stages(text)
    for decoded in _decoded(text):
        yield from stages(decoded)


def _decoded(text: str) -> Iterator[str]:
    for found in _ENCODED.finditer(text):
        word = found[0].rstrip("=").replace("-", "+").replace("_", "/")
        for start in range(4):  # where its groups of four begin is not known
            part = word[start:]
            part = part[:-1] if len(part) % 4 == 1 else part  # one character more than any Base64 has
            yield b64decode(part + "=" * (-len(part) % 4)).decode(errors="ignore")
    for found in _HEX.finditer(text):
        yield bytes.fromhex(found[0]).decode(errors="ignore")
