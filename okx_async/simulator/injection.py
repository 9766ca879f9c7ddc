"""Faults put in the way of requests, refusals dressed in another way, and another program at the same limit."""

from __future__ import annotations

from typing import Unpack

from okx_async.simulator.api.codes import Shape
from okx_async.simulator.faults.catalogue import fault_of
from okx_async.simulator.faults.faults import Fault, Faults, Options
from okx_async.simulator.gateway import Gateway, Style

__all__ = ["Injection"]


class Injection:
    """What goes wrong at an exchange, on request."""

    def __init__(self, faults: Faults, gateway: Gateway) -> None:
        self._faults = faults
        self._gateway = gateway

    def inject(self, kind: str = "", /, **options: Unpack[Options]) -> Fault:
        """Answer the next `times` requests that match with a fault; `times` None: all, until `clear_faults`.

        `kind`: a name of `okx_async.simulator.CATALOGUE`; `options` are added, or replace what is there.

        Matched are ``path`` (by default close-position, None: any), ``inst_id``, ``user_id`` and ``cl_ord_id``; the
        first ``after`` requests that match pass.

        What is answered: ``code`` in its usual body, or ``body`` as it stands, under ``status`` (by default the
        code's), or nothing with ``disconnect``; each `delay` s late. With none of these the usual answer comes, late.
        ``pause``: s between headers and body; ``padding``: bytes of blanks before the body; ``cut``: bytes of the body
        after which the connection ends; ``reset``: in a reset; ``headers``: further ones.

        ``executed``: the request does its work all the same (``if_done``: if it cannot, the usual refusal comes).
        ``counted``: it strikes after authentication and the count of arrivals (a request refused there does not use it
        up); False: before anything is looked at.
        ``fill``: the part of the position that an executed close fills. ``forwarded``: s after an uncounted answer at
        which the request reaches the exchange all the same, as behind a proxy that has given up on it.
        ``skew``: s by which the server's clock is ahead for these requests.
        """
        fault = fault_of(kind, options)
        self._faults.add(fault)
        return fault

    def clear_faults(self) -> None:
        """Forget the injected faults that have not struck yet."""
        self._faults.clear()

    def restyle(self, code: str, *, to: str | None = None, shape: Shape | None = None) -> None:
        """Answer a refusal under another code (``restyle("51032", to="51342")``) or in another shape of body."""
        self._gateway.styles[code] = Style(to or code, shape)

    def crowd(self, user_id: str, scope: str, requests: float) -> None:
        """Let another program send so many requests in 2 s under a limit, evenly, from the next arrival on; 0: none.

        `scope`: what the limit is counted by, an instrument id or an option family. They are counted and no more.
        """
        self._gateway.crowd((user_id, scope), requests)
