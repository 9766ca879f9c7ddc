"""The exchange's codes, each with its HTTP status and message, and the shapes of error bodies.

Statuses are those of the exchange's REST error table, except 50119 (200 there, 401 observed). The usual body is
``{"code":"51023","data":[],"msg":"…"}``; other shapes were observed too, some for certain codes only.

https://www.okx.com/docs-v5/en/#error-code
"""

from http import HTTPStatus
from typing import Any, Literal, TypeAlias, get_args

import orjson

from okx_async.simulator.api.situations import situation_of

Shape: TypeAlias = Literal["full", "bare", "object", "integer", "item", "suffix"]
"""full: ``data`` is ``[]``; bare: no ``data``; object: ``data`` is ``{}``; integer: the code is a number; item: code
"1" outside, ``sCode`` and ``sMsg`` inside; suffix: ``_1000`` after the code."""
SHAPES: tuple[Shape, ...] = get_args(Shape)

_CODES: dict[str, tuple[int, str]] = {
    "50000": (400, "Body for POST request cannot be empty."),
    "50001": (503, "Service temporarily unavailable. Try again later."),
    "50002": (400, "JSON syntax error"),
    "50004": (
        400,
        "API endpoint request timeout (does not mean that the request was successful or failed, check the result).",
    ),
    "50005": (410, "API endpoint is inactive or unavailable."),
    "50006": (400, 'Invalid Content-Type. Please use "application/JSON".'),
    "50009": (200, "Account is suspended from trading because of a stop-out."),
    "50011": (429, "Too Many Requests"),
    "50013": (429, "Systems are busy. Please try again later."),
    "50014": (400, "Parameter cannot be empty."),
    "50015": (400, "Either parameter instFamily or uly is required."),
    "50017": (200, "Position frozen due to ADL. Operation restricted."),
    "50018": (200, "Currency frozen due to ADL. Operation restricted."),
    "50019": (200, "Account frozen due to ADL. Operation restricted."),
    "50020": (200, "Position frozen due to liquidation. Operation restricted."),
    "50021": (200, "Currency frozen due to liquidation. Operation restricted."),
    "50022": (200, "Account frozen due to liquidation. Operation restricted."),
    "50025": (200, "Parameter count exceeds the limit."),
    "50026": (500, "System error. Try again later."),
    "50027": (200, "The account is restricted from trading."),
    "50035": (403, "This endpoint requires that APIKey must be bound to IP."),
    "50036": (200, "The expTime can't be earlier than the current system time."),
    "50061": (200, "Sub-account rate limit exceeded."),
    "50100": (400, "API frozen, please contact customer service."),
    "50101": (401, "APIKey does not match current environment."),
    "50102": (401, "Timestamp request expired."),
    "50103": (401, 'Request header "OK-ACCESS-KEY" cannot be empty.'),
    "50104": (401, 'Request header "OK-ACCESS-PASSPHRASE" cannot be empty.'),
    "50105": (401, 'Request header "OK-ACCESS-PASSPHRASE" incorrect.'),
    "50106": (401, 'Request header "OK-ACCESS-SIGN" cannot be empty.'),
    "50107": (401, 'Request header "OK-ACCESS-TIMESTAMP" cannot be empty.'),
    "50110": (401, "Your IP is not included in your API key's IP whitelist."),
    "50111": (401, "Invalid OK-ACCESS-KEY"),
    "50112": (401, "Invalid OK-ACCESS-TIMESTAMP"),
    "50113": (401, "Invalid Sign"),
    "50115": (405, "Invalid request method."),
    "50119": (401, "API key doesn't exist"),
    "50120": (200, "This API key doesn't have permission to use this function."),
    "51000": (400, "Parameter error"),
    "51001": (200, "Instrument ID does not exist."),
    "51015": (200, "Instrument ID does not match instrument type."),
    "51016": (200, "clOrdId already exists."),
    "51020": (200, "Your order should meet or exceed the minimum order amount."),
    "51021": (200, "The contract is not listed yet."),
    "51022": (200, "Contract suspended."),
    "51023": (200, "Position doesn't exist."),
    "51024": (200, "Trading account is blocked."),
    "51029": (200, "Contract is being settled."),
    "51030": (200, "Funding fee is being settled."),
    "51032": (200, "Closing all the positions at the market price."),
    "51043": (200, "This isolated position doesn't exist."),
    "51054": (500, "Request timed out. Please try again."),
    "51066": (200, "Market orders unsupported in options trading. Place a limit order to close your position."),
    "51108": (200, "Positions exceed the limit for closing at the market price. Close in batches."),
    "51109": (200, "No available offers."),
    "51110": (200, "You can only place a limit order after Call Auction has started."),
    "51112": (200, "Close order size exceeds the available size for this position."),
    "51113": (429, "Market-price liquidation requests too frequent."),
    "51115": (429, "Cancel all pending close orders before liquidation."),
    "51121": (200, "Order quantity must be a multiple of the lot size."),
    "51149": (
        500,
        "Order timed out (does not mean that the request was successful or failed). Please try again later.",
    ),
    "51156": (200, "You are leading trades and cannot close positions through this endpoint."),
    "51169": (
        200,
        "Order failed because you don't have any positions in this direction for this contract to reduce or close.",
    ),
    "51342": (200, "Closing order already exists. Please try again later."),
    "51400": (200, "Order cancellation failed as the order has been filled, canceled or does not exist."),
    "51406": (400, "The number of orders to cancel exceeds the limit."),
    "51603": (200, "Order does not exist."),
    "59000": (200, "Setting failed. Cancel any open orders and close all positions first."),
}

_BARE = {"50101", "50119"}  # observed without `data`


class Refused(Exception):  # noqa: N818 - an answer of the exchange, not a failure of this program
    """A refusal of the exchange.

    Args:
        code: Its code.
        message: A message in place of the table's; "" (by default): the table's.
        situation: The name of what is wrong; by default what the code usually tells.
    """

    def __init__(self, code: str, message: str = "", situation: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.situation = situation or situation_of(code)


def status_of(code: str) -> int:
    """Return the HTTP status of a code; 200 for one that the table does not list."""
    return _CODES.get(code, (200, ""))[0]


def words_of(code: str) -> str:
    """Return the message of a code."""
    return _CODES.get(code, (200, "Operation failed."))[1]


def error_body(code: str, message: str = "", shape: Shape | None = None) -> bytes:
    """Return the JSON body of an error.

    Args:
        code: The code.
        message: The message; by default that of the table.
        shape: See Shape; by default the one observed for that code.
    """
    words = message or words_of(code)
    body: dict[str, Any]
    match shape or ("bare" if code in _BARE else "full"):
        case "bare":
            body = {"msg": words, "code": code}
        case "object":
            body = {"code": code, "data": {}, "msg": words}
        case "integer":
            body = {"code": int(code) if code.isdecimal() else code, "data": [], "msg": words}
        case "item":
            item = {"clOrdId": "", "ordId": "", "sCode": code, "sMsg": words, "tag": ""}
            body = {"code": "1", "data": [item], "msg": ""}
        case "suffix":
            body = {"code": f"{code}_1000", "data": [], "msg": words}
        case "full":
            body = {"code": code, "data": [], "msg": words}
    return orjson.dumps(body)


def http_error_body(status: int) -> bytes:
    """Return the body of an HTTP error outside the API, whose code is the status, a number (observed for 404, 500)."""
    words = HTTPStatus(status).phrase
    body = {
        "code": status,
        "data": {},
        "detailMsg": "",
        "error_code": str(status),
        "error_message": words,
        "msg": words,
    }
    return orjson.dumps(body)
