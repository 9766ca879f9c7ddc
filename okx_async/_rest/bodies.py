"""Bodies of answers as JSON values, with every code that stands in them.

Two readers: orjson for what is plain, which is nearly everything, and the standard library's for what strict JSON
forbids and people can read all the same: half a surrogate pair, control characters, NaN, a byte order mark, other
encodings, bytes behind the end. Only the second one sees a key that stands twice in one object.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

_ESCAPE: Final = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair of surrogates
    r"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|u[0-9a-fA-F]{4}"
    r'|["\\/bfnrt]'
    r"|(?P<none>))"
)
_JUNK: Final = "".join(map(chr, range(33))) + "\ufeff"
"""What may stand before a body: control characters, blanks and byte order marks."""
_LONGEST_INTEGER: Final = 20  # with its sign


@dataclass(slots=True)
class Codes:
    """The codes of a body as they stand there: any JSON values."""

    outer: list[Any] = field(default_factory=list)
    """``code`` of the outermost object."""
    items: list[Any] = field(default_factory=list)
    """``sCode``, wherever it stands."""
    inner: list[Any] = field(default_factory=list)
    """``code`` of all other objects, and ``error_code``."""


def read(body: bytes) -> tuple[Any, Codes | None]:
    """Return the value of a body, None if it has none, and its codes; None: they are where they belong, once each.

    A key that stands twice in one object, with different values, has the tuple of them as its value.
    """
    try:
        value = orjson.loads(body)
    except ValueError:
        return _read_again(body)
    if not isinstance(value, dict):
        return value, None
    if "error_code" in value:  # a gateway's: beside, or in place of, the code
        return _read_again(body)
    keys, listing = len(value), value.get("data")
    for item in listing if isinstance(listing, list) else (listing,):
        if isinstance(item, dict):
            keys += len(item)
    # A colon for each key means that no key was dropped for another one of its name, and that nothing lies deeper.
    return (value, None) if body.count(b":") == keys else _read_again(body)


def _read_again(body: bytes) -> tuple[Any, Codes]:
    codes = Codes()
    objects: list[list[tuple[str, Any]]] = []

    def keep(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        objects.append([pair for pair in pairs if pair[0] in {"code", "sCode", "error_code"}])
        record = dict(pairs)
        return record if len(record) == len(pairs) else _merged(pairs)

    decoder = json.JSONDecoder(strict=False, object_pairs_hook=keep, parse_int=_integer)
    text = body.decode(json.detect_encoding(body), "replace").lstrip(_JUNK)
    text = _ESCAPE.sub(_mend, text)
    try:
        value, end = decoder.raw_decode(text)
    except (ValueError, RecursionError):
        return None, codes
    _collect(objects, codes, outermost=isinstance(value, dict))
    # What follows is junk, unless it is another object: it may say something else.
    while (start := text.find("{", end)) >= 0:
        try:
            _, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            codes.outer.append("?")
            break
        _collect(objects, codes, outermost=True)
    return value, codes


def _collect(objects: list[list[tuple[str, Any]]], codes: Codes, *, outermost: bool) -> None:
    """Move the codes of one document's objects to `codes`; the outermost object ends last."""
    for number, pairs in enumerate(objects, 1):
        for key, value in pairs:
            if key == "sCode":
                codes.items.append(value)
            elif key == "code" and outermost and number == len(objects):
                codes.outer.append(value)
            else:
                codes.inner.append(value)
    objects.clear()


def _merged(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, list[Any]] = {}
    for key, value in pairs:
        values.setdefault(key, []).append(value)
    return {key: each[0] if all(value == each[0] for value in each) else tuple(each) for key, each in values.items()}


def _integer(text: str) -> int | str:
    """Return an integer of at most 64 bits, which every encoder takes; others stay texts."""
    number = int(text) if len(text) <= _LONGEST_INTEGER else 1 << 64
    return number if -1 << 63 <= number < 1 << 64 else text


def _mend(escape: re.Match[str]) -> str:
    """Return an escape that JSON knows: of half a pair, which no encoder takes, the replacement character."""
    if escape["half"]:
        return r"\ufffd"
    return escape[0] if escape["none"] is None else r"\\"
