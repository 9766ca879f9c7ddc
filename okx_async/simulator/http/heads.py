"""Heads of HTTP messages: those of requests are parsed, those of answers made (pure).

Every pattern matches in linear time, so that no head, however it is made, can block the loop.

A client repeats its header lines in every request, all but the signature and its time, and the exchange repeats its
own: parsed lines and finished heads are cached, the last thousand of them.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus

from multidict import CIMultiDict, istr

_PHRASES = {int(status): status.phrase for status in HTTPStatus}
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_BEGINNING = re.compile(rf"(?:{_TOKEN}(?: [!-~]*(?: [!-~]*(?:\r(?:\n.*)?)?)?)?)?".encode(), re.DOTALL)
_LOOK_AT = 64  # bytes of what may become a head
_START = re.compile(rf"({_TOKEN}) ([!-~]+) HTTP/1\.([01])")
_AUTHORITY = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_NAME = re.compile(_TOKEN)
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_CONNECTION, _CODING, _LENGTH, _EXPECT = map(istr, ("Connection", "Transfer-Encoding", "Content-Length", "Expect"))
_NUMBER = re.compile(r"[0-9]{1,15}")  # longer ones are no plausible size
_NO_BODY = ["0"]
_LINE = 4000  # bytes of a line of padding
_NAMED = len("X-Padding-0: \r\n")


class Malformed(Exception):  # noqa: N818 - ends a connection, never leaves this package
    """The bytes that arrived are no HTTP."""


def head_end(data: bytearray) -> int:
    """Drop empty lines, which some clients send after a body, and return where the head ends; -1: it does not yet.

    https://www.rfc-editor.org/rfc/rfc9112#section-2.2-6
    """
    while data.startswith(b"\r\n"):
        del data[:2]
    return data.find(b"\r\n\r\n")


def has_begun(data: bytearray) -> bool:
    """Whether `data` may become a head: not TLS, and no lines that end in a bare newline."""
    return _BEGINNING.fullmatch(data, 0, _LOOK_AT) is not None or data == b"\r"  # of an empty line


def head_of(text: str) -> tuple[str, str, CIMultiDict[str], bool]:
    """Return method, raw path, headers and whether the connection is kept; `text` has no line end at its end."""
    first, *lines = text.split("\r\n")
    method, path, minor = _start(first)
    headers = CIMultiDict([_field(line) for line in lines])
    keep = minor == "1"
    if _CONNECTION in headers:
        options = {option.strip().lower() for value in headers.getall(_CONNECTION) for option in value.split(",")}
        keep = "close" not in options and (keep or "keep-alive" in options)
    if minor == "0":  # such a client knows no 100, and would take it for the answer
        headers.popall(_EXPECT, None)
    return method, path, headers, keep


def length_of(headers: CIMultiDict[str]) -> int | None:
    """Return the length of the body; None: it comes in chunks."""
    coding = headers.get(_CODING)
    lengths = headers.getall(_LENGTH, _NO_BODY)
    if coding is not None:
        if coding.lower() != "chunked" or _LENGTH in headers:
            raise Malformed
        return None
    if any(other != lengths[0] for other in lengths[1:]) or not _NUMBER.fullmatch(lengths[0]):
        raise Malformed
    return int(lengths[0])


def expects(headers: Mapping[str, str]) -> bool:
    """Whether the client waits for `100 Continue` before it sends the body."""
    return headers.get(_EXPECT, "").lower() == "100-continue"


def answer_head(status: int, content_type: str, length: int, headers: Mapping[str, str], *, last: bool) -> bytes:
    """Return status line, headers and empty line of an answer; `last`: the connection ends with it."""
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items()) if headers else ""
    return _answer_head(status, content_type, length, more, last)


def padding(size: int) -> dict[str, str]:
    """Return headers of about so many bytes, in lines that every client reads."""
    numbers = range(-(-size // _LINE))
    return {f"X-Padding-{number}": "x" * (min(size - number * _LINE, _LINE) - _NAMED) for number in numbers}


@lru_cache(maxsize=1024)
def _answer_head(status: int, content_type: str, length: int, more: str, last: bool) -> bytes:  # noqa: FBT001 - a key
    text = f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\nContent-Type: {content_type}\r\n"
    text += f"Content-Length: {length}\r\n{more}Connection: {'close' if last else 'keep-alive'}\r\n\r\n"
    return text.encode()


@lru_cache(maxsize=256)
def _start(line: str) -> tuple[str, ...]:
    """Return method, raw path and minor version from the first line of a request.

    A target with scheme and host, as clients of a proxy send it, stands for its path, which is what they sign.
    https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2
    """
    found = _START.fullmatch(line)
    if found is None:
        raise Malformed
    method, target, minor = found.groups()
    authority = _AUTHORITY.match(target)
    if authority is None:
        return method, target, minor
    path = target[authority.end() :]
    return method, path if path.startswith("/") else f"/{path}", minor


@lru_cache(maxsize=1024)
def _field(line: str) -> tuple[istr, str]:
    """Return name and value of a header line."""
    name, colon, value = line.partition(":")
    if not (colon and (value.isprintable() or _VALUE.fullmatch(value))):  # the usual case first: it costs less
        raise Malformed
    return _name(name), value.strip(" \t")


@lru_cache(maxsize=256)
def _name(text: str) -> istr:
    """Return the name of a header as an `istr`, which CIMultiDict need not fold again."""
    if not _NAME.fullmatch(text):
        raise Malformed
    return istr(text)
