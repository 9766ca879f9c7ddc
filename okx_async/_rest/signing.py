"""From values to bytes: parameters to a body, and its signature (pure).

The bytes signed must be the bytes sent, so bodies and paths are built here and go out unchanged.
https://www.okx.com/docs-v5/en/#overview-rest-authentication
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from binascii import b2a_base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import orjson
from multidict import CIMultiDict, istr

from okx_async._credentials import Credentials
from okx_async._errors import InvalidRequestError
from okx_async._models import ClosePosition
from okx_async._rest.rate_keys import check_inst_id
from okx_async._validation import short_repr

CLOSE_PATH: Final = "/api/v5/trade/close-position"
CONFIG_PATH: Final = "/api/v5/account/config"
POSITIONS_PATH: Final = "/api/v5/account/positions"
TIME_PATH: Final = "/api/v5/public/time"
MAX_POSITIONS_IDS: Final = 10

SIGN: Final = istr("OK-ACCESS-SIGN")
_TIMESTAMP: Final = istr("OK-ACCESS-TIMESTAMP")
_BLOCK: Final = hashlib.sha256().block_size

_MGN_MODES: Final = ("cross", "isolated")  # tuples: a wrong value need not be hashable
_POS_SIDES: Final = ("net", "long", "short")
# Spelt out, because \d, \w and isalnum() take digits and letters of every alphabet.
_CCY: Final = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_CL_ORD_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}")
_TAG: Final = re.compile(r"[A-Za-z0-9]{1,16}")


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
            f"inst_ids must be a list of 1 to {MAX_POSITIONS_IDS} instrument ids, got {short_repr(inst_ids)}"
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
        raise InvalidRequestError(f"request must be a ClosePosition, got {short_repr(request)}")
    check_inst_id(request.inst_id)
    if request.mgn_mode not in _MGN_MODES:
        raise InvalidRequestError(f"mgn_mode must be 'cross' or 'isolated', got {short_repr(request.mgn_mode)}")
    params: dict[str, str | bool] = {"instId": request.inst_id, "mgnMode": request.mgn_mode}
    if request.pos_side is not None:
        if request.pos_side not in _POS_SIDES:
            raise InvalidRequestError(
                f"pos_side must be 'net', 'long', 'short' or None, got {short_repr(request.pos_side)}"
            )
        params["posSide"] = request.pos_side
    if request.ccy is not None:
        rule = "1 to 32 ASCII letters, digits, '_', '.' or '-'"
        params["ccy"] = _matching(_CCY, request.ccy, "ccy", rule)
    if not isinstance(request.auto_cxl, bool):  # "false" would be taken for true
        raise InvalidRequestError(f"auto_cxl must be True or False, got {short_repr(request.auto_cxl)}")
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
        raise InvalidRequestError(f"{name} must be {rule}, or None, got {short_repr(value)}")
    return value


def sign(secret_key: str, timestamp: str, method: str, request_path: str, body: bytes) -> str:
    """Return the value of the OK-ACCESS-SIGN header.

    Base64 of HMAC-SHA256 over timestamp + method + request_path + body: timestamp as ISO 8601
    UTC with milliseconds, request_path with its query and without the host, body as sent.

    https://www.okx.com/docs-v5/en/#overview-rest-authentication-signature
    """
    prehash = f"{timestamp}{method}{request_path}".encode() + body
    return b64encode(hmac.digest(secret_key.encode(), prehash, "sha256")).decode()


def _keyed(key: bytes) -> tuple[hashlib._Hash, hashlib._Hash]:
    """Return the two halves of HMAC-SHA256 (RFC 2104) with the key in them: for each message they are copied.

    That is half the price of copying an `hmac.HMAC`, which is written in Python.
    """
    key = (key if len(key) <= _BLOCK else hashlib.sha256(key).digest()).ljust(_BLOCK, b"\0")
    return hashlib.sha256(bytes(byte ^ 0x36 for byte in key)), hashlib.sha256(bytes(byte ^ 0x5C for byte in key))


class Signer:
    """Makes the headers of signed requests for one set of credentials."""

    __slots__ = ("_get", "_inner", "_outer", "_post", "_prefix", "_repr", "_second")

    def __init__(self, credentials: Credentials, *, demo: bool) -> None:
        self._inner, self._outer = _keyed(credentials.secret_key.encode())
        headers = {
            "OK-ACCESS-KEY": credentials.api_key,
            "OK-ACCESS-PASSPHRASE": credentials.passphrase,
            "Accept-Encoding": "identity",  # answers are a few hundred bytes: nothing to gain
        }
        if demo:
            # https://www.okx.com/docs-v5/en/#overview-demo-trading-services; no part of what is signed
            headers["x-simulated-trading"] = "1"
        # As aiohttp would make them of a dictionary, for each request anew.
        self._get = CIMultiDict({istr(name): value for name, value in headers.items()})
        self._post = CIMultiDict({**self._get, istr("Content-Type"): "application/json"})
        self._second: int | None = None
        self._prefix = ""
        self._repr = f"Signer({credentials!r}, demo={demo})"

    def __repr__(self) -> str:
        return self._repr

    def headers(self, method: str, path: str, body: bytes, now: float) -> CIMultiDict[str]:
        """Return the headers of a request written at `now` (wall clock, Unix seconds).

        The exchange refuses a timestamp 30 s away from its own clock: sign after every wait.
        """
        # By way of whole microseconds: 1768519672.373 is a little less than that as a float.
        second, micros = divmod(round(now * 1_000_000), 1_000_000)
        if second != self._second:
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second = second
        # Exactly three decimals: six were refused, as was none (observed).
        timestamp = f"{self._prefix}.{micros // 1000:03}Z"
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(f"{timestamp}{method}{path}".encode() + body)
        outer.update(inner.digest())
        headers = (self._post if method == "POST" else self._get).copy()
        headers[_TIMESTAMP] = timestamp
        headers[SIGN] = b2a_base64(outer.digest(), newline=False).decode()
        return headers
