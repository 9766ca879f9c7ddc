"""What trials work with: the account, the instrument, and the few moves of which every trial is made.

A trial opens only through `Stage.open`, which notes the order in the ledger before it sends it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from types import MappingProxyType
from typing import Any, Final, Self

import orjson

from okx_async._client import Client
from okx_async._log import logger
from okx_async._models import Outcome, Position, PosSide
from okx_async._quota import Quota
from okx_async._rest.outcomes import classify
from okx_async._rest.records import positions as read_records
from okx_async._rest.requests import CLOSE_PATH, ApiRequest, positions
from okx_async.rehearsal.environment import Account
from okx_async.rehearsal.ledger import Ledger, Opening
from okx_async.rehearsal.market import PREFIX, Instrument
from okx_async.rehearsal.results import Value
from okx_async.rehearsal.wire import Reply, Twist, Wire, get, post

ORDER_QUOTA: Final = Quota(60, 2.0)
PAUSES: Final = (0.05, 0.1, 0.2, 0.4)
"""Seconds between readings; the last one again and again."""
_FILL_TIME: Final = 5.0
LIST_TIME: Final = 10.0
"""Seconds until what an order has opened must be listed."""
_EXPIRY: Final = 5.0
"""Seconds after which the exchange may not take an opening order any more (its expTime)."""
_FRESH: Final = 1.0
"""Seconds for which a reading without positions is relied on."""
_NO_MONEY: Final = frozenset({"51008", "51119", "51127", "51131"})
_STRAIGHT: Final = Twist()


class NotTriedError(Exception):
    """A trial that could not be made, with the reason."""


class NotAloneError(NotTriedError):
    """A trial that was not made because another program has opened something on the instrument meanwhile."""


class MisfiredError(NotAloneError):
    """A trial that was ended because a close of nothing was accepted: it may have closed another program's position."""


class NotOpenedError(NotTriedError):
    """A trial that could not be made because the exchange does not let the account open anything."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What a trial has observed."""

    held: bool
    evidence: str
    observed: Mapping[str, Value] = field(default_factory=dict)

    @classmethod
    def confirms(cls, evidence: str, observed: Mapping[str, Value] = MappingProxyType({})) -> Self:
        """Return one by which the assumption holds."""
        return cls(True, evidence, observed)  # noqa: FBT003 - named by the method

    @classmethod
    def against(cls, evidence: str, observed: Mapping[str, Value] = MappingProxyType({})) -> Self:
        """Return one by which the assumption does not hold."""
        return cls(False, evidence, observed)  # noqa: FBT003 - the same


@dataclass(frozen=True, slots=True)
class Opened:
    """One position that a trial has opened."""

    pos_side: PosSide
    record: Mapping[str, Any]
    """The order, as trade/order told it once it was filled."""
    filled: float
    """The loop's time when that was told."""
    position: Position | None
    """The position, as the first reading listed it; None: that was not waited for."""


@dataclass(slots=True)
class Stage:
    """The account and the instrument of a rehearsal, and what is known of them."""

    wire: Wire
    client: Client
    account: Account
    instrument: Instrument
    ledger: Ledger
    run_id: str
    """Letters and digits that no other rehearsal of the account uses."""
    other: Instrument | None = None
    """Another instrument on which the account has nothing."""
    other_base_url: str = ""
    """Another host of the same exchange; "": none is known."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What one trial has found out for others."""
    flat: bool = True
    """Whether the last reading has shown nothing after an earlier one has listed what the last order opened."""
    listed: bool = True
    """Whether a reading has listed something since the last order: before that, nothing listed means nothing."""
    looked: float = -inf
    """The loop's time of the last reading of the instrument."""
    resting: bool = False
    """Whether an order was put on the book that may rest there."""
    numbers: int = 0

    def new_id(self) -> str:
        """Return a clOrdId that was never used."""
        self.numbers += 1
        return f"{PREFIX}{self.run_id}{self.numbers:03}"

    async def open(self, side: str = "buy", *, times: int = 1, listed: bool = True) -> Opened:
        """Open the smallest position, or trade against one, and return once it is listed.

        Args:
            side: "buy" or "sell".
            times: How many times the smallest size.
            listed: Whether to wait until a reading lists it; if not, only until the order is told to be filled.

        Raises:
            NotOpenedError: It was refused, or could not be noted.
            NotTriedError: It was not filled, or is not listed in time.
        """
        cl_ord_id, reply = await self.place(side, times=times)
        if reply.code != "0":
            raise NotOpenedError(_not_opened(reply))
        pos_side = self.account.pos_side(side)
        record = await self._filled(cl_ord_id)
        filled = asyncio.get_running_loop().time()
        if not listed:
            return Opened(pos_side, record, filled, None)
        found: list[Position] = []

        def there(here: Sequence[Position]) -> bool:
            found[:] = [
                one
                for one in here
                if one.pos_side == pos_side and (pos_side != "net" or (one.pos > 0) == (side == "buy"))
            ]
            return bool(found)

        if await self.until(there, LIST_TIME) is None:
            raise NotTriedError(f"the position is not listed {LIST_TIME:g} s after its order was told to be filled")
        return Opened(pos_side, record, filled, found[0])

    async def place(self, side: str, *, times: int = 1, expires: float = _EXPIRY) -> tuple[str, Reply]:
        """Note an opening order and send it; return its clOrdId and the answer.

        Args:
            side: "buy" or "sell".
            times: How many times the smallest size.
            expires: Seconds until its expTime.

        Raises:
            NotOpenedError: It could not be noted, and was not sent.
        """
        pos_side, size = self.account.pos_side(side), f"{(self.instrument.min_sz * times).normalize():f}"
        cl_ord_id = self.new_id()
        opening = Opening(cl_ord_id, self.instrument.inst_id, "cross", pos_side, side, size, self.wire.now())
        try:
            self.ledger.note(opening)
        except OSError as error:
            raise NotOpenedError(
                f"{self.ledger.path} cannot be written: {error.strerror}; nothing was opened"
            ) from None
        before = self.flat, self.listed
        self.flat = self.listed = False
        body = {"tdMode": "cross", "side": side, "ordType": "market", "sz": size, "clOrdId": cl_ord_id}
        exp_time = {"expTime": str(round(1000 * (opening.sent + expires)))}
        reply = await self.order(body | self.side_field(pos_side), Twist(headers=exp_time))
        if reply.code != "0" and classify(reply.answer) is not Outcome.UNKNOWN:  # refused: nothing can come of it
            try:
                self.ledger.drop(opening)
                self.flat, self.listed = before
            except OSError as error:  # the clean-up finds that it opened nothing
                logger.debug("the note of a refused order stays: %s", error)
        return cl_ord_id, reply

    async def rest(self, px: str) -> str:
        """Put an order on the book that would reduce a long position at the price `px`; return its clOrdId."""
        cl_ord_id, pos_side = self.new_id(), self.account.pos_side("buy")
        size = f"{self.instrument.min_sz.normalize():f}"
        body = {"tdMode": "cross", "side": "sell", "ordType": "limit", "sz": size, "px": px, "clOrdId": cl_ord_id}
        side: dict[str, object] = {**self.side_field(pos_side)} or {"reduceOnly": True}
        self.resting = True
        reply = await self.order({**body, **side})
        if reply.code != "0":
            raise NotTriedError(f"the resting order was refused ({reply.told()})")
        return cl_ord_id

    async def order(self, body: Mapping[str, object], twist: Twist = _STRAIGHT) -> Reply:
        """Place an order of the instrument."""
        whole = orjson.dumps({"instId": self.instrument.inst_id, **body})
        return await self.wire.ask(
            post("trade/order", whole, f"trade/order {self.instrument.inst_id}", ORDER_QUOTA), twist
        )

    async def order_of(self, cl_ord_id: str) -> Reply:
        """Ask for the latest order with a clOrdId."""
        label = f"trade/order? {self.instrument.inst_id}"
        return await self.wire.ask(
            get(f"trade/order?instId={self.instrument.inst_id}&clOrdId={cl_ord_id}", label, ORDER_QUOTA)
        )

    async def close(self, twist: Twist = _STRAIGHT, *, inst_id: str | None = None, **fields: object) -> Reply:
        """Send one close; by default of the instrument's cross position that a buy opens.

        Args:
            twist: What is wrong with it.
            inst_id: Another instrument.
            fields: Fields of the body to set in addition; None leaves one out.
        """
        inst_id = inst_id or self.instrument.inst_id
        usual = {"instId": inst_id, "mgnMode": "cross", **self.side_field(self.account.pos_side("buy"))}
        body = {name: value for name, value in {**usual, **fields}.items() if value is not None}
        return await self.wire.ask(ApiRequest("POST", CLOSE_PATH, orjson.dumps(body), inst_id), twist)

    async def close_nothing(self, twist: Twist = _STRAIGHT, *, inst_id: str | None = None, **fields: object) -> Reply:
        """Send one close, as `close`, of what the account has not; raises MisfiredError if it is accepted."""
        reply = await self.close(twist, inst_id=inst_id, **fields)
        check_refused(reply, inst_id or self.instrument.inst_id)
        return reply

    def side_field(self, pos_side: str) -> dict[str, str]:
        """Return the field that names a side, where requests have to name it."""
        return {"posSide": pos_side} if self.account.two_sided else {}

    async def records(self, *, everything: bool = False) -> list[Mapping[str, Any]]:
        """Read the records of the instrument, flat ones included, as they come; `everything`: by a reading of all."""
        reply = await self.reading(everything=everything)
        if reply.code != "0":
            raise NotTriedError(f"positions could not be read ({reply.told()})")
        return [record for record in reply.data if record.get("instId") == self.instrument.inst_id]

    async def reading(self, *, everything: bool = False) -> Reply:
        """Ask for the positions of the instrument, or for all of them."""
        return await self.wire.ask(positions(None if everything else [self.instrument.inst_id]))

    async def held(self) -> list[Position]:
        """Read the open positions of the instrument."""
        listing = read_records((await self.reading()).answer)
        here = [one for one in listing.positions if one.inst_id == self.instrument.inst_id and one.pos != 0]
        self.listed = self.listed or bool(here)
        self.flat = not here and not listing.unreadable and self.listed
        self.looked = asyncio.get_running_loop().time()
        return here

    async def check_alone(self) -> None:
        """Raise NotAloneError if something is open on the instrument that no noted order can have opened."""
        if self.ledger.openings or asyncio.get_running_loop().time() - self.looked < _FRESH:
            return
        if here := await self.held():
            found = here[0]
            self.flat = True  # of the rehearsal's own nothing is there
            raise NotAloneError(
                f"another program has opened {found.inst_id} {found.mgn_mode} {found.pos_side}: {found.pos}"
            )

    async def until(self, wanted: Callable[[Sequence[Position]], bool], seconds: float) -> float | None:
        """Read until `wanted`, and return the loop's time after that reading; None: not within `seconds`."""
        loop = asyncio.get_running_loop()
        deadline, tries = loop.time() + seconds, 0
        while True:
            if wanted(await self.held()):
                return loop.time()
            if loop.time() >= deadline:
                return None
            await asyncio.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
            tries += 1

    async def close_and_prove(self, **fields: object) -> tuple[Reply, float]:
        """Close what is open, and return the answer and the seconds from there to the first reading without it.

        Raises NotTriedError if it was not accepted or is not gone in time.
        """
        reply = await self.close(**fields)  # type: ignore[arg-type]  # fields of the body
        if reply.code != "0":
            raise NotTriedError(f"the close was refused ({reply.told()})")
        gone = await self.until(lambda here: not here, 10.0)
        if gone is None:
            raise NotTriedError("the position was not gone within 10 s of the accepted close")
        return reply, gone - reply.received

    async def _filled(self, cl_ord_id: str) -> Mapping[str, Any]:
        """Return an order once it is told to be filled."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _FILL_TIME
        while True:
            reply = await self.order_of(cl_ord_id)
            record = reply.data[0] if reply.code == "0" and reply.data else {}
            if record.get("state") == "filled":
                return record
            if record.get("state") in {"canceled", "mmp_canceled"}:
                raise NotTriedError("the opening order was cancelled by the exchange: nothing to trade against")
            if loop.time() >= deadline:
                raise NotTriedError(f"the opening order was not filled within {_FILL_TIME:g} s ({reply.told()})")
            await asyncio.sleep(PAUSES[1])


def check_refused(reply: Reply, inst_id: str) -> None:
    """Raise MisfiredError if a close of nothing was accepted."""
    if reply.code == "0":
        raise MisfiredError(
            f"a close of nothing on {inst_id} was accepted ({reply.told()}): it may have closed a position that "
            "another program had just opened there, look at it"
        )


def _not_opened(reply: Reply) -> str:
    if reply.code.partition("_")[0] in _NO_MONEY:
        return f"the account has no money to open with ({reply.told()}): add demo money in OKX's demo trading"
    return f"the opening order was not accepted ({reply.told()})"
