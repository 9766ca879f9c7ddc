"""What stands before a body in HTTP/1.1: the request line, the headers, and how long the body is.

Every pattern reads its text once, whatever the text is: a head that is made to be slow to read would hold up all.
"""

from __future__ import annotations

import re
from typing import Any

from multidict import CIMultiDict

__all__ = ["Malformed", "has_begun", "length_of", "read_head"]

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_BEGINNING = re.compile(rf"(?:{_TOKEN}(?: [!-~]*(?: [!-~]*(?:\r(?:\n.*)?)?)?)?)?".encode(), re.DOTALL)
_LOOK_AT = 64  # bytes, of what may become a head
_START = re.compile(rf"({_TOKEN}) ([!-~]+) HTTP/1\.([01])\r\n")
_FIELD = re.compile(rf"^({_TOKEN}):([^\x00-\x08\x0a-\x1f\x7f]*)\r$", re.MULTILINE)
_MAX_DIGITS = 15  # what is still a number of bytes


class Malformed(Exception):  # noqa: N818 - an end of a connection, seen by nobody outside
    """What came is no HTTP."""


def has_begun(data: bytearray) -> bool:
    """Whether this may become a head; TLS, say, or lines that end in a bare newline never will."""
    return _BEGINNING.fullmatch(data, 0, _LOOK_AT) is not None


def read_head(data: bytes | bytearray) -> tuple[str, str, CIMultiDict[str], bool]:
    """Return method, raw path, headers, and whether the connection stays; `data` ends with its last line."""
    text = data.decode(errors="surrogateescape")
    start = _START.match(text)
    if start is None:
        raise Malformed
    method, path, minor = start.groups()
    fields: list[Any] = _FIELD.findall(text, start.end())
    if len(fields) != text.count("\n", start.end()):
        raise Malformed
    headers = CIMultiDict([(name, value.strip(" \t")) for name, value in fields])
    stays = minor == "1"
    if (wishes := headers.get("Connection")) is not None:
        wanted = {wish.strip().lower() for wish in wishes.split(",")}
        stays = "close" not in wanted if stays else "keep-alive" in wanted
    return method, path, headers, stays


def length_of(headers: CIMultiDict[str]) -> int | None:
    """Return the length of the body; None: it comes in chunks."""
    coding = headers.get("Transfer-Encoding")
    lengths = headers.getall("Content-Length", ["0"])
    if coding is not None:
        if coding.lower() != "chunked" or "Content-Length" in headers:
            raise Malformed
        return None
    first = lengths[0]
    if len(set(lengths)) > 1 or not (first.isascii() and first.isdecimal() and len(first) <= _MAX_DIGITS):
        raise Malformed
    return int(first)
