"""Answers made wrong on purpose: each takes the place of the next requests that match it.

Where it strikes decides what it costs. An uncounted fault answers before anything is looked at, as a proxy or a
broken network does: nothing is authenticated, counted or executed. A counted one answers after authentication and
the count; if it is ``executed``, the request does its work first and only the answer is lost. A skew answers nothing:
it moves the server's clock for the requests that it matches. Named ones stand in `catalogue`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple, TypedDict

from okx_async.simulator.api.codes import Shape, error_body, status_of
from okx_async.simulator.api.endpoints import CLOSE_PATH

__all__ = ["Fault", "Faults", "Options", "Whose"]


class Options(TypedDict, total=False):
    """What a fault is made of: see Fault, whose fields these are."""

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


class Whose(NamedTuple):
    """What a fault may ask of a request; "" where the request does not say, or where it is not looked at yet."""

    path: str
    user_id: str = ""
    inst_id: str = ""
    cl_ord_id: str = ""


@dataclass(slots=True, kw_only=True)
class Fault:
    """One injected fault, `times` requests of life left; see `SimulatedExchange.inject`. Times are seconds."""

    name: str = ""
    times: int | None = 1
    """Requests that it strikes; None: all, until it is cleared."""
    after: int = 0
    """Requests that match and pass before it strikes the first."""
    path: str | None = CLOSE_PATH
    inst_id: str | None = None
    user_id: str | None = None
    cl_ord_id: str | None = None
    code: str = ""
    status: int | None = None
    message: str = ""
    shape: Shape | None = None
    body: bytes | str | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    padding: int = 0
    """Bytes of blanks that go before the body."""
    executed: bool = False
    if_done: bool = False
    """Whether it answers only where there was something to execute; else the usual refusal comes."""
    counted: bool = True
    forwarded: float | None = None
    """From an uncounted answer to the arrival of the request at the exchange all the same."""
    delay: float = 0.0
    """Before the answer."""
    pause: float = 0.0
    """Between the answer's headers and its body."""
    cut: int | None = None
    """Bytes of the body after which the connection ends."""
    disconnect: bool = False
    reset: bool = False
    """Whether the connection ends in a reset, and not in an orderly way."""
    skew: float = 0.0
    """By which the server's clock is ahead."""
    fill: Decimal | float = 1
    """The part of the position that an executed close fills."""

    def __post_init__(self) -> None:
        self.name = self.name or self.code or ("disconnect" if self.disconnect else "fault")
        if isinstance(self.body, str):
            self.body = self.body.encode()
        self.fill = Decimal(str(self.fill))
        if self.times is not None and self.times < 1:
            raise ValueError(f"times must be at least 1, got {self.times}")
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
        """Whether the usual answer is replaced; otherwise it comes late, or fills in part."""
        return bool(self.code) or self.body is not None or self.status is not None or self.disconnect

    @property
    def part(self) -> Decimal:
        """The part of the position that an executed close fills."""
        return Decimal(self.fill)

    def answer(self) -> tuple[int, bytes]:
        """Return HTTP status and body; status 0: no answer, the connection is cut."""
        if self.disconnect:
            return 0, b""
        status = status_of(self.code) if self.status is None else self.status
        if isinstance(self.body, bytes):
            return status, self.body
        return status, error_body(self.code, self.message, self.shape) if self.code else b""

    def matches(self, whose: Whose) -> bool:
        """Whether it is meant for this request."""
        return (
            self.path in {None, whose.path}
            and self.user_id in {None, whose.user_id}
            and self.inst_id in {None, whose.inst_id}
            and self.cl_ord_id in {None, whose.cl_ord_id}
        )


class Faults:
    """The faults still to come, first injected first served."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Put a fault at the end of the queue."""
        self._waiting.append(fault)

    def clear(self) -> None:
        """Forget what has not struck yet."""
        self._waiting.clear()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._waiting)

    @property
    def picky(self) -> bool:
        """Whether one strikes before the request is looked at, and yet asks whose it is."""
        return any(not f.counted and (f.inst_id or f.user_id or f.cl_ord_id) for f in self._waiting)

    def take(self, whose: Whose, *, counted: bool) -> Fault | None:
        """Return the fault that strikes this request at this place, and use up one of its times."""
        for fault in self._waiting:
            if fault.counted == counted and not fault.skew and fault.matches(whose) and self._strikes(fault):
                return fault
        return None

    def skews(self, whose: Whose) -> list[Fault]:
        """Return the faults by which the server's clock is wrong for this request."""
        return [f for f in tuple(self._waiting) if f.skew and f.matches(whose) and self._strikes(f)]

    def _strikes(self, fault: Fault) -> bool:
        if fault.after > 0:
            fault.after -= 1
            return False
        if fault.times is not None:
            fault.times -= 1
            if not fault.times:
                self._waiting.remove(fault)
        return True
