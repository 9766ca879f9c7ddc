"""Injected faults: each replaces, delays or changes the answers to the next requests that match it.

An uncounted fault answers before any check, as a proxy or a broken network does: nothing is authenticated, counted or
executed. A counted fault answers after authentication and the rate limit; with ``executed`` the request is carried out
first and only its answer is lost. A skew replaces no answer: it moves the server's clock for the requests that match.
The named faults are in `catalogue`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple, TypedDict

from okx_async.simulator.api.codes import Shape, error_body, status_of
from okx_async.simulator.api.endpoints import CLOSE_PATH


class Options(TypedDict, total=False):
    """The fields of a Fault, for keyword arguments."""

    name: str
    times: int | None
    after: int
    path: str | None
    inst_id: str | None
    user_id: str | None
    cl_ord_id: str | None
    code: str
    status: int | None
    message: str
    shape: Shape | None
    body: bytes | str | None
    content_type: str
    headers: Mapping[str, str]
    padding: int
    executed: bool
    if_done: bool
    counted: bool
    forwarded: float | None
    delay: float
    pause: float
    cut: int | None
    disconnect: bool
    reset: bool
    skew: float
    fill: Decimal | float


class RequestTraits(NamedTuple):
    """The traits by which a fault selects requests; "" where the request has none, or where it was not read yet."""

    path: str
    user_id: str = ""
    inst_id: str = ""
    cl_ord_id: str = ""


@dataclass(slots=True, kw_only=True)
class Fault:
    """One injected fault; see `SimulatedExchange.inject`."""

    name: str = ""
    """Its name in the journal; by default the code."""
    times: int | None = 1
    """Requests that it will still strike; None: all, until it is cleared."""
    after: int = 0
    """Requests that match and pass before it strikes the first."""
    path: str | None = CLOSE_PATH
    """The path of the requests that it strikes; None: any."""
    inst_id: str | None = None
    """The instrument of the requests that it strikes; None: any."""
    user_id: str | None = None
    """The UID of the requests that it strikes; None: any."""
    cl_ord_id: str | None = None
    """The client's own id of the requests that it strikes; None: any."""
    code: str = ""
    """The code of the answer; "": the usual answer, or `body`."""
    status: int | None = None
    """The HTTP status of the answer; None: that of the code."""
    message: str = ""
    """The message of the answer; "": that of the code."""
    shape: Shape | None = None
    """The form of the answer's body; None: that of the code."""
    body: bytes | str | None = None
    """The body of the answer; None: made from the code."""
    content_type: str = "application/json"
    """The Content-Type of the answer."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of the answer beside the usual ones."""
    padding: int = 0
    """Blanks before the body, in bytes."""
    executed: bool = False
    """Whether the request is carried out, and only its answer lost."""
    if_done: bool = False
    """Whether a request that cannot be executed is answered by its usual refusal instead."""
    counted: bool = True
    """Whether it answers after authentication and the rate limit, or before any check."""
    forwarded: float | None = None
    """Seconds from an uncounted answer to the late arrival of the request at the exchange; None: it never arrives."""
    delay: float = 0.0
    """Seconds before the answer."""
    pause: float = 0.0
    """Seconds between the answer's headers and its body."""
    cut: int | None = None
    """Bytes of the body after which the connection ends."""
    disconnect: bool = False
    """Whether the connection ends without an answer."""
    reset: bool = False
    """Whether the connection ends in a reset instead of an orderly end."""
    skew: float = 0.0
    """Seconds by which the server's clock is ahead."""
    fill: Decimal | float = 1
    """The part of the position that an executed close fills."""

    def __post_init__(self) -> None:
        self.name = self.name or self.code or ("disconnect" if self.disconnect else "fault")
        if isinstance(self.body, str):
            self.body = self.body.encode()
        self.fill = Decimal(str(self.fill))
        if self.times is not None and self.times < 1:
            raise ValueError(f"times must be at least 1, got {self.times}")
        if not (self.delay >= 0 and self.pause >= 0):
            raise ValueError(f"delay and pause must be numbers of seconds, 0 or more, got {self.delay}, {self.pause}")
        if self.executed and not self.counted:
            raise ValueError("a request that is not counted is not executed either")
        if self.if_done and not self.executed:
            raise ValueError("if_done is of a request that is executed")
        if not 0 <= self.fill <= 1:
            raise ValueError(f"fill must be from 0 to 1, got {self.fill}")
        if self.forwarded is not None and (self.counted or not self.answers):
            raise ValueError("only a request that is answered before the count can be forwarded afterwards")
        if self.skew and (self.counted or self.answers):
            raise ValueError("a skew answers nothing, and strikes before the timestamp is looked at")
        if not self.answers and (self.pause or self.padding or self.headers or self.cut is not None):
            raise ValueError("pause, padding, headers and cut are of an answer that takes the usual one's place")

    @property
    def answers(self) -> bool:
        """Whether the usual answer is replaced; otherwise it is late or slow, or the close fills in part."""
        return bool(self.code) or self.body is not None or self.status is not None or self.disconnect

    @property
    def part(self) -> Decimal:
        """The part of the position that an executed close fills."""
        return Decimal(self.fill)

    def answer(self) -> tuple[int, bytes]:
        """Return HTTP status and body; status 0: the connection is cut without an answer."""
        if self.disconnect:
            return 0, b""
        status = status_of(self.code) if self.status is None else self.status
        if isinstance(self.body, bytes):
            return status, self.body
        return status, error_body(self.code, self.message, self.shape) if self.code else b""

    def matches(self, traits: RequestTraits) -> bool:
        """Whether it selects a request with these traits.

        Args:
            traits: The request's.
        """
        return (
            self.path in {None, traits.path}
            and self.user_id in {None, traits.user_id}
            and self.inst_id in {None, traits.inst_id}
            and self.cl_ord_id in {None, traits.cl_ord_id}
        )


class Faults:
    """The faults that will still strike; of several that match, the first injected strikes."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Add a fault behind the others."""
        self._waiting.append(fault)

    def clear(self) -> None:
        """Remove all faults."""
        self._waiting.clear()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._waiting)

    @property
    def selective(self) -> bool:
        """Whether an uncounted fault selects by user, instrument or clOrdId, for which the request must be read."""
        return any(not f.counted and (f.inst_id or f.user_id or f.cl_ord_id) for f in self._waiting)

    def take(self, traits: RequestTraits, *, counted: bool) -> Fault | None:
        """Return the fault that strikes a request, and use up one of its times.

        Args:
            traits: The request's.
            counted: Whether the request has passed the rate limit.
        """
        for fault in self._waiting:
            if fault.counted == counted and not fault.skew and fault.matches(traits) and self._strikes(fault):
                return fault
        return None

    def skews(self, traits: RequestTraits) -> list[Fault]:
        """Return the skews that strike a request."""
        return [f for f in tuple(self._waiting) if f.skew and f.matches(traits) and self._strikes(f)]

    def _strikes(self, fault: Fault) -> bool:
        if fault.after > 0:
            fault.after -= 1
            return False
        if fault.times is not None:
            fault.times -= 1
            if not fault.times:
                self._waiting.remove(fault)
        return True
