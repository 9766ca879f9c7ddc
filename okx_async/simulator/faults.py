"""Answers made wrong on purpose: each takes the place of the next requests that match it.

Where it strikes decides what it costs. An uncounted fault answers before anything is looked at, as a proxy or a
broken network does: nothing is authenticated, counted or executed. A counted one answers after authentication and
the count; if it is ``executed``, the request does its work first and only the answer is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from okx_async.simulator.codes import error_body, status_of

if TYPE_CHECKING:
    from decimal import Decimal

    from okx_async.simulator.codes import Shape

__all__ = ["Fault", "Faults"]


@dataclass(slots=True)
class Fault:
    """One injected fault, `times` requests of life left; see `SimulatedExchange.inject`."""

    name: str
    times: int
    path: str | None
    inst_id: str | None
    user_id: str | None
    code: str
    status: int | None
    message: str
    shape: Shape | None
    body: bytes | None
    content_type: str
    executed: bool
    counted: bool
    delay: float
    disconnect: bool
    fill: Decimal
    forwarded: float | None = None

    def __post_init__(self) -> None:
        if self.times < 1:
            raise ValueError(f"times must be at least 1, got {self.times}")
        if self.executed and not self.counted:
            raise ValueError("a request that is not counted is not executed either")
        if not 0 <= self.fill <= 1:
            raise ValueError(f"fill must be from 0 to 1, got {self.fill}")
        if self.forwarded is not None and (self.counted or not self.answers):
            raise ValueError("only a request that is answered before the count can be forwarded afterwards")
        if not self.counted and (self.inst_id or self.user_id):
            raise ValueError("an uncounted fault strikes before it is known whose and which instrument's request it is")

    @property
    def answers(self) -> bool:
        """Whether the usual answer is replaced; otherwise it comes late, or fills in part."""
        return bool(self.code) or self.body is not None or self.status is not None or self.disconnect

    def answer(self) -> tuple[int, bytes]:
        """Return HTTP status and body; status 0: no answer, the connection is cut."""
        if self.disconnect:
            return 0, b""
        status = status_of(self.code) if self.status is None else self.status
        if self.body is not None:
            return status, self.body
        return status, error_body(self.code, self.message, self.shape) if self.code else b""

    def matches(self, path: str, user_id: str, inst_id: str) -> bool:
        """Whether it strikes this request."""
        return (
            self.times > 0
            and self.path in {None, path}
            and self.user_id in {None, user_id}
            and self.inst_id in {None, inst_id}
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

    def take(self, *, counted: bool, path: str, user_id: str = "", inst_id: str = "") -> Fault | None:
        """Return the fault that strikes this request at this place, and use up one of its times."""
        for fault in self._waiting:
            if fault.counted == counted and fault.matches(path, user_id, inst_id):
                fault.times -= 1
                if not fault.times:
                    self._waiting.remove(fault)
                return fault
        return None
