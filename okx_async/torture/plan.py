"""The plan of a history as plain data, so that a history can be run again, in full or in part."""

from dataclasses import dataclass
from typing import Literal

from okx_async.simulator import Path


@dataclass(frozen=True, slots=True)
class NetworkConditions:
    """The network in both directions, and the precision of the machine's timers; seconds."""

    inward: Path
    outward: Path
    coarse: bool = False
    lag: float = 0.0
    freeze: float = 0.0
    """The longest time for which the machine may freeze."""

    @property
    def max_delay(self) -> float:
        """The longest time from the departure of a request to its arrival."""
        return self.inward.delay + self.inward.jitter + self.inward.spike


@dataclass(frozen=True, slots=True)
class ExchangeOptions:
    """Options of SimulatedExchange; `rate` of its clock; `work`: seconds before the count of a request, and after."""

    window: Literal["sliding", "fixed"] = "sliding"
    count_rejected: bool = True
    body_first: bool = True
    rate_first: bool = False
    fill_delay: float | tuple[float, float] = 0.0
    fill: float = 0.0
    work: float = 0.0
    rate: float = 1.0
    lag: tuple[float, float] = (0.0, 0.0)
    """Seconds until a reading shows a change of a position, least and most."""
    flip_keeps: bool = False


@dataclass(frozen=True, slots=True)
class AccountOptions:
    """One account (UID)."""

    two_sided: bool = False
    foreign: bool = False
    """Whether another program uses it too."""


@dataclass(frozen=True, slots=True)
class Seat:
    """The options of one client. A client may be closed and another opened at the same seat."""

    account: int = 0
    key: int = 0
    """The number of its API key within the account."""
    limiter: int = 0
    """The number of its limiter; seats of one number share it."""
    knows_user_id: bool = True
    """Whether the client is given its user id."""
    own_session: bool = False
    timeout: float = 5.0
    connect_timeout: float = 2.0
    keepalive: float = 15.0
    max_connections: int = 256
    skew: float = 0.0
    """Seconds by which its wall clock is ahead of the exchange's."""


@dataclass(frozen=True, slots=True)
class Part:
    """The start of a strategy: its name in the table of strategies, its seat, and the seed of its own draws."""

    kind: str
    seat: int
    at: float
    seed: str


@dataclass(frozen=True, slots=True)
class Mishap:
    """One mishap: its name in the table of mishaps, and the seed of its own draws."""

    kind: str
    at: float
    seed: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides a history."""

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
    """The number of instruments that the strategies share."""
    shares: int = 1
    """The number of limiters that divide the quota of every UID."""
    rate: float = 1.0
    """The rate of the limiters' clock."""
    grace: float = 5.0
    floor: float = 0.0
    stall: float = 20.0
    """The longest time for which bytes may stand in a queue."""

    @property
    def spare(self) -> float:
        """The longest time for which a proxy may hold a request, so that it is still counted within the grace."""
        queue = 3 * self.stall if self.stall < 1 else 0.0
        return self.grace - self.conditions.max_delay - self.conditions.freeze - self.exchange.work - queue
