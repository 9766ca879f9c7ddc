"""The orders that rest on the exchange: all pages of each list, algo orders included."""

from collections.abc import Collection
from typing import Final

from okx_async._errors import RejectedError
from okx_async._flatten.open_orders import read_pages
from okx_async._models import OpenOrder
from okx_async._rest.codes import base_code
from okx_async._rest.records import orders
from okx_async._rest.requests import ORDER_LISTS, ApiRequest, OrderList
from okx_async.rehearsal.wire import Wire

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
    async def ask(request: ApiRequest) -> list[OpenOrder]:
        reply = await wire.ask(request)
        if which.filter and base_code(reply.code) == _UNKNOWN_TYPE:
            return []
        if reply.code != "0":
            raise RejectedError(f"{which.label} answered {reply.told()}", code=reply.answer.code, status=reply.status)
        return orders(reply.answer)

    return await read_pages(which, inst_id, ask)
