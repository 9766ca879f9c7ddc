"""The world in which one call meets one fault, and the records of what became of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import okx_async as okx
from okx_async.simulator import Network, SimulatedExchange, VirtualLoop

STRUCK = "BTC-USDT-SWAP"
"""The instrument whose close a fault strikes."""
WARM = "XRP-USDT-SWAP"


@dataclass(frozen=True)
class Leg:
    """What became of one close."""

    inst_id: str
    told: str
    code: str
    tokens: str
    """Of each attempt: s settled, d in doubt, r refunded."""
    done: int
    """Closes that the exchange executed."""
    outcomes: tuple[str, ...]


@dataclass
class Observed:
    """What became of one call."""

    legs: list[Leg]
    sent: int
    """Closes that arrived, at the exchange or at a proxy before it."""
    late: int
    """Of these, the ones after the caller was told."""
    asked: int
    """Requests for the exchange's time."""
    flat: bool | None
    """What the report of a flatten says; None: there is none."""
    more: tuple[str, ...]
    """The states of its rows that are about no leg."""
    orders: str
    """What became of the orders that it was to cancel."""
    wrong: list[str]
    """Misplaced tokens, statements that the books refute, and tasks, timers or connections left behind."""


@dataclass
class World:
    """A client and an exchange in virtual time, for one call."""

    loop: VirtualLoop
    network: Network
    exchange: SimulatedExchange
    client: okx.Client
    limiter: okx.Limiter
    max_wait: float | None
    legs: tuple[str, ...]
    ended: list[tuple[okx.Attempt, float]]
    """Every attempt of a close, and when its token was given back."""
    wrong: list[str] = field(default_factory=list)
    as_read: Callable[[], object] | None = None
    """To be called once a flatten has made its first reading."""
    cancel_orders: bool = False
    """Whether a flatten cancels orders."""
    cancels: tuple[float, ...] = ()
    """When the call is cancelled: seconds from the call, and from each cancellation to the next."""

    async def warm(self) -> None:
        """Close something else, so that there is a connection and a past."""
        self.exchange.open_position(WARM, 1)
        closed = await self.client.close_position(WARM, "cross")
        assert closed.attempts


@dataclass(frozen=True)
class End:
    """What a call tells its caller of one position, in the words of the table."""

    inst_id: str
    told: str
    code: str
    attempts: tuple[okx.Attempt, ...]


@dataclass(frozen=True)
class Ends:
    """What a call tells its caller of each leg; of a flatten, its report, and the states of rows about no leg."""

    legs: list[End]
    report: okx.FlattenReport | None = None
    more: tuple[str, ...] = ()
