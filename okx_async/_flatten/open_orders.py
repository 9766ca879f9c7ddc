"""The orders that are still pending after everything was closed: ordinary ones and algo orders.

https://www.okx.com/docs-v5/en/#order-book-trading-trade-get-order-list
https://www.okx.com/docs-v5/en/#order-book-trading-algo-trading-get-algo-order-list
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection
from typing import Final, NamedTuple

from okx_async._calls.caller import Caller
from okx_async._calls.gather import gather_in_turns
from okx_async._errors import OkxError, OutcomeUnknownError
from okx_async._flatten.named import named_or_all
from okx_async._log import logger
from okx_async._models import OpenOrder
from okx_async._quota import Priority
from okx_async._rest.records import orders
from okx_async._rest.requests import ORDER_LISTS, ORDERS_PAGE, ApiRequest, OrderList, is_nameable

MOST_PAGES: Final = 50
MOST_NAMED: Final = 5
"""Instruments that are asked for one by one; for more of them, the orders of all instruments are read."""
MOST_KEPT: Final = 40_000_000
"""Bytes that the orders of all lists may take together, roughly: 8,000 orders as they are usually listed."""
_FIELD_BYTES: Final = 100
_NESTED: Final = 20
"""Bytes in memory for a byte of JSON at most, within a field."""
_ID: Final = re.compile(r"[0-9A-Za-z]{1,40}")


class Listed(NamedTuple):
    """What was read of some lists of pending orders."""

    orders: list[OpenOrder]
    """Those of a list too of which only the first pages could be read."""
    unread: list[str]
    """Why a list could not be read in full, a text for each such list."""


async def open_orders(calls: Caller, inst_ids: Collection[str] | None, priority: Priority, by: float) -> Listed:
    """Return the pending orders of all lists; the arguments are those of `read_lists`."""
    return await read_lists(calls, ORDER_LISTS, inst_ids, priority, by)


async def read_lists(
    calls: Caller, lists: Collection[OrderList], inst_ids: Collection[str] | None, priority: Priority, by: float
) -> Listed:
    """Return the pending orders of these lists, as far as they could be read in time, and why not all could be.

    Args:
        calls: Makes the calls.
        lists: The lists to read.
        inst_ids: The instruments whose orders are needed, None for all; orders of others may be returned too.
        priority: The lane in which the calls wait for their slots.
        by: Until when to read, by the loop's clock.
    """
    few = inst_ids is not None and len(inst_ids) <= MOST_NAMED and all(map(is_nameable, inst_ids))
    names = list(inst_ids or ()) if few else [None]
    room = _Room()

    async def read(question: tuple[OrderList, str | None]) -> tuple[Collection[OpenOrder], str]:
        which, inst_id = question
        found: dict[object, OpenOrder] = {}
        why = ""
        try:
            async with asyncio.timeout_at(by):
                await named_or_all(
                    lambda named: _pages(calls, priority, which, named[0] if named else None, room, found=found),
                    None if inst_id is None else [inst_id],
                )
        except TimeoutError:
            why = f"{which.label} ({which.filter or 'ordinary orders'}) was not read in time"
        except OkxError as failure:
            why = f"{which.label} ({which.filter or 'ordinary orders'}) could not be read: {failure}"
        if why:
            logger.debug("pending orders: %s", why)
        return found.values(), why

    read_ones = await gather_in_turns(read, [(each, named) for each in lists for named in names])
    unread = [why for _, why in read_ones if why]
    if unread:  # mostly all for one reason
        more = f" ({len(unread) - 1} more lists were not read)" if len(unread) > 1 else ""
        logger.warning("pending orders: %s%s", unread[0], more)
    return Listed([order for orders, _ in read_ones for order in orders], unread)


class _Room:
    """The memory that is left for orders."""

    def __init__(self) -> None:
        self._left = MOST_KEPT

    def take(self, page: list[OpenOrder]) -> bool:
        """Return whether there is room for a page."""
        for order in page:
            for value in order.raw.values():
                size = len(value) if isinstance(value, str) else _NESTED * len(str(value))
                self._left -= _FIELD_BYTES + size
        return self._left >= 0


async def _pages(
    calls: Caller,
    priority: Priority,
    which: OrderList,
    inst_id: str | None,
    room: _Room,
    *,
    found: dict[object, OpenOrder],
) -> None:
    """Read all orders of one list into `found`, as far as there is room for them; raises OkxError."""

    async def ask(request: ApiRequest) -> list[OpenOrder]:
        answer, _ = await calls.call(request, priority, None)
        page = orders(answer)
        if not room.take(page):
            raise OutcomeUnknownError(f"{which.label}: the orders are larger than {MOST_KEPT} bytes, not all are read")
        return page

    await read_pages(which, inst_id, ask, found)


async def read_pages(
    which: OrderList,
    inst_id: str | None,
    ask: Callable[[ApiRequest], Awaitable[list[OpenOrder]]],
    found: dict[object, OpenOrder] | None = None,
) -> list[OpenOrder]:
    """Return all orders of one list, read page by page.

    Args:
        which: The list.
        inst_id: Of this instrument only; None: of all.
        ask: Returns the orders of one page; it keeps no answer, whose fields may be large, while the next page comes.
        found: Where the orders are put as they are read, for a caller that needs those before an error too.

    Raises:
        OutcomeUnknownError: There are more pages than are read. What `ask` raises goes on its way.
    """
    found = {} if found is None else found
    after = ""
    for _ in range(MOST_PAGES):
        page = await ask(which.page(inst_id, after))
        found |= {order.algo_id or order.ord_id or repr(order.raw): order for order in page}
        ids = [order.algo_id or order.ord_id for order in page if order.raw.get(which.cursor)]
        last = next(filter(_ID.fullmatch, reversed(ids)), after)  # a record without an id may be the last one
        if len(page) < ORDERS_PAGE:
            return list(found.values())
        if last == after:
            break
        after = last
    raise OutcomeUnknownError(f"{which.label}: more than {len(found)} orders, not all could be read")
