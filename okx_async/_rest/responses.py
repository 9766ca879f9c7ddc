"""What came back: an envelope of the exchange, or whatever a proxy, a CDN or a broken line made of it (pure).

Nothing is trusted on the way back: `parse` returns an `Answer` that says what was understood, and never raises.
https://www.okx.com/docs-v5/en/#error-code; the odd shapes are observed (see tests/samples).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, cast

import orjson

from okx_async._errors import OutcomeUnknownError
from okx_async._models import Attempt, ClosedPosition, ClosePosition, MgnMode, Position, PosSide
from okx_async._validation import short_repr

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_INTEGER: Final = re.compile(r"[0-9]{1,18}")
_UID: Final = re.compile(r"[0-9]{1,40}")
_CODE: Final = re.compile(r"[0-9]+(?:_[0-9A-Za-z]+)?")
_STATUS: Final = re.compile(r"[1-5][0-9]{2}")
_ECHO: Final = re.compile(rb"ok[-_]access", re.IGNORECASE)
_MAX_TEXT: Final = 200
_MAX_CODE: Final = 40


@dataclass(slots=True)  # not frozen: one is made for each request, and that would cost four times as much
class Answer:
    """What was understood of one complete HTTP answer.

    ``code``: the full text of the code that decides ("" if there is none); ``gateway``: the HTTP status
    that a body names in place of a code; ``message``: the exchange's words, or the beginning of a foreign
    body; ``data``: its objects; ``listed``: whether the body's ``data`` was a list of nothing but objects;
    ``envelope``: whether an envelope of the exchange with a code in it arrived at all.
    """

    status: int
    code: str = ""
    message: str = ""
    data: list[Mapping[str, Any]] = field(default_factory=list)
    listed: bool = False
    envelope: bool = False
    gateway: int | None = None

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
        # A plain yes to one request: what the lines below come to, for a third of their time.
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
    return Answer(status, code, clean(message), data, listed, envelope=True)


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
    """Return an sCode as text; one that is no number still contradicts success, so it is kept."""
    if value is None or value == "":
        return ""
    return _code(value) or clean(str(value))[:_MAX_CODE] or "?"


def clean(text: object) -> str:
    """Return exchange or foreign text as one harmless line of at most 200 characters; "" if it is no text.

    Control characters could forge log lines or drive a terminal.
    """
    if not isinstance(text, str) or not text:
        return ""
    text = text[: 4 * _MAX_TEXT]  # what is cut away below need not be looked at
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _MAX_TEXT else f"{line[: _MAX_TEXT - 1]}…"


def _foreign(body: bytes, message: object) -> str:
    """Return what to show of a body that is no envelope."""
    # Debugging proxies answer with the request's own headers, passphrase and signature included.
    if _ECHO.search(body):
        return "(not shown: it repeats the request's headers)"
    return clean(message) or clean(body[: 4 * _MAX_TEXT].decode("utf-8", "replace"))


def closed_position(answer: Answer, request: ClosePosition, attempts: tuple[Attempt, ...] = ()) -> ClosedPosition:
    """Return the accepted close as answered; from the request where the answer does not say.

    The echo is not compared: OKX's own sample answers posSide "long" to a request without it.
    """
    item: Mapping[str, Any] = answer.data[0] if answer.data else {}
    inst_id, pos_side = item.get("instId"), item.get("posSide")
    cl_ord_id, tag = item.get("clOrdId"), item.get("tag")
    return ClosedPosition(
        (inst_id if isinstance(inst_id, str) else "") or request.inst_id,
        pos_side if isinstance(pos_side, str) else request.pos_side or "",
        cl_ord_id if isinstance(cl_ord_id, str) else request.cl_ord_id or "",
        tag if isinstance(tag, str) else request.tag or "",
        attempts,
    )


def positions(answer: Answer) -> list[Position]:
    """Return the positions that an answer lists.

    Raises OutcomeUnknownError unless that is certain: an answer that cannot be read is no empty one.
    """
    if not answer.ok or not answer.listed:
        raise _unreadable(answer, "the answer is no list of positions")
    return [_position(answer, record) for record in answer.data]


def _position(answer: Answer, record: Mapping[str, Any]) -> Position:
    def text(key: str) -> str:
        value = record.get(key)
        return value if isinstance(value, str) else ""

    def number(key: str) -> Decimal | None:
        value = record.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        # Decimal itself takes "1_000", "NaN", blanks and the digits of every alphabet.
        return Decimal(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None

    def millis(key: str) -> int:
        value = str(record.get(key))
        return int(value) if _INTEGER.fullmatch(value) else 0

    inst_id, mgn_mode, pos = text("instId"), text("mgnMode"), number("pos")
    if not inst_id or not mgn_mode:
        raise _unreadable(answer, f"a record without instId or mgnMode, of {short_repr(sorted(map(str, record)))}")
    return Position(
        inst_id=inst_id,
        inst_type=text("instType"),
        pos_id=text("posId"),
        pos=Decimal("NaN") if pos is None else pos,
        pos_side=cast("PosSide", text("posSide") or "net"),
        pos_ccy=text("posCcy"),
        mgn_mode=cast("MgnMode", mgn_mode),
        ccy=text("ccy"),
        avg_px=number("avgPx"),
        mark_px=number("markPx"),
        upl=number("upl"),
        c_time=millis("cTime"),
        u_time=millis("uTime"),
        raw=record,
    )


def _unreadable(answer: Answer, reason: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"positions could not be read: {reason}; ask again, do not take this for flat",
        code=answer.code,
        status=answer.status,
        message=answer.message,
    )


def uid(answer: Answer) -> str | None:
    """Return the User ID from account/config, None where the answer does not say.

    https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-account-configuration
    """
    text = str(answer.data[0].get("uid")) if answer.ok and answer.data else ""
    return text if _UID.fullmatch(text) else None


def server_time(answer: Answer) -> float | None:
    """Return the exchange's clock (Unix seconds) from public/time, None where the answer does not say.

    https://www.okx.com/docs-v5/en/#public-data-rest-api-get-system-time
    """
    text = str(answer.data[0].get("ts")) if answer.ok and answer.data else ""
    return int(text) / 1000 if _INTEGER.fullmatch(text) else None
