"""The way back: what a rehearsal has opened is closed, its orders are cancelled, and the exchange says so.

What is certainly the rehearsal's own is closed (see `ownership`). Anything else stays: it is told, and where it may be
the rehearsal's all the same, or where an order was filled and no reading has shown it, the notes are kept.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from okx_async._client import Client
from okx_async._errors import OkxError, OutcomeUnknownError
from okx_async._flatten.report import FlattenRow
from okx_async._models import Position
from okx_async._quota import Quota
from okx_async._rest.records import positions as read_records
from okx_async._rest.records import unreadable_positions
from okx_async._rest.requests import ORDER_LISTS, cancel_batches, cancel_orders, positions
from okx_async.rehearsal.exchanges import current_trial
from okx_async.rehearsal.ledger import Ledger
from okx_async.rehearsal.ownership import Noted, Whose, address_of, is_ended_by, is_gone_by, is_listed, whose
from okx_async.rehearsal.pending import pending_orders
from okx_async.rehearsal.stage import LIST_TIME, ORDER_QUOTA
from okx_async.rehearsal.wire import Wire, get

logger = logging.getLogger("okx_async")

STEP: Final = "clean-up"
_LATE: Final = 7.0
"""Seconds after an order was sent until it can be taken no more: its expTime, and two clocks."""
_UNLISTED: Final = 3.0
"""Seconds for which what an order has opened may be missing from readings after another one has shown it."""
_TIME: Final = 30.0
_BETWEEN: Final = 0.3
"""Seconds between two looks."""
_LOOKS: Final = 2
"""How often nothing must be found: one reading may come from a copy of the books that lags."""
_NO_ORDER: Final = frozenset({"51603", "51503", "51001"})
"""Codes by which the exchange does not know an order, or its instrument any more."""
_PENDING: Final = "51115"
_HISTORY: Final = Quota(10, 2.0)


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
    ledger: str = ""
    """The file that still notes what may be open; "": it notes nothing, or what is certainly there."""
    again: bool = True
    """Whether a further start may close what is left."""
    untouched: float | None = None
    """Seconds after code 0 at which a position was still listed that a close should have ended; None: there is none."""


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
        self._seen: set[str] = set()
        """The clOrdIds of the orders whose effect a reading has shown."""
        self._taken: dict[tuple[object, ...], float] = {}
        """When the first close of a position that is still there was accepted, in Unix seconds of this machine."""
        self._untouched: float | None = None
        self._barred: dict[tuple[str, str, str], str] = {}
        """Why a position could not be closed, by its address."""

    async def clean(self) -> Left:
        """Close what the noted orders have opened, cancel what rests of them, and prove it; never raises OkxError."""
        token = current_trial.set(STEP)
        try:
            return await self._clean()
        except OkxError as error:
            return self._unasked(f"the exchange could not be asked: {error}")
        except Exception as error:  # an answer in a form of its own is no proof of anything
            logger.exception("the clean-up failed")
            return self._unasked(f"the clean-up itself failed: {type(error).__name__}")
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
                orders, listed = await self._orders(), await self._listed()
                ours = [one for one in listed if one.pos != 0 and whose(one, orders) is not Whose.FOREIGN]
                mine = [one for one in ours if whose(one, orders) is Whose.OURS]
                self._seen |= {order.opening.cl_ord_id for order in orders for one in ours if is_listed(order, one)}
                cancelled = await self._cancel()
                if mine:
                    closed += await self._flatten(mine, max(5.0, deadline - loop.time()))
                if mine or cancelled:
                    quiet = 0
                else:
                    missing = await self._missing(orders, listed)
                    quiet = 0 if self._may_come(orders, missing) else quiet + 1
                    if quiet == _LOOKS:
                        return self._end(listed, orders, missing, closed)
            except OkxError:
                if loop.time() >= deadline:
                    raise
            if loop.time() >= deadline:
                return self._late(mine, closed)
            await asyncio.sleep(_BETWEEN)
        return Left(flat=True, certain=True)

    def _unasked(self, why: str) -> Left:
        """Return the end of a clean-up that could not look; without the file no further start knows what to close."""
        if self._ledger.path.exists():
            return Left(flat=False, certain=False, words=(why,))
        return Left(
            flat=False, certain=False, words=(why, f"{self._ledger.path}, which noted it, is gone"), again=False
        )

    def _late(self, mine: Collection[Position], closed: int) -> Left:
        """Return the end of a clean-up that has no time left."""
        words = [_words(one) + self._barred.get(address_of(one), "") for one in mine]
        if not words:
            words, ledger = [f"no proof within {_TIME:g} s"], str(self._ledger.path)
            return Left(flat=False, certain=False, words=tuple(words), closed=closed, ledger=ledger)
        return Left(flat=False, certain=True, words=tuple(words), closed=closed, untouched=self._untouched)

    def _end(
        self, listed: Collection[Position], orders: Collection[Noted], missing: Collection[Noted], closed: int
    ) -> Left:
        """Return the end of a clean-up after which nothing is there that is certainly the rehearsal's."""
        foreign = []
        doubtful = [
            f"{_opened(one)}: its order was filled, and no reading has shown that"
            if one.ended
            else f"{_opened(one)}: its order has not ended ({one.order.get('state')})"
            for one in missing
        ]
        for position in listed:
            if position.pos == 0 or not any(order.is_at(position) for order in orders):
                continue
            if whose(position, orders) is Whose.FOREIGN:
                foreign.append(f"{_words(position)}: opened by another program meanwhile, left alone")
            else:
                doubtful.append(f"{_words(position)}, of which the rehearsal may have opened a part")
        if doubtful:
            words, ledger = (*doubtful, *foreign), str(self._ledger.path)
            return Left(flat=False, certain=False, words=words, closed=closed, ledger=ledger, again=False)
        try:
            self._ledger.clear()
        except OSError as error:
            foreign.append(f"{self._ledger.path} cannot be written: {error.strerror}; the next start looks again")
        return Left(flat=True, certain=True, words=tuple(foreign), closed=closed)

    async def _orders(self) -> list[Noted]:
        """Return the noted orders, as the exchange knows them."""
        found: list[Noted] = []
        for opening in self._ledger.openings:
            path = f"trade/order?instId={opening.inst_id}&clOrdId={opening.cl_ord_id}"
            reply = await self._wire.ask(get(path, f"trade/order? {opening.inst_id}", ORDER_QUOTA))
            known = reply.code == "0" and reply.data
            if not known and reply.code.partition("_")[0] not in _NO_ORDER:
                raise OutcomeUnknownError(f"trade/order answered {reply.told()}", code=reply.answer.code)
            found.append(Noted(opening, reply.data[0] if known else {}))
        return found

    async def _listed(self) -> list[Position]:
        """Return what is listed on the noted instruments, flat or open."""
        reply = await self._wire.ask(positions(sorted({opening.inst_id for opening in self._ledger.openings})))
        listing = read_records(reply.answer)
        if listing.unreadable:
            raise unreadable_positions(listing.unreadable)
        return listing.positions

    async def _missing(self, orders: Collection[Noted], listed: Collection[Position]) -> list[Noted]:
        """Return the orders of which it is not told what became: filled and not shown since, or not ended."""
        missing = [order for order in orders if order.order and (order.filled or not order.ended)]
        missing = [
            order
            for order in missing
            if not order.ended
            or not (order.opening.cl_ord_id in self._seen or any(is_gone_by(order, one) for one in listed))
        ]
        for inst_id in sorted({order.opening.inst_id for order in missing if order.ended}):
            path = f"account/positions-history?instId={inst_id}"
            reply = await self._wire.ask(get(path, "account/positions-history", _HISTORY))
            missing = [
                order for order in missing if not (order.ended and any(is_ended_by(order, one) for one in reply.data))
            ]
        return missing

    async def _cancel(self) -> bool:
        """Cancel what rests of a rehearsal on the noted instruments; return whether there was anything."""
        found = False
        runs = {opening.run for opening in self._ledger.openings}
        for inst_id in sorted({opening.inst_id for opening in self._ledger.openings}):
            orders = await pending_orders(self._wire, inst_id, ORDER_LISTS[:1])
            mine = [order for order in orders if order.ord_id and order.cl_ord_id.startswith(tuple(runs))]
            for batch in cancel_batches(mine):
                found = True
                await self._wire.ask(cancel_orders(batch))  # the next look tells whether it is gone
        return found

    async def _flatten(self, mine: Sequence[Position], seconds: float) -> int:
        """Flatten the rehearsal's positions, and no order beside them; return how many are gone."""
        known = {_identity(position) for position in mine}
        inst_ids = sorted({position.inst_id for position in mine})
        report = await self._client.flatten(
            inst_ids, where=lambda position: _identity(position) in known, auto_cxl=False, deadline=seconds
        )
        for row in report.rows:
            self._learn(row)
        return sum(1 for row in report.rows if row.after is None)

    def _learn(self, row: FlattenRow) -> None:
        """Keep why a position is still there."""
        if row.after is None:
            return
        taken = [attempt.settled for attempt in row.attempts if attempt.code == "0" and attempt.settled]
        if taken:
            first = self._taken.setdefault(_identity(row.position), taken[0])
            self._untouched = max(self._untouched or 0.0, self._wire.now() - self._wire.offset - first)
        if row.error is not None and row.error.code == _PENDING:
            self._barred[address_of(row.position)] = (
                f", which an order that is not the rehearsal's keeps from being closed ({_PENDING}): cancel that order"
            )

    def _may_come(self, orders: Collection[Noted], missing: Collection[Noted]) -> bool:
        """Whether the exchange may still take one of the noted orders, fill it, or list what it has filled."""
        now = self._wire.now()
        if any(not order.ended and now - order.opening.sent < _LATE for order in orders):
            return True
        ended = [order for order in orders if order.ended]
        return any(now - order.to_ms / 1000 < (LIST_TIME if order in missing else _UNLISTED) for order in ended)


def _identity(position: Position) -> tuple[object, ...]:
    return *address_of(position), position.pos_id, position.c_time


def _words(position: Position) -> str:
    return f"{position.inst_id} {position.mgn_mode} {position.pos_side}: {position.pos}"


def _opened(one: Noted) -> str:
    opening = one.opening
    return f"{opening.inst_id} {opening.mgn_mode} {opening.pos_side}: {opening.side} {opening.sz}"
