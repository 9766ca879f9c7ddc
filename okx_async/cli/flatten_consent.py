"""What a flatten may touch: the options, and after a question only the positions and orders that were shown by it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Final, NamedTuple

from okx_async import (
    Client,
    FlattenReport,
    InvalidRequestError,
    Limiter,
    OpenOrder,
    Position,
    Priority,
    Quota,
)
from okx_async._flatten.open_orders import Listed, read_lists
from okx_async._flatten.order_roles import MAY_OPEN, Role, role_of
from okx_async._flatten.survey import survey
from okx_async._rest.rate_keys import check_filter_id
from okx_async._rest.records import Unreadable, is_unreadable
from okx_async._rest.requests import ORDER_LISTS
from okx_async.cli.waits import Waits, watched

_SECOND_READING: Final = 0.25
"""Seconds until an empty list of positions is read again: a single reading may lag behind."""
_ORDERS_WAIT: Final = 5.0
"""Seconds within which pending orders must be read before the question."""


@dataclass(frozen=True, slots=True)
class FlattenOptions:
    """The options of the command; see Client.flatten. `quota`: closes of an instrument in 2 s, None for all 20."""

    inst_ids: Sequence[str] | None
    mgn_mode: str | None
    auto_cxl: bool
    deadline: float
    dry_run: bool
    keep_orders: bool = False
    look_again: float = 2.0
    pos_side: str | None = None
    inst_type: str | None = None
    quota: int | None = None

    def check(self) -> None:
        """Raise InvalidRequestError for an option that Client.flatten would not take."""
        for inst_id in self.inst_ids or ():
            check_filter_id(inst_id)
        for option, value, words in self._filters():
            if value not in {None, *words}:
                raise InvalidRequestError(f"{option} must be {', '.join(words[:-1])} or {words[-1]}, got {value!r}")
        if self.quota is not None and not 1 <= self.quota <= Quota().limit:
            raise InvalidRequestError(f"--quota must be from 1 to {Quota().limit}, got {self.quota}")
        if not 0 < self.deadline < inf:
            raise InvalidRequestError(f"--deadline must be a positive number of seconds, got {self.deadline:g}")
        if not 0 <= self.look_again < inf:
            raise InvalidRequestError(f"--look-again must be a number of seconds ≥ 0, got {self.look_again:g}")

    def holds(self, position: Position) -> bool:
        """Whether `position` is to be closed."""
        of = {"--mgn-mode": position.mgn_mode, "--pos-side": position.pos_side, "--inst-type": position.inst_type}
        return all(value in {None, of[option]} for option, value, _ in self._filters())

    def may_hold(self, position: Position) -> bool:
        """Whether a record that cannot be read may be meant: nothing that it says is certainly outside."""
        of = {"--mgn-mode": position.mgn_mode, "--pos-side": position.pos_side, "--inst-type": position.inst_type}
        return all(value in {None, of[option]} or of[option] not in words for option, value, words in self._filters())

    def untyped(self, position: Position) -> bool:
        """Whether `position` is outside of the filters only because it does not say of which type it is."""
        return self.inst_type is not None and not position.inst_type and self.may_hold(position)

    def holds_order(self, order: OpenOrder) -> bool:
        """Whether `order` is in the filters; one that does not name a thing may be of any."""
        of = {"--mgn-mode": "tdMode", "--pos-side": "posSide", "--inst-type": "instType"}
        return (self.inst_ids is None or order.inst_id in self.inst_ids) and all(
            value is None or order.raw.get(of[option]) in {value, "", None} for option, value, _ in self._filters()
        )

    def narrowed(self) -> str:
        """Return a sentence that names the filters, "" without any; shown where no position was found."""
        return f"looked at {self.filter()} only: other positions and orders may be open" if self.filter() else ""

    def filter(self) -> str:
        """Return the filters as they are typed, "" without any."""
        options = [f"--inst {inst_id}" for inst_id in self.inst_ids or ()]
        return " ".join([*options, *(f"{option} {value}" for option, value, _ in self._filters() if value is not None)])

    def limiter(self) -> Limiter | None:
        """Return a limiter with the share of the limit that was asked for; None: the whole limit."""
        return None if self.quota is None else Limiter(Quota(limit=self.quota))

    def _filters(self) -> tuple[tuple[str, str | None, tuple[str, ...]], ...]:
        """Return each option that filters, its value, and the words that it takes.

        A typing error must not match nothing, which would look flat.
        """
        return (
            ("--mgn-mode", self.mgn_mode, ("cross", "isolated")),
            ("--pos-side", self.pos_side, ("net", "long", "short")),
            ("--inst-type", self.inst_type, ("MARGIN", "SWAP", "FUTURES", "OPTION")),
        )


class Found(NamedTuple):
    """What is open and pending before the question."""

    positions: list[Position]
    unreadable: list[Unreadable]
    entries: list[OpenOrder]
    """Orders that could open a position: to be cancelled at once."""
    protective: list[OpenOrder]
    """Orders to be cancelled once everything is flat."""
    unread: list[str]
    """Why a list of pending orders could not be read."""

    @property
    def open(self) -> bool:
        """Whether a position is listed, or a record that may be one."""
        return bool(self.positions or self.unreadable)

    @property
    def orders(self) -> list[OpenOrder]:
        """The orders to be cancelled."""
        return [*self.entries, *self.protective]


async def find(client: Client, options: FlattenOptions, waits: Waits | None = None) -> Found:
    """Return the positions and orders that match, and records that may; an empty list of positions is read twice.

    `waits` are looked at meanwhile. What is shown before a question is a part of the exit: it waits behind no other
    work, and for no store of limits.
    """
    priority = Priority.NORMAL if options.dry_run else Priority.PANIC
    calls = client._caller  # noqa: SLF001 - positions() raises at an odd record, and orders have no public method

    async def orders() -> Listed:
        if options.keep_orders:
            return Listed([], [])
        by = asyncio.get_running_loop().time() + _ORDERS_WAIT
        return await read_lists(calls, ORDER_LISTS, options.inst_ids, priority, by)

    async def read() -> Found:
        listed, pending = await asyncio.gather(survey(calls, options.inst_ids, priority), orders())
        odd = [one for one in listed.unreadable if options.may_hold(one.position)]
        odd += [
            Unreadable(position, f"the record of {position.inst_id}: it does not say of which type it is")
            for position in listed.positions
            if options.untyped(position)
        ]
        roles = [(role_of(order, listed.positions), order) for order in pending.orders if options.holds_order(order)]
        return Found(
            [position for position in listed.positions if options.holds(position)],
            odd,
            [order for role, order in roles if role is Role.ENTRY],
            [order for role, order in roles if role is Role.PROTECTIVE],
            pending.unread,
        )

    async with client, watched(waits):
        if (found := await read()).open:
            return found
        await asyncio.sleep(_SECOND_READING)
        return await read()


@dataclass(slots=True)
class Consent:
    """The positions that may be closed, and the orders that may be cancelled."""

    options: FlattenOptions
    shown: frozenset[tuple[object, ...]] | None = None
    """The positions that the question showed, None if no question was asked."""
    shown_orders: frozenset[tuple[str, str]] = frozenset()
    left_alone: dict[tuple[object, ...], Position] = field(default_factory=dict)
    """Positions that match and appeared after the question, or may match: they do not say of which type they are."""

    def give(self, found: Found) -> None:
        """Note that the question showed these."""
        self.shown = frozenset(map(_identity, found.positions))
        self.shown_orders = frozenset((order.ord_id, order.algo_id) for order in found.orders)

    def holds(self, position: Position) -> bool:
        """Whether `position` may be closed."""
        if is_unreadable(position.raw):
            return self.options.may_hold(position)  # it is not closed, and a row of its own
        untyped = self.options.untyped(position)
        if not (untyped or self.options.holds(position)):
            return False
        if not untyped and (self.shown is None or _identity(position) in self.shown):
            return True
        self.left_alone[_identity(position)] = position
        return False

    def holds_order(self, order: OpenOrder) -> bool:
        """Whether `order` may be cancelled."""
        shown = self.shown is None or (order.ord_id, order.algo_id) in self.shown_orders
        return shown and self.options.holds_order(order)

    def entries_left(self, report: FlattenReport) -> list[OpenOrder]:
        """Return the orders that were to be cancelled, and could still open a position."""
        if self.options.keep_orders:
            return []
        open_now = [row.after for row in report.rows if row.after is not None]
        return [
            order
            for order in report.open_orders or report.orders_read
            if self.options.holds_order(order) and role_of(order, open_now) in MAY_OPEN
        ]


def _identity(position: Position) -> tuple[object, ...]:
    address = position.inst_id, position.mgn_mode, position.pos_side, position.ccy, position.pos_ccy
    return *address, position.pos_id, position.c_time
