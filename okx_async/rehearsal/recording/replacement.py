"""The replacement of secrets, addresses and ids in what a recording keeps (pure).

An id is replaced by another of its length and form, the same everywhere in one recording: records still belong
together. A secret has no place at all: a text that holds one in any spelling is left out as a whole.
"""

import hmac
import re
from collections.abc import Iterator
from typing import Any, Final

from okx_async.rehearsal.recording.names import kind_of
from okx_async.rehearsal.recording.spellings import SHORTEST, Secrets

LEFT_OUT: Final = "(left out)"
_LONG: Final = 12
"""Characters of an id that occurs in no other number by chance."""
_DIGITS, _SMALL, _LARGE = "0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TRIES: Final = 64
_WORD: Final = re.compile(r"[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*")
_LIKE_AN_ID: Final = re.compile(
    r"(?<![0-9A-Za-z])(?<![0-9]\.)"
    r"(?:[0-9]{15,}|(?=[A-Za-z]*[0-9])[0-9A-Za-z]{20,}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
    r"(?![0-9A-Za-z])(?!\.[0-9])"
)
"""What stands in no field of an id, and is one all the same: of an order, a trace, a key."""
_IPV4: Final = re.compile(r"(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9.])")
_IPV6: Final = re.compile(r"(?<![0-9A-Za-z:])(?:[0-9A-Fa-f]{0,4}:){3,7}[0-9A-Fa-f]{0,4}(?![0-9A-Za-z:])")
_EMAIL: Final = re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})+")
_NO_WORD_OF_OKX: Final = re.compile(r"[0-9]{9}|[A-Za-z][0-9]|[0-9][A-Za-z]")
"""An id that looks like this is replaced in other fields and in messages as well."""
_COMMA: Final = re.compile(r"(,|%2[cC])")


class Replacer:
    """Replaces values in texts and JSON values; the same original has the same replacement.

    Args:
        salt: Decides the replacements; without it they tell nothing of the originals.
    """

    def __init__(self, salt: bytes) -> None:
        self._salt = salt
        self._made: dict[str, str] = {}
        self._taken: set[str] = set()
        self._addresses: dict[str, str] = {}
        self._names: set[str] = set()
        self.secrets = Secrets()

    def __repr__(self) -> str:
        return f"<Replacer: {len(self._made)} ids>"

    # --- what is to be replaced ---

    def hide(self, *secrets: str) -> None:
        """Learn secrets: keys, passphrases, signatures, logins."""
        self.secrets.add(*secrets, parts=True)

    def learn(self, value: Any, name: str = "") -> None:
        """Learn ids and private values of a JSON value, by the names of their fields."""
        if isinstance(value, dict):
            for key, each in value.items():
                self.learn(each, key)
        elif isinstance(value, list):
            for each in value:
                self.learn(each, name)
        elif _hides(name) and not isinstance(value, bool | float) and value is not None:
            for part in _COMMA.split(str(value))[::2]:
                self._learn(part, private=kind_of(name) == "private")

    def learn_query(self, path: str) -> None:
        """Learn ids of a query."""
        for pair in path.partition("?")[2].split("&"):
            name, _, value = pair.partition("=")
            self.learn(value, name)

    # --- replaced values ---

    def json(self, value: Any, name: str = "") -> Any:
        """Return a JSON value with its secrets, addresses and ids replaced."""
        replaced = self._json(value, name)
        split = self.secrets.split_over([text for text, _ in _leaves(replaced)])
        split |= self._split_over_values(replaced)
        return _without(replaced, split)

    def text(self, text: str) -> str:
        """Return a text with all replaced that is known, or left out."""
        if text in self._names:
            return self.pseudonym(text)
        new = _WORD.sub(lambda found: self.pseudonym(found[0]) if found[0] in self._names else found[0], text)
        new = _EMAIL.sub(lambda found: self.pseudonym(found[0]), new)
        new = _IPV6.sub(self._address, _IPV4.sub(self._address, new))
        if self.secrets.in_text(new):
            return LEFT_OUT
        return _LIKE_AN_ID.sub(lambda found: found[0] if found[0] in self._taken else self.pseudonym(found[0]), new)

    def path(self, path: str) -> str:
        """Return path and query with their ids replaced; the order of the query stays."""
        front, mark, query = path.partition("?")
        pairs = []
        for pair in query.split("&") if mark else []:
            name, equals, value = pair.partition("=")
            pairs.append(f"{self.text(name)}{equals}{self._named(value, name)}")
        made = f"{self.text(front)}{mark}{'&'.join(pairs)}"
        return LEFT_OUT if self.secrets.in_text(made) else made

    def pseudonym(self, original: str) -> str:
        """Return the replacement of an id: digits for digits, letters for letters."""
        made = self._made.get(original)
        if made is None:
            for number in range(_TRIES):
                made = self._draw(original, number)
                if made != original and made not in self._taken and made not in self._names:
                    break
            self._made[original] = made = str(made)
            self._taken.add(made)
        return made

    def holds_secret(self, value: Any) -> bool:
        """Whether a secret stands in a JSON value: in one of its texts, or in its text as a whole."""
        whole = "".join(text for text, _ in _leaves(value))
        return any(self.secrets.in_text(text) for text, _ in _leaves(value)) or self.secrets.in_long_text(whole)

    # --- inside ---

    def _learn(self, original: str, *, private: bool) -> None:
        if original in {"", "0"}:
            return
        if _IPV4.fullmatch(original) or _IPV6.fullmatch(original):
            self.secrets.add(original)
            return
        if private or (len(original) >= SHORTEST and _NO_WORD_OF_OKX.search(original)):
            self._names.add(original)
        if private or sum(map(str.isalnum, original)) >= _LONG:
            self.secrets.add(original, parts=private)

    def _json(self, value: Any, name: str) -> Any:
        match value:
            case dict():
                made: dict[str, Any] = {}
                for key, each in value.items():
                    shown = self.text(key)
                    while shown in made:
                        shown += "_"
                    made[shown] = self._json(each, key)
                return made
            case list():
                return [self._json(each, name) for each in value]
            case str():
                return self._named(value, name)
            case bool() | None:
                return value
            case int():
                return self._whole(value, name)
            case _:
                return 0.0 if _hides(name) or self.secrets.in_text(str(value)) else value

    def _whole(self, value: int, name: str) -> int:
        text = str(abs(value))
        if value and (_hides(name) or text in self._names or self.secrets.in_text(text)):
            made = int(self.pseudonym(text))
            return -made if value < 0 else made
        return value

    def _named(self, value: str, name: str) -> str:
        """Return the text of a field: ids of a comma list are replaced one by one."""
        kind = kind_of(name)
        if kind == "time" and value.isdecimal():
            return value
        if kind in {"", "time"}:
            return self.text(value)
        parts = _COMMA.split(value)
        for number in range(0, len(parts), 2):
            part = parts[number]
            if part in {"", "0"}:
                continue
            address = _IPV4.fullmatch(part) or _IPV6.fullmatch(part)
            parts[number] = self._address(address) if address else self.pseudonym(part)
        made = "".join(parts)
        return LEFT_OUT if self.secrets.in_text(made) else made

    def _address(self, found: re.Match[str]) -> str:
        """Return an address of those that are reserved for documents."""
        original = found[0]
        if original in self._addresses.values():
            return original
        number = len(self._addresses) + 1
        made = f"2001:db8::{number:x}" if ":" in original else f"198.51.{100 + number // 250}.{number % 250 + 1}"
        return self._addresses.setdefault(original, made)

    def _draw(self, original: str, number: int) -> str:
        stream = _stream(self._salt, f"{number} {original}")
        made = []
        for place, character in enumerate(original):
            drawn = next(stream)
            if character.isdecimal():
                first = place == 0 and character != "0"  # a number keeps its number of digits
                made.append(_DIGITS[1 + drawn % 9] if first else _DIGITS[drawn % 10])
            elif character.isalpha():
                made.append((_LARGE if character.isupper() else _SMALL)[drawn % 26])
            else:
                made.append(character if character.isascii() else "_")
        return "".join(made)

    def _split_over_values(self, value: Any) -> set[int]:
        """Return the numbers of the leaves over which a secret is split, names of fields left aside."""
        numbered = [(number, text) for number, (text, key) in enumerate(_leaves(value)) if not key]
        return {numbered[index][0] for index in self.secrets.split_over([text for _, text in numbered])}


def _hides(name: str) -> bool:
    return kind_of(name) in {"private", "id"}


def _stream(salt: bytes, words: str) -> Iterator[int]:
    block = 0
    while True:
        yield from hmac.digest(salt, f"{block} {words}".encode("utf-8", "surrogatepass"), "sha256")
        block += 1


def _leaves(value: Any) -> Iterator[tuple[str, bool]]:
    """Yield the texts of a JSON value in its order, and whether each is the name of a field; of the rest ""."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield key, True
            yield from _leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    else:
        yield ("" if isinstance(value, bool) or value is None else str(value)), False


def _without(value: Any, numbers: set[int]) -> Any:
    """Return a JSON value without the leaves of these numbers."""
    if not numbers:
        return value
    counted = iter(range(1_000_000_000))

    def walk(each: Any) -> Any:
        if isinstance(each, dict):
            made: dict[str, Any] = {}
            for key, inner in each.items():
                hit = next(counted) in numbers
                shown = LEFT_OUT if hit else key
                while shown in made:
                    shown += "_"
                made[shown] = walk(inner)
            return made
        if isinstance(each, list):
            return [walk(inner) for inner in each]
        return LEFT_OUT if next(counted) in numbers else each

    return walk(value)
