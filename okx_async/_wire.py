"""Between values and bytes: parameters to a body, its signature, an envelope back to values (pure).

The bytes signed must be the bytes sent, so bodies and paths are built here and go out unchanged. On the
way back nothing is trusted: whatever a proxy, a CDN or a broken line makes of an answer, `parse` returns
an `Answer` that says what was understood, and never raises.
https://www.okx.com/docs-v5/en/#overview-rest-authentication
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast

import orjson

from okx_async._errors import InvalidRequestError, OutcomeUnknownError
from okx_async._keys import check_inst_id, shown
from okx_async._models import ClosedPosition, ClosePosition, Position

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from okx_async._models import Attempt, Credentials, MgnMode, PosSide

CLOSE_PATH: Final = "/api/v5/trade/close-position"
CONFIG_PATH: Final = "/api/v5/account/config"
POSITIONS_PATH: Final = "/api/v5/account/positions"
TIME_PATH: Final = "/api/v5/public/time"
MAX_POSITIONS_IDS: Final = 10

_MGN_MODES: Final = ("cross", "isolated")  # tuples: a wrong value need not be hashable
_POS_SIDES: Final = ("net", "long", "short")
# Spelt out, because \d, \w and isalnum() take digits and letters of every alphabet.
_CCY: Final = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_CL_ORD_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}")
_TAG: Final = re.compile(r"[A-Za-z0-9]{1,16}")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_INTEGER: Final = re.compile(r"[0-9]{1,18}")
_UID: Final = re.compile(r"[0-9]{1,40}")
_CODE: Final = re.compile(r"[0-9]+(?:_[0-9A-Za-z]+)?")
_STATUS: Final = re.compile(r"[1-5][0-9]{2}")
_ECHO: Final = re.compile(rb"ok[-_]access", re.IGNORECASE)
_MAX_TEXT: Final = 200
_MAX_CODE: Final = 40


def positions_path(inst_ids: Sequence[str] | None) -> str:
    """Return path and query of the positions request: of all instruments, or of 1 to 10 named ones.

    The comma stays raw: a client that re-quotes it would send other bytes than were signed.
    https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-positions
    """
    if inst_ids is None:
        return POSITIONS_PATH
    # No ids must never come to mean all positions, and a bare string is no list of its letters.
    if isinstance(inst_ids, str) or not 1 <= len(inst_ids) <= MAX_POSITIONS_IDS:
        raise InvalidRequestError(
            f"inst_ids must be a list of 1 to {MAX_POSITIONS_IDS} instrument ids, got {shown(inst_ids)}"
        )
    for inst_id in inst_ids:
        check_inst_id(inst_id)
    return f"{POSITIONS_PATH}?instId={','.join(inst_ids)}"


def close_body(request: ClosePosition) -> bytes:
    """Return the body of a close; only what was asked for is in it.

    Raises InvalidRequestError that names the field, the rule and the value.
    https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-close-positions
    """
    if not isinstance(request, ClosePosition):
        raise InvalidRequestError(f"request must be a ClosePosition, got {shown(request)}")
    check_inst_id(request.inst_id)
    if request.mgn_mode not in _MGN_MODES:
        raise InvalidRequestError(f"mgn_mode must be 'cross' or 'isolated', got {shown(request.mgn_mode)}")
    params: dict[str, str | bool] = {"instId": request.inst_id, "mgnMode": request.mgn_mode}
    if request.pos_side is not None:
        if request.pos_side not in _POS_SIDES:
            raise InvalidRequestError(f"pos_side must be 'net', 'long', 'short' or None, got {shown(request.pos_side)}")
        params["posSide"] = request.pos_side
    if request.ccy is not None:
        rule = "1 to 32 ASCII letters, digits, '_', '.' or '-'"
        params["ccy"] = _matching(_CCY, request.ccy, "ccy", rule)
    if not isinstance(request.auto_cxl, bool):  # "false" would be taken for true
        raise InvalidRequestError(f"auto_cxl must be True or False, got {shown(request.auto_cxl)}")
    if request.auto_cxl:
        params["autoCxl"] = True
    if request.cl_ord_id is not None:
        rule = "1 to 32 ASCII letters and digits"
        params["clOrdId"] = _matching(_CL_ORD_ID, request.cl_ord_id, "cl_ord_id", rule)
    if request.tag is not None:
        params["tag"] = _matching(_TAG, request.tag, "tag", "1 to 16 ASCII letters and digits")
    return orjson.dumps(params)


def _matching(pattern: re.Pattern[str], value: object, name: str, rule: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise InvalidRequestError(f"{name} must be {rule}, or None, got {shown(value)}")
    return value


def sign(secret_key: str, timestamp: str, method: str, request_path: str, body: bytes) -> str:
    """Return the value of the OK-ACCESS-SIGN header.

    Base64 of HMAC-SHA256 over timestamp + method + request_path + body: timestamp as ISO 8601
    UTC with milliseconds, request_path with its query and without the host, body as sent.

    https://www.okx.com/docs-v5/en/#overview-rest-authentication-signature
    """
    prehash = f"{timestamp}{method}{request_path}".encode() + body
    return b64encode(hmac.digest(secret_key.encode(), prehash, "sha256")).decode()


class Signer:
    """Makes the headers of signed requests for one set of credentials."""

    __slots__ = ("_base", "_mac", "_prefix", "_repr", "_second")

    def __init__(self, credentials: Credentials, *, demo: bool) -> None:
        self._mac = hmac.new(credentials.secret_key.encode(), digestmod="sha256")
        self._base = {
            "OK-ACCESS-KEY": credentials.api_key,
            "OK-ACCESS-PASSPHRASE": credentials.passphrase,
            "Accept-Encoding": "identity",  # answers are a few hundred bytes: nothing to gain
        }
        if demo:
            # https://www.okx.com/docs-v5/en/#overview-demo-trading-services; no part of what is signed
            self._base["x-simulated-trading"] = "1"
        self._second: int | None = None
        self._prefix = ""
        self._repr = f"Signer({credentials!r}, demo={demo})"

    def __repr__(self) -> str:
        return self._repr

    def headers(self, method: str, path: str, body: bytes, now: float) -> dict[str, str]:
        """Return the headers of a request written at `now` (wall clock, Unix seconds).

        The exchange refuses a timestamp 30 s away from its own clock: sign after every wait.
        """
        timestamp = self._timestamp(now)
        mac = self._mac.copy()
        mac.update(f"{timestamp}{method}{path}".encode() + body)
        headers = self._base.copy()
        headers["OK-ACCESS-TIMESTAMP"] = timestamp
        headers["OK-ACCESS-SIGN"] = b64encode(mac.digest()).decode()
        if method == "POST":
            headers["Content-Type"] = "application/json"
        return headers

    def _timestamp(self, now: float) -> str:
        """Return ISO 8601 UTC with exactly three decimals: six were refused, as was none (observed)."""
        # By way of whole microseconds: 1768519672.373 is a little less than that as a float.
        second, micros = divmod(round(now * 1_000_000), 1_000_000)
        if second != self._second:
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second = second
        return f"{self._prefix}.{micros // 1000:03}Z"


@dataclass(frozen=True, slots=True)
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
    return _code(value) or (clean(value)[:_MAX_CODE] if isinstance(value, str) else "")


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

    def told(key: str, asked: str | None) -> str:
        value = item.get(key)
        return value if isinstance(value, str) else asked or ""

    return ClosedPosition(
        told("instId", request.inst_id) or request.inst_id,
        told("posSide", request.pos_side),
        told("clOrdId", request.cl_ord_id),
        told("tag", request.tag),
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
        raise _unreadable(answer, f"a record without instId or mgnMode: {shown(record)}")
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
