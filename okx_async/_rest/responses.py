"""Answers: the exchange's envelope, or what a proxy, a CDN or a broken connection made of it.

Nothing in an answer is trusted: `parse` returns an `Answer` that says what was understood, and never raises. A body
that says two things decides nothing: the unsafe one may be true.
https://www.okx.com/docs-v5/en/#error-code; the odd shapes are observed (see tests/samples).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from okx_async._rest.bodies import Codes, read
from okx_async._rest.codes import base_code

_CODE: Final = re.compile(r"[0-9]+(?:_[0-9A-Za-z]+)?")
_STATUS: Final = re.compile(r"[1-5][0-9]{2}")
_ECHO: Final = re.compile(rb"ok[-_]access", re.IGNORECASE)
_REFUSED: Final = frozenset({"1", "2"})  # a request with items was refused, or a part of it: the item says why
_SHOWN: Final = 800
"""Characters of a text that are looked at for a message."""
_MAX_TEXT: Final = 200
_YES: Final = re.compile(rb'"s?code"\s*:\s*"?0["\s,}]', re.IGNORECASE)
_MAX_CODE: Final = 40
_UNCUT: Final = 8192


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
    others: list[object] = field(default_factory=list)
    """What stands in the list ``data`` beside objects, of an answer with code 0."""
    listed: bool = False
    """Whether ``data`` was a list of objects and nothing else."""
    envelope: bool = False
    """Whether it is an envelope of the exchange with a code in it."""
    gateway: int | None = None
    """The HTTP status that the body names in place of a code."""
    contradictory: bool = False
    """Whether the body says two things: it then has no `code`, and decides nothing."""
    uncut: str = ""
    """The texts that `message` and `code` were made of, to be searched for secrets."""
    hide: Callable[[str], str] = field(default=str, repr=False, compare=False)
    """Returns a text that may be shown in place of one of the answer's: words of an acceptance are searched for secrets
    only when they are shown."""

    @property
    def ok(self) -> bool:
        """Code 0 under a 2xx status: the exchange said yes."""
        return self.code == "0" and 200 <= self.status < 300  # noqa: PLR2004 - the 2xx


def parse(status: int, body: bytes, *, records: bool = False) -> Answer:
    """Read an answer, whatever its shape. Never raises.

    `records`: its items are records of the exchange's books, whose fields may have any name, ``code`` too. All that
    stands beside them says the same, in one document, or decides nothing: a list is believed only if it is the one.
    """
    record, codes = read(body, records=records)
    if not isinstance(record, dict):
        return _foreign(Answer(status), body, None)
    listing = record.get("data")
    if codes is None and record.get("code") == "0" and record.get("msg") == "" and isinstance(listing, list):
        # A plain acceptance: the result of the lines below in a third of their time.
        (item,) = listing if len(listing) == 1 else (None,)
        if isinstance(item, dict) and "sCode" not in item and "code" not in item:
            return Answer(status, "0", "", listing, listed=True, envelope=True)
    items = listing if isinstance(listing, list) else [listing]
    data: list[Mapping[str, Any]] = [item for item in items if isinstance(item, dict)]
    answer = Answer(status, data=data, listed=isinstance(listing, list) and len(data) == len(listing))

    code = _outer_code(answer, record, codes, records=records)
    if code is None:
        return answer
    if _STATUS.fullmatch(code):  # {"code":404,"data":{},"error_code":"404","msg":"Not Found"}
        answer.gateway = int(code)
        return _foreign(answer, body, record.get("msg"))
    message: object = record.get("msg")
    if code in {"0", "1", "2", ""}:
        # Where sCode is present, it and sMsg are the result: the first item that is not "0" decides.
        for item in () if records and code == "0" else data:
            item_code = _item_code(item.get("sCode"))
            if item_code not in {"", "0"}:
                code, message = item_code, item.get("sMsg") or message
                answer.uncut = f"{item.get('sCode')}\n"
                break
    if not code:
        return _foreign(answer, body, message)
    answer.others = _others(listing) if code == "0" else []
    answer.code, answer.envelope, answer.message = code, True, one_line(message)
    answer.uncut = f"{answer.uncut}{message}"[:_UNCUT]
    return answer


def parse_items(status: int, body: bytes) -> Answer:
    """Read the answer to a request whose items are decided one by one; code 0 then says that they were. Never raises.

    Where each item has an ``sCode``, one that was refused makes no other unknown. Else the answer is read as any other.
    """
    record, codes = read(body)
    if isinstance(record, dict) and _each_decided(status, record, codes):
        return Answer(status, "0", data=record["data"], listed=True, envelope=True)
    return parse(status, body)


def _each_decided(status: int, record: Mapping[str, Any], codes: Codes | None) -> bool:
    """Return whether an answer decides each item: by its outer code all were accepted (0), or not all (1, 2).

    One item that does not say its code leaves all of them unknown, and so does an outer code that says another thing.
    """
    items = record.get("data")
    code = code_of(record.get("code"))
    if status // 100 != 2 or code not in {"0", "1", "2"} or not isinstance(items, list) or not items:  # noqa: PLR2004
        return False
    said = [code_of(item.get("sCode")) for item in items if isinstance(item, dict) and "code" not in item]
    if len(said) != len(items) or not all(said):
        return False
    if codes is not None and (
        len(codes.outer) != 1 or codes.inner or len(codes.items) != len(items) or codes.lists != 1
    ):
        return False
    return (code == "0") == (said.count("0") == len(said))


def _others(listing: object) -> list[object]:
    return [item for item in listing if not isinstance(item, dict)] if isinstance(listing, list) else []


def _outer_code(answer: Answer, record: Mapping[str, Any], codes: Codes | None, *, records: bool) -> str | None:
    """Return the code of the outermost object; None if codes contradict each other, which `answer` then says.

    `codes`: all that stand in the body, None if each stands where it belongs.
    """
    if codes is None:
        items = () if records and isinstance(record.get("data"), list) else answer.data
        if not any("sCode" in item or "code" in item for item in items):
            return code_of(record.get("code"))
        codes = Codes([record.get("code")])
        codes.items = [item["sCode"] for item in items if "sCode" in item]
        codes.inner = [item["code"] for item in items if "code" in item]
    outer, inner = _said(codes, records=records)
    code = next(iter(outer), "")
    answer.contradictory = True
    if not _agree(outer, inner):
        texts = (outer or {"none": ""}) | inner
        answer.message = one_line(f"the answer contradicts itself, by the codes {', '.join(texts)}")
        answer.uncut = "\n".join(texts.values())[:_UNCUT]
    elif records and code == "0" and codes.lists > 1:
        answer.message = "the answer holds more than one list"
    else:
        answer.contradictory = False
        return code
    return None


def _said(codes: Codes, *, records: bool) -> tuple[dict[str, str], dict[str, str]]:
    """Return the codes that a body has, outside and inside, with the texts that they were read from.

    One code that cannot be read says nothing; beside another one it says something else. The ``code`` of an object
    further in may be a word about anything, unless it stands beside the records of a reading (`records`).
    """
    outside = code_of if len(codes.outer) == 1 else _item_code
    inside = _item_code if records else code_of
    outer = {outside(value): str(value) for value in codes.outer}
    inner = {_item_code(value): str(value) for value in codes.items}
    inner |= {inside(value): str(value) for value in codes.inner}
    outer.pop("", None)
    inner.pop("", None)
    return outer, inner


def _agree(outer: Iterable[str], inner: Iterable[str]) -> bool:
    """Return whether all codes of a body say the same.

    An outer 1 or 2 says nothing by itself: the item's refusal under it is the exchange's usual way. Under an outer 0 it
    is not: nothing tells which of the two is true, so such a request may have been executed. An item's 0 alone is no
    answer, and contradicts a status that refuses.
    """
    without, within = {_thing(code) for code in outer}, {_thing(code) for code in inner}
    if len(without) > 1 or len(within) > 1:
        return False
    if not without:
        return "0" not in within
    return not within or without == within or without <= _REFUSED


def _thing(code: str) -> str:
    """Return what a code stands for: its sub-code only says more of it. A sub-code of 0 is no success."""
    return base_code(code) if code[0] != "0" else code


def code_of(value: object) -> str:
    """Return a code as text, also one that is written as a number; "" if it is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value if isinstance(value, str) and is_code(value) else ""


def is_code(text: str) -> bool:
    """Return whether a text has the form of the exchange's codes."""
    return len(text) <= _MAX_CODE and _CODE.fullmatch(text) is not None


def _item_code(value: object) -> str:
    """Return an sCode as text; a text that is no number is kept too, since it contradicts success."""
    if value is None or value == "":
        return ""
    return code_of(value) or one_line(str(value))[:_MAX_CODE] or "?"


def one_line(text: object) -> str:
    """Return exchange or foreign text as one harmless line of at most 200 characters; "" if it is no text.

    Control characters could forge log lines or drive a terminal.
    """
    if not isinstance(text, str) or not text:
        return ""
    text = text[:_SHOWN]
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _MAX_TEXT else f"{line[: _MAX_TEXT - 1]}…"


def _foreign(answer: Answer, body: bytes, message: object) -> Answer:
    """Return the answer with the part of a body without envelope that is shown."""
    text = message if isinstance(message, str) and one_line(message) else body[:_UNCUT].decode("utf-8", "replace")
    # Debugging proxies answer with the request's own headers, passphrase and signature included.
    echo = _ECHO.search(body) is not None
    answer.message = "(not shown: it repeats the request's headers)" if echo else one_line(text)
    answer.uncut = "" if echo else text[:_UNCUT]
    answer.contradictory = _YES.search(body) is not None  # an envelope that was cut, say, under a status that refuses
    return answer
