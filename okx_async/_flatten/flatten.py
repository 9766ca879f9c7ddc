"""The whole flatten: a first reading, the legs, the last reading, and the report.

The last reading covers everything in the filter and is begun after every leg came to rest. Should it list a position
again that seemed gone, or should something else be left to do, the legs go on, until it agrees or the time is over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from inspect import iscoroutine
from typing import Final

from okx_async._callbacks import notify
from okx_async._calls.caller import Caller
from okx_async._calls.gather import gather_in_turns
from okx_async._errors import InvalidRequestError
from okx_async._flatten.engine import Pursuit
from okx_async._flatten.guard import Reading, Sight, is_flat
from okx_async._flatten.leg import APART, Leg, Move, newcomers
from okx_async._flatten.open_orders import open_orders
from okx_async._flatten.report import FlattenReport, FlattenRow, FlattenState
from okx_async._models import ClosePosition, OpenOrder, Position
from okx_async._quota import Priority
from okx_async._validation import short_repr

logger = logging.getLogger("okx_async")

GRACE: Final = 1.0
"""Seconds after the deadline, or after the last answer if that is later, for a last reading of what is left."""
GONE: Final = frozenset({FlattenState.CLOSED, FlattenState.ALREADY_FLAT})


class Flattening:
    """One flatten; for a single run."""

    def __init__(
        self,
        calls: Caller,
        *,
        inst_ids: Sequence[str] | None,
        where: Callable[[Position], object] | None,
        auto_cxl: bool,
        deadline: float,
        priority: Priority,
        on_progress: Callable[[FlattenRow], object] | None,
    ) -> None:
        self._calls = calls
        self._inst_ids = inst_ids
        self._named = None if inst_ids is None else frozenset(inst_ids)
        self._where = where
        self._auto_cxl = auto_cxl
        self._priority = priority
        self._on_progress = on_progress
        self._loop = asyncio.get_running_loop()
        self._begun = self._loop.time()
        self._deadline = self._begun + deadline
        self._pursuit = Pursuit(calls, inst_ids, priority, deadline=self._deadline, changed=self._changed)
        self._orders: tuple[OpenOrder, ...] | None = None
        self._last: Reading | None = None
        """The last reading, if nothing was to be done any more when it was begun."""

    async def run(self) -> FlattenReport:
        """Flatten; raises what the first reading meets, and nothing else.

        A CancelledError has a note for each position of which a close is on the wire, or was taken and is not proven.
        """
        pursuit = self._pursuit
        try:
            first = await pursuit.readings.first(self._deadline - self._begun)
            self._take_up(first, [position for position in first.positions if self._chosen(position)])
            done = False
            while not done:
                await gather_in_turns(pursuit.follow, [leg for leg in pursuit.legs if self._restless(leg)])
                done = await self._conclude(first)
        except asyncio.CancelledError as cancelled:
            pursuit.note(cancelled)
            raise
        finally:
            await pursuit.aclose()
        return self._report()

    def _take_up(self, reading: Reading, positions: list[Position]) -> None:
        for position in positions:
            request = ClosePosition.of(position, auto_cxl=self._auto_cxl)
            self._changed(self._pursuit.add(position, reading, request))

    def _chosen(self, position: Position) -> bool:
        """Whether a position is in the filter; what `where` raises is the caller's to see, before anything is sent."""
        return (
            not is_flat(position)
            and (self._named is None or position.inst_id in self._named)
            and (self._where is None or self._true(self._where(position)))
        )

    def _true(self, verdict: object) -> bool:
        if iscoroutine(verdict):  # of a lambda, say: always true, so that everything would be closed
            verdict.close()
            raise InvalidRequestError(
                f"where must be a plain function, since it is not awaited, got {short_repr(self._where)}"
            )
        return bool(verdict)

    def _wanted(self, position: Position) -> bool:
        """Whether it is in the filter, after something was sent: where that cannot be told, it is."""
        try:
            return self._chosen(position)
        except Exception:  # a predicate that fails now must not hide a position
            logger.warning("%r raised: %s counts as wanted", self._where, position.inst_id, exc_info=True)
            return True

    def _changed(self, leg: Leg) -> None:
        if self._on_progress is not None:
            notify(self._on_progress, leg.row(FlattenState.IN_PROGRESS, self._loop.time() - self._begun))

    async def _conclude(self, first: Reading) -> bool:
        """Make the last reading; return whether there is nothing more to do, or no time."""
        pursuit, loop = self._pursuit, self._loop
        at = max((at for leg in pursuit.legs if (at := leg.proof_at) is not None), default=loop.time())
        if not pursuit.legs:
            at = first.started + APART
        if at > loop.time():
            await asyncio.sleep(at - loop.time())
        by = max(self._deadline, loop.time()) + GRACE
        self._last = None
        told = await self._read(loop.time(), by)
        pursuit.check()
        over = loop.time() >= self._deadline
        if pursuit.stopped is not None:  # nothing is sent any more, but what seems gone may be proven gone
            over = over or not told or not any(leg.proof_at is not None and not leg.proven for leg in pursuit.legs)
        if not told or pursuit.latest is None:
            return over
        self._last = pursuit.latest
        if not pursuit.legs and not over:  # the first reading may have come from a copy of the books that lags
            self._take_up(self._last, newcomers(self._last, (), self._wanted))
        return over or all(self._settled(leg) for leg in pursuit.legs)

    async def _read(self, moment: float, by: float) -> bool:
        """Read positions and pending orders at the same time; return whether positions could be read."""
        pursuit = self._pursuit
        if not pursuit.legs and not self._named:
            self._orders = ()  # of no instrument
            return await pursuit.readings.after(moment, by)
        orders = asyncio.ensure_future(open_orders(self._calls, self._inst_ids, self._priority, by))
        try:
            told = await pursuit.readings.after(moment, by)
            self._orders = await orders
        finally:
            orders.cancel()
            await asyncio.wait({orders})
        return told

    def _settled(self, leg: Leg) -> bool:
        """Whether there is nothing more to do, and the last reading has said so."""
        gone = leg.guard.sight is Sight.GONE
        return not self._restless(leg) and self._seen(leg) and (leg.proven or not gone)

    def _restless(self, leg: Leg) -> bool:
        return leg.step(self._loop.time()).move is not Move.REST

    def _seen(self, leg: Leg) -> bool:
        """Whether the last reading counts for it."""
        return self._last is not None and leg.guard.seen == self._last.started

    def _report(self) -> FlattenReport:
        now, legs, last = self._loop.time(), self._pursuit.legs, self._last
        rows = [leg.row(leg.state(self._wanted), (leg.ended or now) - self._begun) for leg in legs]
        appeared = [] if last is None else newcomers(last, legs, self._wanted)
        rows += [
            FlattenRow(None, (), position, FlattenState.SUPERSEDED, None, now - self._begun) for position in appeared
        ]
        flat = last is not None and all(map(self._seen, legs)) and all(row.state in GONE for row in rows)
        if self._on_progress is not None:
            for row in rows:
                notify(self._on_progress, row)
        inst_ids = {row.position.inst_id for row in rows} | (self._named or set())
        orders = self._orders
        return FlattenReport(
            flat=flat,
            rows=tuple(rows),
            open_orders=None if orders is None else tuple(order for order in orders if order.inst_id in inst_ids),
            seconds=now - self._begun,
        )
