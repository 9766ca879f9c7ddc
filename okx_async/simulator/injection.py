"""Faults put in the way of requests, and refusals dressed in another way."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from okx_async.simulator.endpoints import CLOSE_PATH
from okx_async.simulator.faults import Fault, Faults
from okx_async.simulator.gateway import Gateway, Style

if TYPE_CHECKING:
    from okx_async.simulator.codes import Shape

__all__ = ["Injection"]


class Injection:
    """What goes wrong at an exchange, on request."""

    def __init__(self, faults: Faults, gateway: Gateway) -> None:
        self._faults = faults
        self._gateway = gateway

    def inject(
        self,
        *,
        times: int = 1,
        path: str | None = CLOSE_PATH,
        inst_id: str | None = None,
        user_id: str | None = None,
        code: str = "",
        status: int | None = None,
        message: str = "",
        shape: Shape | None = None,
        body: bytes | str | None = None,
        content_type: str = "application/json",
        executed: bool = False,
        counted: bool = True,
        delay: float = 0.0,
        disconnect: bool = False,
        fill: Decimal | float = 1,
        forwarded: float | None = None,
        name: str = "",
    ) -> Fault:
        """Answer the next `times` requests that match (`path` None: any) with a fault.

        What is answered: ``code`` in its usual body, or ``body`` as it stands, under ``status`` (by default the
        code's), or nothing with ``disconnect``; each `delay` s late. With none of these the usual answer comes, late.

        ``executed``: the request does its work all the same. ``counted``: it strikes after authentication and the
        count of arrivals (a request refused there does not use it up); False: before anything is looked at.
        ``fill``: the part of the position that an executed close fills. ``forwarded``: s after an uncounted answer at
        which the request reaches the exchange all the same, as behind a proxy that has given up on it.
        """
        fault = Fault(
            name=name or code or ("disconnect" if disconnect else "fault"),
            times=times,
            path=path,
            inst_id=inst_id,
            user_id=user_id,
            code=code,
            status=status,
            message=message,
            shape=shape,
            body=body.encode() if isinstance(body, str) else body,
            content_type=content_type,
            executed=executed,
            counted=counted,
            delay=delay,
            disconnect=disconnect,
            fill=Decimal(str(fill)),
            forwarded=forwarded,
        )
        self._faults.add(fault)
        return fault

    def clear_faults(self) -> None:
        """Forget the injected faults that have not struck yet."""
        self._faults.clear()

    def restyle(self, code: str, *, to: str | None = None, shape: Shape | None = None) -> None:
        """Answer a refusal under another code (``restyle("51032", to="51342")``) or in another shape of body."""
        self._gateway.styles[code] = Style(to or code, shape)
