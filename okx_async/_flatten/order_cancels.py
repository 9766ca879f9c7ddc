"""The cancelling of pending orders beside a flatten: entries at once, what protects a position after the proof.

An order is cancelled by a list that was read just before. A cancel whose outcome is unknown, or that was refused for a
passing reason, is never sent again as it stands: the list is read again, and only what it still lists is cancelled.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Final

from okx_async._calls.caller import Caller
from okx_async._calls.gather import gather_in_turns, wait_ended
from okx_async._errors import NotSentError, OkxError, RateLimitedError, RejectedError, UnavailableError, in_words
from okx_async._flatten.open_orders import Listed, read_lists
from okx_async._flatten.order_roles import orders_to_cancel
from okx_async._log import logger
from okx_async._models import OpenOrder, Outcome, Position
from okx_async._quota import Priority
from okx_async._rest.codes import CODES, base_code
from okx_async._rest.requests import ORDER_LISTS, OrderList, cancel_batches, cancel_orders
from okx_async._rest.responses import code_of

PAUSES: Final = (0.1, 0.5, 1.0, 2.0)
"""Seconds before a list is read again because cancels of its orders are undecided; after the last one it is left."""
# https://www.okx.com/docs-v5/en/#error-code-rest-api-trade: filled, cancelled, being cancelled, triggered, or unknown.
GONE: Final = frozenset({"51400", "51401", "51402", "51405", "51410", "51416"})
_KINDS: Final = (ORDER_LISTS[:1], ORDER_LISTS[1:])
"""The lists whose orders are cancelled by one endpoint each: ordinary orders, algo orders."""


class OrderCancels:
    """The cancels of one flatten.

    Args:
        calls: Makes the calls.
        inst_ids: The instruments of the filter, None for all.
        priority: The lane of every request.
        wanted: Tells whether an order is in the filter.
        begun: Returns when the flatten began, by the exchange's clock as far as it is known, in Unix seconds.
    """

    def __init__(
        self,
        calls: Caller,
        inst_ids: Collection[str] | None,
        priority: Priority,
        wanted: Callable[[OpenOrder], bool],
        begun: Callable[[], float],
    ) -> None:
        self._calls = calls
        self._priority = priority
        self._wanted = wanted
        self._begun = begun
        # By name, each list is one request an instrument, and the limit of algo lists is 20 in 2 s for all.
        self._inst_ids = inst_ids if inst_ids is not None and len(inst_ids) == 1 else None
        self._task: asyncio.Task[None] | None = None
        self._done: set[int] = set()
        """The kinds of which nothing was left, protective or not: they need not be read again after the proof."""
        self.taken: dict[tuple[str, str], OpenOrder] = {}
        """The orders whose cancel the exchange took, by their ids."""
        self.codes: Counter[str] = Counter()
        """The exchange's codes, of each order that it decided about."""
        self.notes: dict[str, None] = {}
        """What could not be done, in words."""
        self.in_doubt: list[str] = []
        """Notes on cancels that were on the wire when the flatten was cancelled."""

    def begin(self, positions: Sequence[Position], by: float) -> None:
        """Begin to cancel the entries; the arguments are those of `cancel`."""
        self._task = asyncio.get_running_loop().create_task(
            self.cancel(positions, by, flat=False), name="okx_async cancels of entries"
        )

    async def entries_done(self) -> None:
        """Wait until there is nothing more to do for the entries, or no time."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def aclose(self) -> None:
        """End the cancelling of entries."""
        if self._task is not None:
            self._task.cancel()
            await wait_ended({self._task})

    async def cancel(self, positions: Sequence[Position], by: float, *, flat: bool) -> None:
        """Cancel what is to be cancelled now; it raises nothing but its own cancellation.

        Args:
            positions: What is open on all instruments of the filter.
            by: Until when lists are read and cancels are written, by the loop's clock.
            flat: Whether everything in the filter is proven flat.
        """

        async def cancel_kind(kind: int) -> None:
            if kind not in self._done and await self._cancel_kind(_KINDS[kind], positions, by, flat=flat):
                self._done.add(kind)

        try:
            await gather_in_turns(cancel_kind, range(len(_KINDS)))
        except Exception as unforeseen:
            logger.exception("pending orders could not be cancelled")
            self.notes[f"pending orders could not be cancelled: {in_words(unforeseen)}"] = None

    async def _cancel_kind(
        self, lists: Sequence[OrderList], positions: Sequence[Position], by: float, *, flat: bool
    ) -> bool:
        """Cancel the orders of some lists, and read these again as long as cancels of theirs are undecided.

        Returns whether nothing is left in them that would have to be cancelled after the proof.
        """
        loop = asyncio.get_running_loop()
        listed = Listed([], [])
        for pause in (*PAUSES, None):
            for why in listed.unread:  # by the reading before
                self.notes.pop(why, None)
            listed = await read_lists(self._calls, lists, self._inst_ids, self._priority, by)
            self.notes |= dict.fromkeys(listed.unread)
            due = orders_to_cancel(listed.orders, positions, self._wanted, flat=flat, begun=self._begun())
            due = [order for order in due if (order.ord_id, order.algo_id) not in self.taken]
            decided = await gather_in_turns(lambda batch: self._send(batch, by), cancel_batches(due))
            if all(decided) and not (due and listed.unread):  # else there may be more behind those that were cancelled
                later = orders_to_cancel(listed.orders, (), self._wanted, flat=True, begun=self._begun())
                return not listed.unread and all((order.ord_id, order.algo_id) in self.taken for order in later)
            if pause is None or loop.time() + pause >= by or self._calls.closing:
                self.notes["some orders could not be cancelled, or it is not known whether they are"] = None
                break
            await asyncio.sleep(pause)
        return False

    async def _send(self, batch: Sequence[OpenOrder], by: float) -> bool:
        """Cancel a part of the orders; return whether each of them is decided, so that no list need be read again."""

        async def permit() -> float:
            return by  # nothing is written later

        max_wait = max(0.0, by - asyncio.get_running_loop().time())
        try:
            answer, _ = await self._calls.call(cancel_orders(batch), self._priority, max_wait, permit=permit)
        except asyncio.CancelledError as cancelled:
            self.in_doubt += getattr(cancelled, "__notes__", ())
            raise
        except OkxError as failure:
            logger.warning("a cancel of orders failed: %s", failure)
            self.notes[str(failure)] = None
            if isinstance(failure, RejectedError):
                self.codes[failure.code] += len(batch)
            passing = isinstance(failure, NotSentError | RateLimitedError | UnavailableError)
            return isinstance(failure, RejectedError) and not passing
        codes = {str(item.get("algoId") or item.get("ordId")): code_of(item.get("sCode")) for item in answer.data}
        return all([self._is_decided(order, codes.get(order.algo_id or order.ord_id, "")) for order in batch])  # noqa: C419 - each

    def _is_decided(self, order: OpenOrder, code: str) -> bool:
        """Note what the exchange said of one order; return whether there is nothing more to do for it."""
        if not code:
            return False
        self.codes[code] += 1
        if code == "0":
            self.taken[order.ord_id, order.algo_id] = order
            return True
        if code in GONE:
            return True
        known = CODES.get(base_code(code))
        return known is not None and known.outcome in {Outcome.NEEDS, Outcome.FATAL}
