"""One request on its way through the checks, its parameters, and the state that endpoints work on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from okx_async.simulator.api.accounts import ApiKey
from okx_async.simulator.api.arrivals import PER, RateKey
from okx_async.simulator.api.behaviour import Behaviour
from okx_async.simulator.api.codes import Refused
from okx_async.simulator.books.books import Books
from okx_async.simulator.books.instruments import INST_TYPES, Instrument, rate_scope
from okx_async.simulator.books.orders import Orders


@dataclass(frozen=True, slots=True)
class Venue:
    """The state that the endpoints work on."""

    instruments: dict[str, Instrument]
    books: Books
    orders: Orders
    fill_delay: Callable[[], float]
    """Returns the seconds that the next close takes."""
    behaviour: Behaviour = Behaviour()  # noqa: RUF009 - frozen
    fill: Decimal = Decimal(1)
    """The part of the position that a close fills, where no fault says otherwise."""
    alive: dict[tuple[str, str], object] = field(default_factory=dict)
    """The latest cancel-all-after that is armed, by user and tag."""
    odd_records: list[Any] = field(default_factory=list)
    """What account/positions lists beside the positions, as it stands."""


@dataclass(slots=True)
class Call:
    """One request on its way through the checks: its parameters, and the results of the checks so far."""

    now: float
    ms: int
    ip: str
    params: Mapping[str, Any] = field(default_factory=dict)
    items: Sequence[Mapping[str, Any]] = ()
    """The orders of a batch; `params` is the first."""
    api_key: ApiKey | None = None
    rate_key: RateKey | None = None
    part: Decimal = Decimal(1)
    executed: bool = False
    fault: str = ""
    by_family: bool = True
    """Whether options are counted by family."""
    empty_is_absent: bool = True
    """Whether an empty parameter counts as absent; some clients send such. If not, it is refused."""

    @property
    def key(self) -> ApiKey:
        """The API key of a private call."""
        if self.api_key is None:
            raise AssertionError("private endpoints run after authentication")
        return self.api_key

    @property
    def user_id(self) -> str:
        """The user id; "" before authentication."""
        return self.api_key.account.user_id if self.api_key else ""

    @property
    def inst_id(self) -> str:
        """The instId of the request, "" where it is no text."""
        value = self.params.get("instId")
        return value if isinstance(value, str) else ""

    @property
    def rate_scope(self) -> str:
        """The instrument, or the option family, that the request is counted by."""
        return rate_scope(self.inst_id) if self.by_family else self.inst_id

    @property
    def cl_ord_id(self) -> str:
        """The clOrdId of the request, "" where it is no text."""
        value = self.params.get("clOrdId")
        return value if isinstance(value, str) else ""

    def text(self, name: str) -> str:
        """Return a parameter, "" where it is absent."""
        value = self.params.get(name)
        if value is None:
            return ""
        if not isinstance(value, str) or not (value or self.empty_is_absent):
            raise parameter_error(name)
        return value

    def need(self, name: str) -> str:
        """Return a required parameter."""
        if not (value := self.text(name)):
            raise Refused("50014", f"Parameter {name} cannot be empty.", f"no {name}")
        return value


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint: method, path, rate limit and implementation."""

    method: str
    path: str
    limit: int
    """Requests in `per` seconds."""
    scope: Callable[[Call], str]
    """Returns what the limit is counted by, beside the user id or IP."""
    act: Callable[[Venue, Call], list[Any]]
    private: bool = True
    permission: str = ""
    per: float = PER
    """Seconds of the limit's window."""
    batch: bool = False
    """Whether the body is a list; each of its items is counted."""
    alone: str = ""
    """Of a batch: the endpoint that a list of one item counts for, where that is not its own."""
    expires: bool = False
    """Whether a request may have an ``expTime``."""


def parameter_error(name: str) -> Refused:
    """Return the refusal of a wrong parameter."""
    return Refused("51000", f"Parameter {name} error", f"wrong {name}")


def inst_type_of(call: Call) -> str:
    """Return the parameter instType, or ""."""
    value = call.text("instType")
    if value and value not in INST_TYPES:
        raise parameter_error("instType")
    return value


def comma_list(call: Call, name: str, most: int) -> set[str]:
    """Return the values of a comma list."""
    values = [value for value in call.text(name).split(",") if value]
    if len(values) > most:
        raise Refused("50025", f"Parameter {name} count exceeds the limit {most}.")
    return set(values)


def number_of(call: Call, name: str) -> int:
    """Return a parameter that is a number written as text, 0 where it is absent."""
    value = call.text(name)
    if not value:
        return 0
    if not (value.isascii() and value.isdecimal() and len(value) < 20):  # noqa: PLR2004 - what fits in 64 bits
        raise parameter_error(name)
    return int(value)
