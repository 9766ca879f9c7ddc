"""One assumption about the exchange, and what its trial does to an account."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

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
class Experiment:
    """What is done once for several trials; its fields are those of an Assumption."""

    requests: int
    openings: int = 0
    seconds: float = 0.5


EXPERIMENTS: Final[Mapping[str, Experiment]] = {
    "exhausted limit": Experiment(55, seconds=6.5),
    "reopening": Experiment(38, 2),
}


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
    """About how many requests the trial sends by itself, with those of the way back to a flat account."""
    openings: int = 0
    """How many times it opens the smallest position."""
    seconds: float = 0.5
    """About how long it takes, beside its openings."""
    experiment: str = ""
    """The experiment in `EXPERIMENTS` that it shares with other trials; "": none."""
    pos_mode: Literal["", "net_mode", "long_short_mode"] = ""
    """The position mode that it needs; "": it is made in both."""

    @property
    def about_simulator(self) -> bool:
        """Whether only the simulated exchange rests on it: then no close goes wrong if it is wrong."""
        return all(module.startswith("simulator") for module in self.rests)
