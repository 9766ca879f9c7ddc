"""One assumption about the exchange, and what its trial does to an account."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

Sure = Literal["documented", "observed", "assumed"]


class Danger(IntEnum):
    """What a trial does to the account, in the order in which trials run."""

    READS = 0
    """It reads."""
    REFUSED = 1
    """It sends requests that are to be refused and change nothing."""
    AUTHENTICATION = 2
    """It sends requests with a wrong login; many of them may get an address blocked."""
    OPENS = 3
    """It opens the smallest position and closes it."""
    LOAD = 4
    """It exceeds a rate limit, which other programs of the account feel for some seconds."""

    @property
    def words(self) -> str:
        """What it means for the account, for the plan."""
        return (
            "reads",
            "sends what is to be refused",
            "sends wrong logins",
            "opens and closes the smallest position",
            "exceeds a rate limit for some seconds",
        )[self]


@dataclass(frozen=True, slots=True)
class Assumption:
    """One assumption about the exchange."""

    id: str
    statement: str
    how: str
    """How it is tried."""
    rests: tuple[str, ...]
    """Modules of this package that rely on it, without the package's name."""
    sure: Sure
    danger: Danger
    requests: int
    """About how many requests the trial sends."""
    openings: int = 0
    """How many times it opens the smallest position."""
    seconds: float = 0.5
    """About how long it takes."""

    @property
    def about_simulator(self) -> bool:
        """Whether only the simulated exchange rests on it: then no close goes wrong if it is wrong."""
        return all(module.startswith("simulator") for module in self.rests)
