"""The whole flatten: a first reading, the legs, the last reading, and the report.

The last reading covers everything in the filter and is begun after every leg is done. If it lists a position again that
seemed gone, or leaves a leg something else to do, the legs go on until it does not, or until the time is over.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import Final

from okx_async._callbacks import notify
from okx_async._calls.caller import Caller
from okx_async._calls.cancellations import cancellations
from okx_async._calls.gather import gather_in_turns
from okx_async._calls.interruptions import keeps_notes
from okx_async._flatten.arguments import FlattenArguments
from okx_async._flatten.call_time import CallTime
from okx_async._flatten.engine import CloseEngine
from okx_async._flatten.guard import Observation, Reading, address_of, is_flat
from okx_async._flatten.leg import PROOF_GAP, Leg, Move, newcomers
from okx_async._flatten.open_orders import Listed, open_orders
from okx_async._flatten.order_cancels import OrderCancels
from okx_async._flatten.order_roles import MAY_OPEN, role_of, stands_at
from okx_async._flatten.report import FLAT_STATES, FlattenReport, FlattenRow, FlattenState
from okx_async._flatten.selection import Selection
from okx_async._flatten.unreadable import unreadable_rows
from okx_async._models import ClosePosition, OpenOrder, Position
from okx_async._rest.rate_keys import check_listed

MAX_EXTRA_READINGS: Final = 3
"""Readings after the deadline that may prove positions gone."""
LAST_READ_GRACE: Final = 1.0
"""Seconds after the deadline, or after the last answer if that is later, for the last reading."""


class FlattenRun:
    """One flatten, for a single run."""

    def __init__(self, calls: Caller, arguments: FlattenArguments) -> None:
        inst_ids = self._inst_ids = arguments.filter_ids
        self._arguments = arguments
        self._calls = calls
        self._selection = Selection(inst_ids, arguments.where)
        self._priority, self._on_progress = arguments.priority, arguments.on_progress
        self._loop = asyncio.get_running_loop()
        self._begun, self._cancellations = self._loop.time(), cancellations()
        self._deadline = self._begun + arguments.deadline
        self._call_time = CallTime(calls)
        self._engine = CloseEngine(
            calls,
            inst_ids,
            arguments.priority,
            deadline=self._deadline,
            on_change=self._notify_progress,
            may_send_blind=arguments.unread == "close",
        )
        self._cancels: OrderCancels | None = None
        if arguments.cancel_orders is not None:
            self._cancels = OrderCancels(calls, inst_ids, arguments.priority, self._order_wanted, self._begun_at)
        self._looked_again = False
        self._appeared: list[Position] = []
        self._extra_readings = 0
        self._read_by = inf
        """Until when the extra readings may go on: all of them share the time of the last reading."""
        self._orders = Listed([], ["not asked for"])
        """The orders that are still pending, as far as they could be read."""
        self._first: Reading | None = None
        self._last: Reading | None = None
        """The last reading, None while legs have work to do."""

    def _begun_at(self) -> float:
        """Return when the flatten began, by the exchange's clock, which may become known only later."""
        return self._call_time.by_exchange

    async def run(self) -> FlattenReport:
        """Flatten and return the report; raises the errors of the first reading only.

        A CancelledError has a note for each position of which a close is on the wire, or was taken and is not proven.
        """
        engine, cancels = self._engine, self._cancels
        ends = (engine.aclose,) if cancels is None else (engine.aclose, cancels.aclose)
        try:
            async with keeps_notes(*ends):
                first = self._first = await engine.reader.read_first(self._deadline - self._begun)
                check_listed(self._inst_ids or (), first.inst_ids)
                self._add_legs(first, self._selection.first(first))
                if cancels is not None:
                    cancels.begin(first.positions, self._deadline)
                done = False
                while not done:
                    await gather_in_turns(engine.follow, [leg for leg in engine.legs if self._has_work(leg)])
                    done = await self._read_last(first)
                    if done and cancels is not None and not self._looked_again:
                        self._looked_again = True
                        done = await self._finish_orders(cancels, first)
            report = self._report()
            if cancellations() > self._cancellations:
                await asyncio.sleep(0)  # `on_progress` asked for it: it would end the task later, without notes
        except BaseException as raised:
            engine.add_notes(raised)
            if cancels is not None:
                for note in set(cancels.in_doubt) - set(getattr(raised, "__notes__", ())):
                    raised.add_note(note)
            raise
        return report

    def _add_legs(self, reading: Reading, positions: list[Position]) -> None:
        for position in positions:
            request = ClosePosition.of(position, auto_cxl=self._arguments.auto_cxl, tag=self._arguments.tag)
            self._notify_progress(self._engine.add_leg(position, reading, request))

    def _notify_progress(self, leg: Leg) -> None:
        """Tell of a change; what a reading has proven gone is told as that, since orders may be read long after it."""
        if self._on_progress is not None:
            state = leg.state(self._selection.holds) if leg.proven else FlattenState.IN_PROGRESS
            notify(self._on_progress, leg.row(state, self._loop.time() - self._begun))

    async def _read_last(self, first: Reading) -> bool:
        """Make the last reading; return whether the run is over: there is nothing more to do, or no time."""
        engine, loop = self._engine, self._loop
        at = max((at for leg in engine.legs if (at := leg.proof_at) is not None), default=loop.time())
        if not engine.legs:
            at = first.started + PROOF_GAP
        if at > loop.time():
            await asyncio.sleep(at - loop.time())
        if self._extra_readings:  # positions only: pages of pending orders would take the time of the proof
            was_read = await engine.reader.read_since(loop.time(), self._read_by)
        else:
            self._read_by = max(self._deadline, loop.time()) + LAST_READ_GRACE
            self._last = None
            was_read = await self._read_all(loop.time(), self._read_by)
        engine.check_stopped()
        over = loop.time() >= self._deadline or engine.reads_over
        if engine.stop_error is not None:  # nothing is sent any more, but a position that seems gone may be proven gone
            over = over or not was_read or not any(leg.proof_at is not None and not leg.proven for leg in engine.legs)
        if not was_read or engine.reader.latest is None:
            return over
        self._last = engine.reader.latest
        # The first reading may have come from a copy of the books that lags, or had a record that can be read now.
        if not over and (first.unreadable or self._selection.undecided or not engine.legs):
            wanted = self._not_taken_up_at_first if engine.legs else self._selection.certain
            self._add_legs(self._last, await self._opened_before(newcomers(self._last, engine.legs, wanted)))
        proofs = [leg.proof_at for leg in engine.legs if leg.proof_at is not None and not leg.proven]
        in_time = bool(proofs) and max(*proofs, loop.time()) < self._read_by
        if over and in_time and self._extra_readings < MAX_EXTRA_READINGS:
            self._extra_readings += 1  # a close that was answered late may be proven yet
            return False
        return over or all(self._finished(leg) for leg in engine.legs)

    async def _opened_before(self, positions: list[Position]) -> list[Position]:
        """Return those known to have been opened before the call; where it must, the exchange's clock decides."""
        if any(map(self._call_time.may_be_after, positions)):
            await self._call_time.ask(self._priority, self._read_by)
        return [position for position in positions if self._call_time.is_after(position)]

    def _not_taken_up_at_first(self, position: Position) -> bool:
        """Return whether a position may be one that could not be read at first, or that `where` failed at."""
        unread = self._first is not None and self._first.may_list(address_of(position), position.pos_id) is not None
        return (unread or self._selection.failed_at(position)) and self._selection.certain(position)

    async def _read_all(self, moment: float, by: float) -> bool:
        """Read positions and pending orders at the same time; return whether positions could be read.

        Orders are left out where they are read again, after the cancels.
        """
        engine = self._engine
        if self._cancels is not None and not self._looked_again:
            return await engine.reader.read_since(moment, by)
        orders = asyncio.ensure_future(open_orders(self._calls, self._inst_ids, self._priority, by))
        try:
            was_read = await engine.reader.read_since(moment, by)
            self._orders = await orders
        finally:
            orders.cancel()
            await asyncio.wait({orders})
        return was_read

    async def _finish_orders(self, cancels: OrderCancels, first: Reading) -> bool:
        """Finish the cancels and take the second look; return whether the run is over."""
        engine, loop = self._engine, self._loop
        await cancels.entries_done()
        if self._last is not None and self._is_flat(self._last):
            await cancels.cancel(self._last.positions, self._deadline, flat=True)
        engine.check_stopped()
        if engine.stop_error is not None:
            cancels.notes["no second look: nothing can be sent any more"] = None
            return True
        pause = self._arguments.look_again
        await asyncio.sleep(pause)
        by = max(self._deadline, loop.time()) + LAST_READ_GRACE
        if not pause:
            self._orders = await open_orders(self._calls, self._inst_ids, self._priority, by)
            return True
        known = {_identity(position) for position in (self._last or first).positions}
        if not await self._read_all(loop.time(), by) or engine.reader.latest is None:
            cancels.notes["no second look: positions could not be read again"] = None
            return True
        self._last = engine.reader.latest
        self._appeared = [
            position
            for position in self._last.positions
            if _identity(position) not in known and self._selection.holds(position)
        ]
        self._extra_readings, self._read_by = 0, by
        return loop.time() >= self._deadline or all(self._finished(leg) for leg in engine.legs)

    def _order_wanted(self, order: OpenOrder) -> bool:
        """Return whether an order is in the filter; `where` is of positions, so it admits the orders beside them."""
        if self._inst_ids is not None and order.inst_id not in self._inst_ids:
            return False
        if self._arguments.cancel_orders == "entries" and self._arguments.where is not None:
            return any(stands_at(order, leg.before) for leg in self._engine.legs)
        return self._arguments.may_cancel(order)

    def _finished(self, leg: Leg) -> bool:
        """Return whether there is nothing more to do by the last reading."""
        gone = leg.guard.observation is Observation.GONE
        return not self._has_work(leg) and self._covered(leg) and (leg.proven or not gone)

    def _has_work(self, leg: Leg) -> bool:
        return leg.step(self._loop.time()).move is not Move.DONE

    def _covered(self, leg: Leg) -> bool:
        """Return whether the last reading counts for a leg."""
        return self._last is not None and leg.guard.observed_at == self._last.started

    def _is_flat(self, last: Reading) -> bool:
        """Return whether the last reading proves that nothing in the filter is open."""
        legs = self._engine.legs
        return (
            all(map(self._covered, legs))
            and all(leg.state(self._selection.holds) in FLAT_STATES for leg in legs)
            and not newcomers(last, legs, self._selection.holds)
            and not any(self._selection.may_hold(record.position) for record in last.unreadable)
        )

    def _report(self) -> FlattenReport:
        now, legs, last = self._loop.time(), self._engine.legs, self._last
        latest = self._engine.reader.latest_complete
        if last is not None and latest is not None and latest.started > last.started:
            last = self._last = latest  # it came after its time, while orders were read
        rows = [leg.row(leg.state(self._selection.holds), (leg.done_at or now) - self._begun) for leg in legs]
        appeared = None if last is None else newcomers(last, legs, self._selection.holds)
        rows += self._selection.rows_without_close(appeared, now - self._begun)
        if self._first is not None:
            rows += unreadable_rows(self._first, last, self._selection.may_hold, now - self._begun)
        flat = last is not None and all(map(self._covered, legs)) and all(row.state in FLAT_STATES for row in rows)
        if self._on_progress is not None:
            for row in rows:
                notify(self._on_progress, row)
        failure = self._engine.reader.failure if last is None else None
        unread = () if failure is None else (f"positions could not be read at the end: {failure}",)
        left = self._orders_left(rows)
        whole, some = (None, left) if self._orders.unread else (left, ())
        report = FlattenReport(flat, tuple(rows), whole, now - self._begun, notes=unread, orders_read=some)
        cancels = self._cancels
        if cancels is None:
            return report
        return replace(
            report,
            cancelled=tuple(cancels.taken.values()),
            cancel_codes=dict(cancels.codes),
            appeared=tuple(self._appeared),
            notes=(*unread, *cancels.notes, *self._arguments.failures, *self._note_orders_left()),
        )

    def _note_orders_left(self) -> list[str]:
        """Say in words that orders in the filter are pending which may open a position."""
        held = () if self._last is None else self._last.positions
        left = [
            order
            for order in self._orders.orders
            if role_of(order, held) in MAY_OPEN and (not order.inst_id or self._order_wanted(order))
        ]
        return [f"orders that may open a position are still pending: {len(left)}"] if left else []

    def _orders_left(self, rows: Sequence[FlattenRow]) -> tuple[OpenOrder, ...]:
        """Return the pending orders on the instruments of the filter and of the rows; of all, if there are neither.

        Where orders were to be cancelled, all that are in the filter and stay.
        """
        orders, inst_ids = self._orders.orders, {"", *(row.position.inst_id for row in rows), *(self._inst_ids or ())}
        by_where = self._arguments.where is not None and self._arguments.cancel_orders == "entries"
        everywhere = not rows or (self._cancels is not None and not by_where)
        everywhere = everywhere and self._inst_ids is None
        return tuple(order for order in orders if everywhere or order.inst_id in inst_ids)


def _identity(position: Position) -> tuple[object, ...]:
    """Return what tells a position from another one, opened later at its address or turned."""
    side = "" if is_flat(position) else position.pos.is_signed()
    return *address_of(position), position.pos_id, position.c_time, side
