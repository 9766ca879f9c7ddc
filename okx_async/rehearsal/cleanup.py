"""The way back: what a rehearsal has opened is closed, its orders are cancelled, and the exchange says so.

A position is the rehearsal's own if one of the noted orders made it: same instrument, mode and side, opened within that
order's time, and no larger than what was filled. Anything else belongs to the user and stays.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from okx_async._client import Client
from okx_async._errors import OkxError, OutcomeUnknownError
from okx_async._log import logger
from okx_async._models import Position
from okx_async._rest.records import orders as read_orders
from okx_async._rest.records import positions as read_records
from okx_async._rest.records import unreadable_positions
from okx_async._rest.requests import cancel_batches, cancel_orders, positions
from okx_async.rehearsal.exchanges import current_trial
from okx_async.rehearsal.ledger import Ledger, Opening
from okx_async.rehearsal.market import PREFIX
from okx_async.rehearsal.stage import ORDER_QUOTA
from okx_async.rehearsal.wire import Wire, get

STEP: Final = "clean-up"
_NEAR_MS: Final = 2_000
"""By which the time of a position may differ from that of its order."""
_LATE: Final = 7.0
"""Seconds after an order was sent until it can be taken no more: its expTime, and two clocks."""
_UNLISTED: Final = 3.0
"""Seconds for which what an order has opened may be missing from readings."""
_TIME: Final = 30.0
_BETWEEN: Final = 0.3
"""Seconds between two looks."""
_LOOKS: Final = 2
"""How often nothing must be found: one reading may come from a copy of the books that lags."""
_NO_ORDER: Final = frozenset({"51603", "51503", "51001"})
"""Codes by which the exchange does not know an order, or its instrument any more."""
_ENDED: Final = frozenset({"filled", "canceled", "mmp_canceled"})


@dataclass(frozen=True, slots=True)
class Left:
    """How an account was left."""

    flat: bool
    """Whether the exchange said that nothing of the rehearsal is there."""
    certain: bool
    """Whether the exchange could be asked at all."""
    words: tuple[str, ...] = ()
    """What is still there, or cannot be told."""
    closed: int = 0
    """How many positions were closed."""


class Cleaner:
    """Closes what the ledger names.

    Args:
        wire: Asks.
        client: Closes.
        ledger: The notes.
    """

    def __init__(self, wire: Wire, client: Client, ledger: Ledger) -> None:
        self._wire = wire
        self._client = client
        self._ledger = ledger

    async def clean(self) -> Left:
        """Close what the noted orders have opened, cancel what rests of them, and prove it; never raises OkxError."""
        token = current_trial.set(STEP)
        try:
            return await self._clean()
        except OkxError as error:
            return Left(flat=False, certain=False, words=(f"the exchange could not be asked: {error}",))
        except Exception as error:  # an answer in a form of its own is no proof of anything
            logger.exception("the clean-up failed")
            return Left(flat=False, certain=False, words=(f"the clean-up itself failed: {type(error).__name__}",))
        finally:
            current_trial.reset(token)

    async def prove(self, inst_id: str, left: Left) -> Left:
        """Read everything once more, and return `left` with what others have open on an instrument.

        What the rehearsal opened was seen gone before; what is there now is of another program.
        """
        token = current_trial.set(STEP)
        try:
            listing = read_records((await self._wire.ask(positions(None))).answer)
        except OkxError as error:
            return Left(flat=False, certain=False, words=(f"the last reading failed: {error}",), closed=left.closed)
        finally:
            current_trial.reset(token)
        doubtful = [record.reason for record in listing.unreadable]
        foreign = [
            f"{_words(one)}: opened by another program meanwhile, left alone"
            for one in listing.positions
            if one.inst_id == inst_id and one.pos != 0
        ]
        words = (*left.words, *doubtful, *foreign)
        return Left(flat=not doubtful, certain=True, words=words, closed=left.closed)

    async def _clean(self) -> Left:
        loop = asyncio.get_running_loop()
        deadline, closed, quiet = loop.time() + _TIME, 0, 0
        mine: list[Position] = []
        while self._ledger.openings:
            try:
                orders = await self._orders()
                here = await self._here()
                mine = [position for position in here if self._mine(position, orders)]
                cancelled = await self._cancel()
                if mine:
                    closed += await self._flatten(mine, max(5.0, deadline - loop.time()))
                if mine or cancelled:
                    quiet = 0
                elif not self._may_come(orders):
                    quiet += 1
                    if quiet == _LOOKS:
                        return self._end(here, orders, closed)
            except OkxError:
                if loop.time() >= deadline:
                    raise
            if loop.time() >= deadline:
                return Left(flat=False, certain=True, words=tuple(map(_words, mine)), closed=closed)
            await asyncio.sleep(_BETWEEN)
        return Left(flat=True, certain=True)

    def _end(self, here: Collection[Position], orders: Mapping[str, Mapping[str, Any]], closed: int) -> Left:
        """Return the end of a clean-up after which nothing is there that is certainly the rehearsal's."""
        unknown = any(not order for order in orders.values())
        foreign, doubtful = [], []
        for position in here:
            noted = [one for one in self._ledger.openings if _address(one) == _address_of(position)]
            if noted and (unknown or self._begun_with(position, noted, orders)):
                doubtful.append(f"{_words(position)}, of which the rehearsal may have opened a part")
            elif noted:
                foreign.append(f"{_words(position)}: opened by another program meanwhile, left alone")
        if not doubtful:
            self._ledger.clear()
        return Left(flat=not doubtful, certain=True, words=(*doubtful, *foreign), closed=closed)

    async def _orders(self) -> dict[str, Mapping[str, Any]]:
        """Return the noted orders by clOrdId, as the exchange knows them; {} for one that it does not."""
        found: dict[str, Mapping[str, Any]] = {}
        for opening in self._ledger.openings:
            path = f"trade/order?instId={opening.inst_id}&clOrdId={opening.cl_ord_id}"
            reply = await self._wire.ask(get(path, f"trade/order? {opening.inst_id}", ORDER_QUOTA))
            known = reply.code == "0" and reply.data
            if not known and reply.code.partition("_")[0] not in _NO_ORDER:
                raise OutcomeUnknownError(f"trade/order answered {reply.told()}", code=reply.answer.code)
            found[opening.cl_ord_id] = reply.data[0] if known else {}
        return found

    async def _here(self) -> list[Position]:
        """Return what is open on the noted instruments."""
        reply = await self._wire.ask(positions(sorted({opening.inst_id for opening in self._ledger.openings})))
        listing = read_records(reply.answer)
        if listing.unreadable:
            raise unreadable_positions(listing.unreadable)
        return [position for position in listing.positions if position.pos != 0]

    async def _cancel(self) -> bool:
        """Cancel what rests of a rehearsal on the noted instruments; return whether there was anything."""
        found = False
        for inst_id in sorted({opening.inst_id for opening in self._ledger.openings}):
            path = f"trade/orders-pending?instId={inst_id}"
            reply = await self._wire.ask(get(path, "trade/orders-pending", ORDER_QUOTA))
            orders = read_orders(reply.answer)
            mine = [order for order in orders if order.cl_ord_id.startswith(PREFIX) and order.ord_id]
            for batch in cancel_batches(mine):
                found = True
                await self._wire.ask(cancel_orders(batch))  # the next look tells whether it is gone
        return found

    async def _flatten(self, mine: Collection[Position], seconds: float) -> int:
        """Flatten the rehearsal's positions; return how many are gone."""
        known = {_identity(position) for position in mine}
        inst_ids = sorted({position.inst_id for position in mine})
        report = await self._client.flatten(
            inst_ids, where=lambda position: _identity(position) in known, deadline=seconds
        )
        return sum(1 for row in report.rows if row.after is None)

    def _mine(self, position: Position, orders: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether the noted orders have made a position, and all of it."""
        noted = [one for one in self._ledger.openings if _address(one) == _address_of(position)]
        filled = sum((Decimal(str(orders[one.cl_ord_id].get("accFillSz") or 0)) for one in noted), Decimal(0))
        return abs(position.pos) <= filled and self._begun_with(position, noted, orders)

    @staticmethod
    def _begun_with(position: Position, noted: Collection[Opening], orders: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether a position was opened within the time of one of the noted orders."""
        times = (
            (_ms(order.get("cTime")), _ms(order.get("uTime"))) for one in noted if (order := orders[one.cl_ord_id])
        )
        return any(begun - _NEAR_MS <= position.c_time <= ended + _NEAR_MS for begun, ended in times)

    def _may_come(self, orders: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether the exchange may still take one of the noted orders, fill it, or list what it has filled."""
        now = self._wire.now()
        for opening in self._ledger.openings:
            order = orders[opening.cl_ord_id]
            if order.get("state") not in _ENDED:
                if now - opening.sent < _LATE:
                    return True
            elif now - _ms(order.get("uTime")) / 1000 < _UNLISTED:
                return True
        return False


def _address(opening: Opening) -> tuple[str, str, str]:
    return opening.inst_id, opening.mgn_mode, opening.pos_side


def _address_of(position: Position) -> tuple[str, str, str]:
    return position.inst_id, position.mgn_mode, position.pos_side


def _identity(position: Position) -> tuple[object, ...]:
    return *_address_of(position), position.pos_id, position.c_time


def _ms(text: object) -> int:
    return int(str(text)) if str(text).isdecimal() else 0


def _words(position: Position) -> str:
    return f"{position.inst_id} {position.mgn_mode} {position.pos_side}: {position.pos}"
