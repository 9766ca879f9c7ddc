"""The orders that are still pending after everything was closed: ordinary ones and algo orders.

https://www.okx.com/docs-v5/en/#order-book-trading-trade-get-order-list
https://www.okx.com/docs-v5/en/#order-book-trading-algo-trading-get-algo-order-list
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple, cast

from okx_async._calls.caller import Calls
from okx_async._calls.gather import gather_in_turns
from okx_async._calls.sender import Job
from okx_async._errors import OkxError, OutcomeUnknownError
from okx_async._flatten.report import OpenOrder
from okx_async._models import PosSide
from okx_async._quota import Priority, Quota
from okx_async._rest.responses import Answer

logger = logging.getLogger("okx_async")

_ALGO: Final = ("trade/orders-algo-pending", Quota(20, 2.0))


class _List(NamedTuple):
    """One list of pending orders: what is asked for, and the field that its pages go by."""

    endpoint: str
    quota: Quota
    asked: str
    field: str


LISTS: Final = (
    _List("trade/orders-pending", Quota(60, 2.0), "", "ordId"),
    _List(*_ALGO, "ordType=conditional,oco", "algoId"),
    _List(*_ALGO, "ordType=trigger", "algoId"),
    _List(*_ALGO, "ordType=move_order_stop", "algoId"),
)
PAGE: Final = 100
MOST_PAGES: Final = 50
MOST_NAMED: Final = 5
"""Instruments that are asked for one by one; for more of them, the orders of all instruments are read."""
_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_ID: Final = re.compile(r"[0-9A-Za-z]{1,40}")


async def open_orders(
    calls: Calls, inst_ids: Collection[str] | None, priority: Priority, by: float
) -> tuple[OpenOrder, ...] | None:
    """Return the pending orders, or None if not all could be read in time.

    Args:
        calls: Makes the calls.
        inst_ids: The instruments whose orders are needed, None for all; orders of others may be returned too.
        priority: The lane in which the calls wait for their slots.
        by: Until when to read, by the loop's clock.
    """
    few = inst_ids is not None and len(inst_ids) <= MOST_NAMED
    names = [f"instId={inst_id}" for inst_id in inst_ids or ()] if few else [""]
    try:
        async with asyncio.timeout_at(by):
            lists = await gather_in_turns(
                lambda question: _pages(calls, priority, *question),
                [(each, named) for each in LISTS for named in names],
            )
    except TimeoutError:
        logger.warning("pending orders were not read in time")
        return None
    except OkxError as failure:
        logger.warning("pending orders could not be read: %s", failure)
        return None
    return tuple(order for found in lists for order in found)


async def _pages(calls: Calls, priority: Priority, which: _List, named: str) -> list[OpenOrder]:
    """Return all orders of one list, read page by page; raises OkxError."""
    found: dict[str, OpenOrder] = {}
    after = ""
    for _ in range(MOST_PAGES):
        query = "&".join(word for word in (which.asked, named, after and f"after={after}") if word)
        path = f"/api/v5/{which.endpoint}{'?' * bool(query)}{query}"
        answer, _attempts = await calls.call(Job("GET", path, b"", which.endpoint, which.quota), priority, None)
        page = orders(answer)
        found |= {order.algo_id or order.ord_id: order for order in page}
        last = str(page[-1].raw.get(which.field)) if page else ""
        if len(page) < PAGE:
            return list(found.values())
        if not _ID.fullmatch(last) or last == after:
            break
        after = last
    raise OutcomeUnknownError(f"{which.endpoint}: more than {len(found)} orders, not all could be read")


def orders(answer: Answer) -> list[OpenOrder]:
    """Return the orders that an answer lists; raises OutcomeUnknownError unless that is certain."""
    if not answer.ok or not answer.listed:
        raise _unreadable(answer, "the answer is no list of orders")
    return [_order(answer, record) for record in answer.data]


def _order(answer: Answer, record: Mapping[str, Any]) -> OpenOrder:
    def text(key: str) -> str:
        value = record.get(key)
        return value if isinstance(value, str) else ""

    if not text("instId") or not (text("ordId") or text("algoId")):
        raise _unreadable(answer, "a record without instId or without an id")
    return OpenOrder(
        inst_id=text("instId"),
        ord_type=text("ordType"),
        side=text("side"),
        pos_side=cast("PosSide", text("posSide") or "net"),
        sz=Decimal(text("sz")) if _NUMBER.fullmatch(text("sz")) else None,
        reduce_only=text("reduceOnly") == "true",
        state=text("state"),
        ord_id="" if text("algoId") else text("ordId"),
        algo_id=text("algoId"),
        cl_ord_id=text("algoClOrdId") or text("clOrdId"),
        raw=record,
    )


def _unreadable(answer: Answer, reason: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"pending orders could not be read: {reason}", code=answer.code, status=answer.status, message=answer.message
    )
