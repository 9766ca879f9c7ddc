"""The orders that rest on the exchange: all pages of each list, algo orders included."""

from collections.abc import Collection
from typing import Final

from okx_async._errors import OutcomeUnknownError, RejectedError
from okx_async._models import OpenOrder
from okx_async._rest.codes import base_code
from okx_async._rest.records import orders
from okx_async._rest.requests import ORDER_LISTS, ORDERS_PAGE, OrderList
from okx_async.rehearsal.wire import Wire

MOST_PAGES: Final = 50
_UNKNOWN_TYPE: Final = "51000"
"""Code by which an exchange does not know a type of algo orders: there are none."""


async def pending_orders(
    wire: Wire, inst_id: str | None = None, lists: Collection[OrderList] = ORDER_LISTS
) -> list[OpenOrder]:
    """Return the pending orders of an account.

    Args:
        wire: Asks.
        inst_id: Of this instrument only; None: of all.
        lists: The lists to be read, by default all.

    Raises:
        OkxError: Not all could be read.
    """
    return [order for which in lists for order in await _read(wire, which, inst_id)]


async def _read(wire: Wire, which: OrderList, inst_id: str | None) -> list[OpenOrder]:
    found: dict[str, OpenOrder] = {}
    after = ""
    for _ in range(MOST_PAGES):
        reply = await wire.ask(which.page(inst_id, after))
        if which.filter and base_code(reply.code) == _UNKNOWN_TYPE:
            return []
        if reply.code != "0":
            raise RejectedError(f"{which.label} answered {reply.told()}", code=reply.answer.code, status=reply.status)
        page = orders(reply.answer)
        found |= {order.algo_id or order.ord_id or repr(order.raw): order for order in page}
        if len(page) < ORDERS_PAGE:
            return list(found.values())
        last = page[-1].algo_id or page[-1].ord_id
        if not last or last == after:
            break
        after = last
    raise OutcomeUnknownError(f"{which.label}: more than {len(found)} orders, not all could be read")
