"""Every endpoint that the library calls: path, quota, parameters and body.

The bytes signed must be the bytes sent, so paths and bodies are built here and go out unchanged.
https://www.okx.com/docs-v5/en/#overview-rest-authentication-signature
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote

import orjson

from okx_async._errors import InvalidRequestError
from okx_async._models import ClosePosition, OpenOrder
from okx_async._quota import Quota
from okx_async._rest.rate_keys import check_inst_id, order_scope
from okx_async._validation import is_one_of, short_repr
from okx_async._words import CCY, INST_ID, ListedText

CLOSE_PATH: Final = "/api/v5/trade/close-position"
POSITIONS_PATH: Final = "/api/v5/account/positions"
MAX_POSITIONS_IDS: Final = 10
"""Instrument ids that one request for positions may name."""

_MGN_MODES: Final = ("cross", "isolated")
_POS_SIDES: Final = ("net", "long", "short")
# Spelt out, because \d, \w and isalnum() accept digits and letters of every alphabet.
_CL_ORD_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}")
_TAG: Final = re.compile(r"[A-Za-z0-9]{1,16}")


@dataclass(slots=True)  # not frozen: one is made for each close
class ApiRequest:
    """One request: what is sent, and what the exchange counts it by."""

    method: Literal["GET", "POST"]
    path: str
    """Path and query, as signed."""
    body: bytes
    label: str
    """Its name in messages and rate keys: an instrument id, or an endpoint such as "account/positions"."""
    quota: Quota | None = None
    """The quota of an endpoint other than close-position; None: the limiter's own."""
    needs_user_id: bool = True
    """Whether it waits until the user id is known."""
    signed: bool = True
    """Whether it carries a signature; without one the exchange counts it by IP address."""
    itemized: bool = False
    """Whether each item of the answer has a code of its own, so that the request is decided item by item."""
    longest: int = 1 << 20
    """Most bytes of its answer that are read."""

    @property
    def writes(self) -> bool:
        """Whether it may change something at the exchange."""
        return self.method != "GET"

    @property
    def names_a_swap(self) -> bool:
        """Whether it is about a SWAP id, as a close or in its query."""
        return self.label.endswith("-SWAP") or "-SWAP" in self.path


# What the exit needs before its first close has tokens of its own (reserve), which only PANIC may take: nothing that a
# strategy reads in a loop may stand before it.
# https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-account-configuration: counted by user id.
ACCOUNT_CONFIG: Final = ApiRequest(
    "GET", "/api/v5/account/config", b"", "account/config", Quota(5, 2.0, reserve=2), needs_user_id=False
)
# https://www.okx.com/docs-v5/en/#public-data-rest-api-get-system-time: counted by IP address.
PUBLIC_TIME: Final = ApiRequest(
    "GET", "/api/v5/public/time", b"", "public/time", Quota(10, 2.0, reserve=2), needs_user_id=False, signed=False
)
# https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-positions: counted by user id. A calm flatten reads three
# or four times within one window.
POSITIONS_QUOTA: Final = Quota(10, 2.0, reserve=4)
POSITIONS_LONGEST: Final = 8 << 20
"""Most bytes of a list of positions, which has no pages: 5,000 records of 1.6 kB."""


def close_position(request: ClosePosition) -> ApiRequest:
    """Return the request that closes a position.

    Raises InvalidRequestError that names the field, the rule and the value.
    https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-close-positions
    """
    return ApiRequest("POST", CLOSE_PATH, close_body(request), request.inst_id)


def positions(inst_ids: Sequence[str] | None) -> ApiRequest:
    """Return the request that lists positions: of all instruments, or of 1 to 10 named ones.

    The comma stays raw: a client that quotes it anew would send other bytes than were signed.
    https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-positions
    """
    path = positions_path(inst_ids)
    return ApiRequest("GET", path, b"", "account/positions", POSITIONS_QUOTA, longest=POSITIONS_LONGEST)


@dataclass(frozen=True, slots=True)
class OrderList:
    """One list of pending orders, read page by page."""

    label: str
    quota: Quota
    filter: str
    """The part of the query that selects the list, "" if there is none."""
    cursor: str
    """The field of the last record from which the next page goes on."""

    def page(self, inst_id: str | None, after: str) -> ApiRequest:
        """Return the request for one page: of one instrument or all (None), beginning behind the id `after` ("")."""
        words = (self.filter, inst_id and f"instId={inst_id}", after and f"after={after}")
        query = "&".join(word for word in words if word)
        return ApiRequest("GET", f"/api/v5/{self.label}{'?' * bool(query)}{query}", b"", self.label, self.quota)


_ALGO: Final = ("trade/orders-algo-pending", Quota(20, 2.0))

# https://www.okx.com/docs-v5/en/#order-book-trading-trade-get-order-list
# https://www.okx.com/docs-v5/en/#order-book-trading-algo-trading-get-algo-order-list
ORDER_LISTS: Final = (
    OrderList("trade/orders-pending", Quota(60, 2.0), "", "ordId"),
    OrderList(*_ALGO, "ordType=conditional,oco", "algoId"),
    OrderList(*_ALGO, "ordType=trigger", "algoId"),
    OrderList(*_ALGO, "ordType=move_order_stop", "algoId"),
    OrderList(*_ALGO, "ordType=iceberg", "algoId"),
    OrderList(*_ALGO, "ordType=twap", "algoId"),
    OrderList(*_ALGO, "ordType=chase", "algoId"),
    OrderList(*_ALGO, "ordType=smart_iceberg", "algoId"),
)
ORDERS_PAGE: Final = 100
"""Records on a full page of such a list."""


# The exchange counts orders and not requests: 300 ordinary ones and 20 algo orders in 2 s, by user id and instrument or
# option family. So many full requests keep both limits, and a request that is not full spends as much.
# https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-cancel-multiple-orders
# https://www.okx.com/docs-v5/en/#order-book-trading-algo-trading-post-cancel-algo-order
MOST_CANCELS: Final = 20
MOST_ALGO_CANCELS: Final = 10
_CANCEL_QUOTA: Final = Quota(15, 2.0)
_ALGO_CANCEL_QUOTA: Final = Quota(2, 2.0)


def cancel_batches(orders: Sequence[OpenOrder]) -> list[list[OpenOrder]]:
    """Return the orders in parts for one request each: of one rate key, and of one kind, ordinary or algo."""
    parts: dict[tuple[bool, str], list[OpenOrder]] = {}
    for order in orders:
        parts.setdefault((bool(order.algo_id), order_scope(order.inst_id)), []).append(order)
    found = []
    for (algo, _), part in parts.items():
        size = MOST_ALGO_CANCELS if algo else MOST_CANCELS
        found += [part[first : first + size] for first in range(0, len(part), size)]
    return found


def cancel_orders(batch: Sequence[OpenOrder]) -> ApiRequest:
    """Return the request that cancels one part of `cancel_batches`; its orders name instrument and id."""
    name, quota = _CANCELS[bool(batch[0].algo_id)]
    body = orjson.dumps([_named_order(order) for order in batch])
    label = f"{name} {order_scope(batch[0].inst_id)}"
    return ApiRequest("POST", f"/api/v5/{name}", body, label, quota, itemized=True)


_CANCELS: Final = (("trade/cancel-batch-orders", _CANCEL_QUOTA), ("trade/cancel-algos", _ALGO_CANCEL_QUOTA))


def _named_order(order: OpenOrder) -> dict[str, str]:
    name = {"algoId": order.algo_id} if order.algo_id else {"ordId": order.ord_id}
    return {"instId": order.inst_id} | name


def positions_path(inst_ids: Sequence[str] | None) -> str:
    """Return path and query of the request for positions."""
    if inst_ids is None:
        return POSITIONS_PATH
    # No ids must never mean all positions, and a bare string is no list of its letters.
    if isinstance(inst_ids, str) or not 1 <= len(inst_ids) <= MAX_POSITIONS_IDS:
        raise InvalidRequestError(
            f"inst_ids must be a list of 1 to {MAX_POSITIONS_IDS} instrument ids, got {short_repr(inst_ids)}"
        )
    for inst_id in inst_ids:
        check_inst_id(inst_id)
    return f"{POSITIONS_PATH}?instId={','.join(quote(inst_id, safe='') for inst_id in inst_ids)}"


def is_nameable(inst_id: str) -> bool:
    """Return whether a query may name an instrument; of all others, everything is read."""
    return INST_ID.fullmatch(inst_id) is not None


def close_body(request: ClosePosition) -> bytes:
    """Return the body of a close, with the parameters that were asked for and no others.

    Words that the exchange listed stand there as listed; all others are checked.
    """
    if not isinstance(request, ClosePosition):
        raise InvalidRequestError(f"request must be a ClosePosition, got {short_repr(request)}")
    check_inst_id(request.inst_id)
    if not (is_one_of(request.mgn_mode, _MGN_MODES) or isinstance(request.mgn_mode, ListedText)):
        raise InvalidRequestError(f"mgn_mode must be 'cross' or 'isolated', got {short_repr(request.mgn_mode)}")
    params: dict[str, str | bool] = {"instId": request.inst_id, "mgnMode": request.mgn_mode}
    if request.pos_side is not None:
        if not (is_one_of(request.pos_side, _POS_SIDES) or isinstance(request.pos_side, ListedText)):
            raise InvalidRequestError(
                f"pos_side must be 'net', 'long', 'short' or None, got {short_repr(request.pos_side)}"
            )
        params["posSide"] = request.pos_side
    if request.ccy is not None:
        rule = "1 to 32 ASCII letters, digits, '_', '.' or '-'"
        listed = isinstance(request.ccy, ListedText)
        params["ccy"] = request.ccy if listed else _matching(CCY, request.ccy, "ccy", rule)
    if not isinstance(request.auto_cxl, bool):  # "false" would be taken for true
        raise InvalidRequestError(f"auto_cxl must be True or False, got {short_repr(request.auto_cxl)}")
    if request.auto_cxl:
        params["autoCxl"] = True
    if request.cl_ord_id is not None:
        rule = "1 to 32 ASCII letters and digits"
        params["clOrdId"] = _matching(_CL_ORD_ID, request.cl_ord_id, "cl_ord_id", rule)
    if request.tag is not None:
        params["tag"] = check_tag(request.tag) or ""
    return orjson.dumps(params)


def check_tag(tag: str | None) -> str | None:
    """Return the tag of a close, None for none; raises InvalidRequestError."""
    return None if tag is None else _matching(_TAG, tag, "tag", "1 to 16 ASCII letters and digits")


def _matching(pattern: re.Pattern[str], value: object, name: str, rule: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise InvalidRequestError(f"{name} must be {rule}, or None, got {short_repr(value)}")
    return value
