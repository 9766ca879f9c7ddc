"""Bodies of answers as JSON values, with every code that stands in them.

Two readers: orjson for what is plain, which is nearly everything, and the standard library's for what strict JSON
forbids and people can read all the same: half a surrogate pair, control characters, NaN, a byte order mark, other
encodings, bytes behind the end, quotation marks within words, a comma too many. Only the second one sees a key that
stands twice in one object.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import orjson

_ESCAPE: Final = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair of surrogates
    r"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|u[0-9a-fA-F]{4}"
    r'|["\\/bfnrt](?:\\["\\/bfnrt])*+'  # at once: there may be half a million of them
    r"|(?P<none>))"
)
_JUNK: Final = "".join(map(chr, range(33))) + "\ufeff"
"""What may stand before a body: control characters, blanks and byte order marks."""
_LONGEST_INTEGER: Final = 20  # with its sign
MOST_DEEP: Final = 32
"""Levels of a body that are kept. Nothing of the exchange's has ten, and what is read may be copied, compared, written
as JSON and pickled: each of these has a limit of its own, and raises beyond it."""
CUT: Final = "(nested too deep)"
"""What stands in place of a list or an object below MOST_DEEP levels, unless it is empty."""
_BRACKETS: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[{]++|[\]}]++', re.DOTALL)
"""Runs of brackets, and texts, whose brackets are none."""
_MARKS: Final = re.compile(r'\\.|"|,(?=\s*+[}\]])', re.DOTALL)
"""Quotation marks, and commas that nothing follows; what is escaped is none of them."""
_GOES_ON: Final = re.compile(r"\s*+(?:[:,}\]]|\Z)")
_MOST_REPAIRED: Final = 1 << 16
"""Characters of a body that is repaired: it takes a microsecond for each mark, and the words of a refusal are short."""
_MOST_BRACKETS: Final = 100_000
_HIDES_CODE: Final = re.compile(r"ode|\\")
_NESTS: Final = frozenset({list, dict, tuple})
MOST_RECORDS: Final = 20_000
"""Most records of a list that is read: each takes time of the event loop, and a server may send millions of small ones.
No account has so many positions; a page of orders has 100."""
_MOST_DOCUMENTS: Final = 10
"""Documents of one body that are read: to read thousands would stop the event loop for a second."""


@dataclass(slots=True)
class Codes:
    """The codes of a body as they stand there: any JSON values."""

    outer: list[Any] = field(default_factory=list)
    """``code`` of the outermost object."""
    items: list[Any] = field(default_factory=list)
    """``sCode`` and ``error_code``, wherever they stand."""
    inner: list[Any] = field(default_factory=list)
    """``code`` of all other objects."""
    lists: int = 1
    """How many documents there are, and objects further in with ``data`` of their own."""


def read(body: bytes, *, records: bool = False) -> tuple[Any, Codes | None]:
    """Return the value of a body, None if it has none, and its codes; None: they are where they belong, once each.

    A key that stands twice in one object, with different values, has the tuple of them as its value. What is nested
    deeper than `MOST_DEEP` levels is `CUT`.

    `records`: what stands in the list ``data`` is not searched for codes.
    """
    try:
        value = orjson.loads(body)
    except ValueError:
        return _read_again(body, records=records)
    if not isinstance(value, dict):
        return value, None
    if "error_code" in value or "sCode" in value:  # a gateway's: beside, or in place of, the code
        return _read_again(body, records=records)
    keys, listing = len(value), value.get("data")
    if records and isinstance(listing, list) and len(listing) > MOST_RECORDS:
        return value, None  # too many to be believed, whatever else stands there
    for item in listing if isinstance(listing, list) else (listing,):
        if isinstance(item, dict):
            keys += len(item)
    # A colon for each key means that no key was dropped for another one of its name, and that no object lies deeper.
    if body.count(b":") != keys:
        return _read_again(body, records=records)
    if body.count(b"[") >= MOST_DEEP - 2:  # beside these there are two levels: the body's, and an item's
        _search(value, Codes(), records=records)
    return value, None


def _read_again(body: bytes, *, records: bool) -> tuple[Any, Codes]:
    codes = Codes()
    decoder = json.JSONDecoder(strict=False, object_pairs_hook=_object, parse_int=_integer)
    text = body.decode(json.detect_encoding(body), "replace").lstrip(_JUNK)
    text = _ESCAPE.sub(_mend, text)
    try:
        try:
            value, end = decoder.raw_decode(text)
        except RecursionError:
            text = _shallow(text)
            value, end = decoder.raw_decode(text)
        except ValueError:
            if len(text) > _MOST_REPAIRED:
                raise
            text = _repaired(text)
            value, end = decoder.raw_decode(text)
    except (ValueError, RecursionError):
        return None, codes
    _search(value, codes, records=records)
    # What follows is junk, unless it is another object: it may say something else.
    while (start := text.find("{", end)) >= 0:
        codes.lists += 1
        try:
            another, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            another = None
        if another is None or codes.lists > _MOST_DOCUMENTS:
            codes.outer.append("?")
            break
        _search(another, codes, records=False)
    return value, codes


def _repaired(text: str) -> str:
    """Return JSON with its words' quotation marks escaped, and without commas that nothing follows.

    A mark ends a text only where JSON goes on behind it; where that is not clear, the result is no JSON either.
    """
    kept: list[str] = []
    kept_to = 0
    within = False
    for found in _MARKS.finditer(text):
        mark = found[0]
        if mark[0] == ",":
            if not within:
                kept.append(text[kept_to : found.start()])
                kept_to = found.end()
        elif mark[0] == '"':
            if not within:
                within = True
            elif _GOES_ON.match(text, found.end()):
                within = False
            else:
                kept += text[kept_to : found.start()], "\\"
                kept_to = found.start()
    return "".join(kept) + text[kept_to:]


def _shallow(text: str) -> str:
    """Return JSON with `CUT` in place of what no decoder takes, being nested too deep.

    It stays as it is if a code may stand in what would be cut, or if it has too many brackets to look at all of them.
    """
    kept: list[str] = []
    kept_to = cut_from = depth = 0
    for found in islice(_BRACKETS.finditer(text), _MOST_BRACKETS):
        run = found[0]
        if run[0] in "[{":
            if depth <= MOST_DEEP < depth + len(run):
                cut_from = found.start() + MOST_DEEP - depth
            depth += len(run)
        elif run[0] in "]}":
            if depth > MOST_DEEP >= depth - len(run):
                kept += text[kept_to:cut_from], f'"{CUT}"'
                kept_to = found.start() + depth - MOST_DEEP
                if _HIDES_CODE.search(text, cut_from, kept_to):
                    return text
            depth -= len(run)
    return "".join(kept) + text[kept_to:]


def _search(document: Any, codes: Codes, *, records: bool) -> None:
    """Move the codes of one document to `codes`, and cut what is nested too deep, without any recursion."""
    # What is to be searched, how deep it lies, and whether its codes are the answer's; the list grows meanwhile.
    found: list[tuple[Any, int, bool]] = [(document, 1, True)] if isinstance(document, dict | list) else []
    for value, depth, counts in found:
        keyed = isinstance(value, dict)
        if counts and keyed:
            _keep_codes(value, codes, outermost=value is document)
        for key, each in value.items() if keyed else enumerate(value):
            if not each or type(each) not in _NESTS:
                continue
            listing = records and key == "data" and value is document and type(each) is list
            for one in each if type(each) is tuple else (each,):
                if type(one) in _NESTS:
                    found.append((one, depth + 1, counts and not listing))
                    if depth >= MOST_DEEP:
                        value[key] = CUT


def _keep_codes(record: Mapping[str, Any], codes: Codes, *, outermost: bool) -> None:
    codes.items += (*_values(record, "sCode"), *_values(record, "error_code"))
    if outermost:
        codes.outer += _values(record, "code")
    else:
        codes.inner += _values(record, "code")
        codes.lists += any(_values(record, "data"))


def _values(record: Mapping[str, Any], key: str) -> Iterable[Any]:
    """Return what stands at a key: nothing, one value or several."""
    if key not in record:
        return ()
    value = record[key]
    return value if type(value) is tuple else (value,)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    return record if len(record) == len(pairs) else _merged(pairs)


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
