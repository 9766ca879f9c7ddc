"""The closes of one client that are on the wire, by the position that they name.

A close of flatten or `confirm=True` and another close of the same position are never on the wire at the same time: the
second waits for the answer of the first. Those that follow the position are told how that ended, since what they read
before does not count any more. Plain closes are not kept apart from one another.
"""

import asyncio
from collections.abc import Callable
from math import inf
from typing import Final, TypeAlias

from okx_async._errors import OkxError, SlotTimeoutError
from okx_async._models import ClosedPosition, ClosePosition, Outcome

Address: TypeAlias = tuple[str, str, str, str]

_NO_SIDE: Final = "net"


def address_named(request: ClosePosition) -> Address:
    """Return the address of a position, as its close names it: instrument, margin mode, side, margin currency."""
    pos_side, ccy = request.pos_side, request.ccy  # perhaps not checked yet: pandas.NA has no truth value
    return request.inst_id, request.mgn_mode, _NO_SIDE if pos_side is None else pos_side, "" if ccy is None else ccy


class ClosesOnWire:
    """The closes of one client that may have left and are not answered."""

    __slots__ = ("_followers", "_guarded", "_idle", "_plain", "shared")

    def __init__(self) -> None:
        self.shared: dict[Address, SharedClose] = {}
        """The closes that flattens are making, for calls that join them."""
        # At one address there are plain closes on the wire or one guarded close, and no list of them: the work for one
        # close must not grow with the others.
        self._plain: dict[Address, int] = {}
        self._guarded: dict[Address, CloseTurn] = {}
        self._idle: dict[Address, asyncio.Future[None]] = {}
        self._followers: dict[Address, dict[object, Callable[[Outcome], object]]] = {}

    @property
    def guarded(self) -> bool:
        """Whether a flatten or a confirmed close is under way, so that a plain close may have to wait."""
        return bool(self._followers)

    def follow(self, address: Address, who: object, heard: Callable[[Outcome], object]) -> None:
        """Call `heard` with the outcome of each close of a position that another turn than those of `who` has made."""
        self._followers.setdefault(address, {})[who] = heard

    def unfollow(self, address: Address, who: object) -> None:
        """Undo `follow`."""
        followers = self._followers.get(address, {})
        followers.pop(who, None)
        if not followers:
            self._followers.pop(address, None)

    def busy(self, turn: "CloseTurn") -> bool:
        """Whether a close is on the wire that this one must not overlap."""
        other = self._guarded.get(turn.address)
        if other is None:
            return turn.who is not None and turn.address in self._plain
        return other is not turn

    async def idle(self, turn: "CloseTurn", by: float = inf) -> bool:
        """Wait until `turn` overlaps no other close; return False if that is not so at `by`, by the loop's clock."""
        while self.busy(turn):
            idle = self._idle.get(turn.address)
            if idle is None:
                idle = self._idle[turn.address] = asyncio.get_running_loop().create_future()
            left = by - idle.get_loop().time()
            if left <= 0:
                return False
            await asyncio.wait({idle}, timeout=None if left == inf else left)
        return True

    def written(self, turn: "CloseTurn") -> None:
        """Note that a close is written now."""
        if turn.who is None:
            self._plain[turn.address] = self._plain.get(turn.address, 0) + 1
        else:
            self._guarded[turn.address] = turn

    def ended(self, turn: "CloseTurn", outcome: Outcome) -> None:
        """Note how a close ended that was written."""
        address = turn.address
        if turn.who is not None:
            del self._guarded[address]
        elif left := self._plain[address] - 1:
            self._plain[address] = left
        else:
            del self._plain[address]
        for who, heard in list(self._followers.get(address, {}).items()) if self._followers else ():
            if who is not turn.who:
                heard(outcome)
        idle = self._idle.pop(address, None)
        if idle is not None and not idle.done():
            idle.set_result(None)


class CloseTurn:
    """One close at a time of a position, as the caller of a call sees it: whether it is on the wire, and how it failed.

    Args:
        closes: The closes of the client.
        request: The close.
        who: The flatten or confirmed close that it is of, so that it is guarded; None: a plain close.
        whole: The turn of the whole call, if this is one close of it: told that something was written.
    """

    __slots__ = ("_closes", "_whole", "address", "by", "failure", "on_wire", "patience", "was_written", "who")

    def __init__(
        self,
        closes: ClosesOnWire,
        request: ClosePosition,
        who: object = None,
        whole: "CloseTurn | None" = None,
    ) -> None:
        self._closes = closes
        self._whole = whole
        self.address = address_named(request)
        self.who = who
        self.by = inf
        """Until when it may be written, by the loop's clock."""
        self.patience = inf
        """Until when it waits for another close of the position, by the loop's clock."""
        self.on_wire = False
        self.was_written = False
        """Whether any attempt was written."""
        self.failure: OkxError | None = None
        """The error of the last attempt that failed."""

    async def permit(self) -> float | None:
        """Wait, in the slot, until it overlaps no close of flatten or `confirm=True`; return until when it may go."""
        if not await self._closes.idle(self, self.patience):
            raise SlotTimeoutError("another close of the position was not answered within max_wait; nothing was sent")
        return self.by

    def write(self) -> bool:
        """Return whether it may be written, and note that it is."""
        if self._closes.busy(self):
            return False
        self.on_wire = self.was_written = True
        if self._whole is not None:
            self._whole.was_written = True
        self._closes.written(self)
        return True

    def ended(self, outcome: Outcome) -> None:
        """Note the end of an attempt."""
        if self.on_wire:
            self.on_wire = False
            self._closes.ended(self, outcome)

    def failed(self, failure: OkxError) -> None:
        """Note why an attempt failed; it may be repeated."""
        self.failure = failure


class SharedClose:
    """The close that a flatten is making of one position, for calls that join it: from its first try to an answer.

    Refusals that it follows with another try are no answer.

    Args:
        closes: The closes of the client.
        turn: The turn of the first try.
        request: The close.
    """

    __slots__ = ("_closes", "_result", "request", "turn")

    def __init__(self, closes: ClosesOnWire, turn: CloseTurn, request: ClosePosition) -> None:
        self._closes = closes
        self.turn = turn
        """The turn of the last try."""
        self.request = request
        self._result: asyncio.Future[ClosedPosition] | None = None
        closes.shared.setdefault(turn.address, self)  # of several flattens, the one that was there first

    @property
    def result(self) -> asyncio.Future[ClosedPosition]:
        """The result; cancelled if there is none, so that who joined it may close for itself."""
        if self._result is None:
            self._result = asyncio.get_running_loop().create_future()
        return self._result

    def end(self, closed: ClosedPosition | OkxError | None) -> None:
        """Hand a result to those who wait; None: there is none."""
        if self._closes.shared.get(self.turn.address) is self:
            del self._closes.shared[self.turn.address]
        result = self._result
        if result is None or result.done():
            return
        if closed is None:
            result.cancel()
        elif isinstance(closed, OkxError):
            result.set_exception(closed)
            result.exception()  # all who waited may have left
        else:
            result.set_result(closed)
