"""Answers: the exchange's envelope, or what a proxy, a CDN or a broken connection made of it.

Nothing in an answer is trusted: `parse` returns an `Answer` that says what was understood, and never raises.
https://www.okx.com/docs-v5/en/#error-code; the odd shapes are observed (see tests/samples).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

_CODE: Final = re.compile(r"[0-9]+(?:_[0-9A-Za-z]+)?")
_STATUS: Final = re.compile(r"[1-5][0-9]{2}")
_ECHO: Final = re.compile(rb"ok[-_]access", re.IGNORECASE)
_MAX_TEXT: Final = 200
_MAX_CODE: Final = 40


@dataclass(slots=True)  # not frozen: one is made for each request, and that would cost four times as much
class Answer:
    """What was understood of one complete HTTP answer."""

    status: int
    code: str = ""
    """The full text of the code that decides, "" if there is none."""
    message: str = ""
    """The exchange's words, or the beginning of a body that is no envelope."""
    data: list[Mapping[str, Any]] = field(default_factory=list)
    """The objects in the body's ``data``."""
    listed: bool = False
    """Whether ``data`` was a list of objects and nothing else."""
    envelope: bool = False
    """Whether it is an envelope of the exchange with a code in it."""
    gateway: int | None = None
    """The HTTP status that the body names in place of a code."""

    @property
    def ok(self) -> bool:
        """Code 0 under a 2xx status: the exchange said yes."""
        return self.code == "0" and 200 <= self.status < 300  # noqa: PLR2004 - the 2xx


def parse(status: int, body: bytes) -> Answer:
    """Read an answer, whatever its shape. Never raises.

    https://www.okx.com/docs-v5/en/#error-code; the odd shapes are observed (see tests/samples).
    """
    record = _load(body)
    if not isinstance(record, dict):
        return Answer(status, message=_foreign(body, None))
    listing = record.get("data")
    if record.get("code") == "0" and record.get("msg") == "" and isinstance(listing, list) and len(listing) == 1:
        # A plain acceptance: the result of the lines below in a third of their time.
        (item,) = listing
        if isinstance(item, dict) and item.get("sCode", "0") == "0":
            return Answer(status, "0", "", listing, listed=True, envelope=True)
    items = listing if isinstance(listing, list) else [listing]
    data: list[Mapping[str, Any]] = [item for item in items if isinstance(item, dict)]
    listed = isinstance(listing, list) and len(data) == len(listing)

    code = _code(record.get("code"))
    if _STATUS.fullmatch(code):  # {"code":404,"data":{},"error_code":"404","msg":"Not Found"}
        return Answer(status, "", _foreign(body, record.get("msg")), data, listed, gateway=int(code))
    message: object = record.get("msg")
    if code in {"0", "1", "2", ""}:
        # Where sCode is present, it and sMsg are the result: the first item that is not "0" decides.
        for item in data:
            item_code = _item_code(item.get("sCode"))
            if item_code not in {"", "0"}:
                code, message = item_code, item.get("sMsg") or message
                break
    if not code:
        return Answer(status, "", _foreign(body, message), data, listed)
    return Answer(status, code, one_line(message), data, listed, envelope=True)


def _load(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except ValueError:
        pass
    try:
        return orjson.loads(body.decode("utf-8", "replace"))  # one bad byte in msg must not hide the code
    except ValueError:
        return None


def _code(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value if isinstance(value, str) and len(value) <= _MAX_CODE and _CODE.fullmatch(value) else ""


def _item_code(value: object) -> str:
    """Return an sCode as text; a text that is no number is kept too, since it contradicts success."""
    if value is None or value == "":
        return ""
    return _code(value) or one_line(str(value))[:_MAX_CODE] or "?"


def one_line(text: object) -> str:
    """Return exchange or foreign text as one harmless line of at most 200 characters; "" if it is no text.

    Control characters could forge log lines or drive a terminal.
    """
    if not isinstance(text, str) or not text:
        return ""
    text = text[: 4 * _MAX_TEXT]
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _MAX_TEXT else f"{line[: _MAX_TEXT - 1]}…"


def _foreign(body: bytes, message: object) -> str:
    """Return the part of a body without envelope that is shown."""
    # Debugging proxies answer with the request's own headers, passphrase and signature included.
    if _ECHO.search(body):
        return "(not shown: it repeats the request's headers)"
    return one_line(message) or one_line(body[: 4 * _MAX_TEXT].decode("utf-8", "replace"))
