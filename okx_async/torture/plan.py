"""The plan of a history as plain data, so that a history can be run again, in full or in part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from okx_async.simulator import Path


@dataclass(frozen=True, slots=True)
class NetworkConditions:
    """The network both ways, and how well the machine keeps its timers; seconds."""

    inward: Path
    outward: Path
    coarse: bool = False
    lag: float = 0.0
    freeze: float = 0.0
    """The longest time for which the machine may stand still."""

    @property
    def max_delay(self) -> float:
        """How long after its departure a request can arrive at the latest."""
        return self.inward.delay + self.inward.jitter + self.inward.spike


@dataclass(frozen=True, slots=True)
class ExchangeOptions:
    """See SimulatedExchange; `rate`: of its clock; `work`: seconds from the arrival to the count, and as many after."""

    window: Literal["sliding", "fixed"] = "sliding"
    count_rejected: bool = True
    body_first: bool = True
    rate_first: bool = False
    fill_delay: float | tuple[float, float] = 0.0
    fill: float = 0.0
    work: float = 0.0
    rate: float = 1.0
    lag: tuple[float, float] = (0.0, 0.0)
    """Seconds until a change of a position is shown, least and most."""
    flip_keeps: bool = False


@dataclass(frozen=True, slots=True)
class AccountOptions:
    """One UID."""

    two_sided: bool = False
    foreign: bool = False
    """Whether another program uses it too."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a client sits. A client may leave and another take its seat."""

    account: int = 0
    key: int = 0
    """Which API key of the account."""
    limiter: int = 0
    """Seats of one number share a limiter."""
    knows_user_id: bool = True
    """Whether it is given its user id."""
    own_session: bool = False
    timeout: float = 5.0
    connect_timeout: float = 2.0
    keepalive: float = 15.0
    max_connections: int = 256
    skew: float = 0.0
    """Of its wall clock, against the exchange's."""


@dataclass(frozen=True, slots=True)
class Part:
    """A strategy: `kind` names it in the table of strategies, `seed` is of its own draws."""

    kind: str
    seat: int
    at: float
    seed: str


@dataclass(frozen=True, slots=True)
class Mishap:
    """Something that goes wrong: `kind` names it in the table of mishaps, `seed` is of its own draws."""

    kind: str
    at: float
    seed: str


@dataclass(frozen=True, slots=True)
class Plan:
    """One history, before it happens."""

    seed: int
    span: float
    """Seconds in which strategies begin and mishaps happen."""
    conditions: NetworkConditions
    exchange: ExchangeOptions
    accounts: tuple[AccountOptions, ...]
    seats: tuple[Seat, ...]
    parts: tuple[Part, ...]
    mishaps: tuple[Mishap, ...]
    insts: int = 1
    """How many instruments the strategies crowd on."""
    shares: int = 1
    """Into how many limiters the quota of every UID is divided."""
    rate: float = 1.0
    """Of the limiters' clock."""
    grace: float = 5.0
    floor: float = 0.0
    stall: float = 20.0
    """The longest time for which bytes may stand in a queue."""

    @property
    def spare(self) -> float:
        """What a proxy may hold a request back, after all else that may delay it: assumption 2 again."""
        queue = 3 * self.stall if self.stall < 1 else 0.0
        return self.grace - self.conditions.max_delay - self.conditions.freeze - self.exchange.work - queue
